"""Trains the network with one ingredient left out or changed at a time: docs/experiments.md.

python benchmarks/experiments.py                        # prints the tables, trains nothing
python benchmarks/experiments.py no-dropout --seeds 2   # trains seeds 1 and 2, if missing
python benchmarks/experiments.py all                    # trains all rows that are missing

A training uses one core. To use two, start the command twice, each time with other rows.
"""

import argparse
import contextlib
import json
import os
import sys
from unittest import mock

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'benchmarks')]

from support import command_line  # noqa: E402, I001 - before TensorFlow, for its settings
import tensorflow.compat.v1 as tf  # noqa: E402
import claims  # noqa: E402
import input_data  # noqa: E402
import mnist_lenet5_backward as backward  # noqa: E402
import mnist_lenet5_forward as forward  # noqa: E402
import mnist_lenet5_test  # noqa: E402

KEYS = 'row', 'seed', 'steps', 'digits'  # identify a result; its measurements follow
STEPS, DIGITS, ALL_DIGITS = 6000, 5500, 55000


def smaller(convolve, neurons, x, train, regularizer, seed=None):
    """A `forward` with at most one convolution and one hidden fully connected layer."""
    if convolve:
        w, b = forward.get_weight([5, 5, 1, 32], regularizer), forward.get_bias([32])
        x = forward.max_pool_2x2(tf.nn.relu(tf.nn.bias_add(forward.conv2d(x, w), b)))
    nodes = int(np.prod(x.shape.as_list()[1:]))
    w, b = forward.get_weight([nodes, neurons], regularizer), forward.get_bias([neurons])
    fc1 = tf.nn.relu(tf.matmul(tf.reshape(x, [-1, nodes]), w) + b)
    if train:
        fc1 = forward.dropout(fc1, 0.5, seed)
    w, b = forward.get_weight([neurons, 10], regularizer), forward.get_bias([10])
    return tf.matmul(fc1, w) + b


# {row: {name to replace: value}}; only `digits` is not the name of something in a module
BACKWARD, FORWARD = 'mnist_lenet5_backward.', 'mnist_lenet5_forward.'
NO_DROPOUT, NO_L2 = {FORWARD + 'dropout': lambda x, rate, seed: x}, {BACKWARD + 'REGULARIZER': 0.0}
ROWS = {
    'baseline': {},
    'no-dropout': NO_DROPOUT,
    'no-l2': NO_L2,
    'neither': dict(NO_DROPOUT, **NO_L2),
    'l2-x100': {BACKWARD + 'REGULARIZER': 100 * backward.REGULARIZER},
    'constant-rate': {BACKWARD + 'LEARNING_RATE_DECAY': 1.0},
    'rate-x10': {BACKWARD + 'LEARNING_RATE_BASE': 10 * backward.LEARNING_RATE_BASE},
    'sigmoid': {'tensorflow.compat.v1.nn.relu': tf.sigmoid},
    '3x3-kernels': {FORWARD + 'CONV1_SIZE': 3, FORWARD + 'CONV2_SIZE': 3},
    'one-convolution': {FORWARD + 'forward': lambda *args: smaller(True, 512, *args)},
    'no-convolution': {FORWARD + 'forward': lambda *args: smaller(False, 500, *args)},
    'all-digits': {'digits': ALL_DIGITS},
}


def train(data, row, seed, steps, digits):
    """Trains a row on scaled images, or finishes its training. Returns what it measures."""
    few = input_data.DataSet(data.train.images[:digits], data.train.labels[:digits], dtype=np.uint8)
    folder = f'{ROOT}/model/experiments/{row}-{steps}-steps-{digits}-digits-seed-{seed}/'
    os.makedirs(folder, exist_ok=True)
    # the lecture's decay is per epoch; with fewer digits, this is the same decay per step
    decay = backward.LEARNING_RATE_DECAY ** (digits / ALL_DIGITS)
    changes = {BACKWARD + 'LEARNING_RATE_DECAY': decay, BACKWARD + 'SAVE_STEPS': 10**9, **ROWS[row]}
    changes[BACKWARD + 'MODEL_SAVE_PATH'] = folder
    with contextlib.ExitStack() as replaced, contextlib.redirect_stdout(None):
        for name in set(changes) - {'digits'}:
            replaced.enter_context(mock.patch(name, changes[name]))
        file = replaced.enter_context(open(folder + 'tests.jsonl', 'a+'))
        file.seek(0)
        tests = [json.loads(line) for line in file]
        # a test of both weights takes as long as 60 steps, so there are fewer in the middle
        steps_of_tests = [
            s
            for s in range(claims.EVERY, steps, claims.EVERY)
            if s % 400 == 0 or not 2000 < s < 4000
        ]
        for step in [*steps_of_tests, steps][len(tests) :]:
            if not (tf.train.latest_checkpoint(folder) or '').endswith(f'-{step}'):
                with mock.patch(BACKWARD + 'STEPS', step):
                    backward.backward(data._replace(train=few), seed)
            tests.append(dict(tested=step, **measure(folder, data.test)))
            print(json.dumps(tests[-1]), file=file, flush=True)
        result = {key: [test[key] for test in tests] for key in tests[0]}
        return dict(result, **measure(folder, few, 'train_'))


def measure(folder, data, part=''):
    """Returns the accuracy and cross entropy of the newest checkpoint on a DataSet."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, forward.IMAGE_SIZE**2])
        reshaped_x = tf.reshape(x, [-1, forward.IMAGE_SIZE, forward.IMAGE_SIZE, 1])
        y = forward.forward(reshaped_x, False, None)
        raw = {variable.op.name: variable for variable in tf.trainable_variables()}
        ema = tf.train.ExponentialMovingAverage(backward.MOVING_AVERAGE_DECAY)
        found = {'parameters': int(sum(np.prod(v.shape.as_list()) for v in raw.values()))}
        for weights, variables in ('', ema.variables_to_restore()), ('raw_', raw):
            tf.train.Saver(variables).restore(sess, tf.train.latest_checkpoint(folder))
            logits = mnist_lenet5_test.run_in_chunks(sess, y, x, data.images)
            right = logits.argmax(1) == data.labels.argmax(1)
            entropy = np.logaddexp.reduce(logits, axis=1) - logits[data.labels == 1]
            found[weights + part + 'accuracy'] = round(float(right.mean()), 6)
            found[weights + part + 'cross_entropy'] = round(float(entropy.mean()), 5)
    return found


def finished(steps=STEPS, digits=DIGITS):
    """Returns the results of the trainings of one length, row by row, from experiments.jsonl."""
    found = []
    if os.path.exists(f'{ROOT}/benchmarks/experiments.jsonl'):
        with open(f'{ROOT}/benchmarks/experiments.jsonl') as file:
            found = sorted(map(json.loads, file), key=lambda result: result['seed'])
    same = [r for r in found if r['steps'] == steps]
    return [
        result
        for row in ROWS
        for result in same
        if (result['row'], result['digits']) == (row, ROWS[row].get('digits', digits))
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0], allow_abbrev=False)
    rows = [*ROWS, 'all']
    # argparse checks the default, an empty list, too
    parser.add_argument('rows', nargs='*', choices=[*rows, []], metavar='ROW', help=' '.join(rows))
    for flag, default in ('--seeds', claims.SEEDS), ('--steps', STEPS), ('--digits', DIGITS):
        parser.add_argument(flag, type=int, default=default, metavar='N', help='(%(default)s)')
    args = parser.parse_args()
    done = {tuple(result[key] for key in KEYS) for result in finished(args.steps, args.digits)}
    data = args.rows and input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    for seed in range(1, 1 + args.seeds):  # seed by seed, so that soon the table has all rows
        for row in ROWS if 'all' in args.rows else args.rows:
            run = row, seed, args.steps, ROWS[row].get('digits', args.digits)
            if run not in done:
                result = dict(zip(KEYS, run), **train(data, *run))
                with open(f'{ROOT}/benchmarks/experiments.jsonl', 'a') as file:
                    print(json.dumps(result), file=file)
    results = finished(args.steps, args.digits)
    print(claims.rows_table(results), claims.claims_table(results), sep='\n\n')


if __name__ == '__main__':
    os.environ.setdefault('TF_NUM_INTRAOP_THREADS', '1')  # another number changes the last bits
    command_line.launch(main)
