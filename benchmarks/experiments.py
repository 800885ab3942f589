"""Trains the network without each ingredient of the lecture and compares: docs/experiments.md.

python benchmarks/experiments.py no-dropout --seeds 2   # also trains the baseline
"""

import argparse
import contextlib
import json
import os
import sys
import time
from unittest import mock

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from support import command_line  # noqa: E402, I001 - before TensorFlow, for its settings
import tensorflow.compat.v1 as tf  # noqa: E402
import input_data  # noqa: E402
import mnist_lenet5_backward as backward  # noqa: E402
import mnist_lenet5_forward as forward  # noqa: E402
import mnist_lenet5_test  # noqa: E402

RUN = 'row', 'seed', 'steps', 'digits'  # identify a result; its measurements follow
ALL_DIGITS = 55000


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
B, F = 'mnist_lenet5_backward.', 'mnist_lenet5_forward.'
NO_DROPOUT, NO_L2 = {F + 'dropout': lambda x, rate, seed: x}, {B + 'REGULARIZER': 0.0}
ROWS = {
    'baseline': {},
    'no-dropout': NO_DROPOUT,
    'no-l2': NO_L2,
    'neither': dict(NO_DROPOUT, **NO_L2),
    'l2-x100': {B + 'REGULARIZER': 100 * backward.REGULARIZER},
    'constant-rate': {B + 'LEARNING_RATE_DECAY': 1.0},
    'rate-x10': {B + 'LEARNING_RATE_BASE': 10 * backward.LEARNING_RATE_BASE},
    'sigmoid': {'tensorflow.compat.v1.nn.relu': tf.sigmoid},
    '3x3-kernels': {F + 'CONV1_SIZE': 3, F + 'CONV2_SIZE': 3},
    'one-convolution': {F + 'forward': lambda *args: smaller(True, 512, *args)},
    'no-convolution': {F + 'forward': lambda *args: smaller(False, 500, *args)},
    'all-digits': {'digits': ALL_DIGITS},
}


def train(data, row, seed, steps, digits):
    """Trains a row on scaled images, or finishes its training. Returns what it measures."""
    few = input_data.DataSet(data.train.images[:digits], data.train.labels[:digits], dtype=np.uint8)
    times, next_batch = [], few.next_batch
    few.next_batch = lambda size: times.append(time.perf_counter()) or next_batch(size)
    folder = f'{ROOT}/model/experiments/{row}-{steps}-steps-{digits}-digits-seed-{seed}/'
    # the lecture's decay is per epoch; with fewer digits, this is the same decay per step
    decay = backward.LEARNING_RATE_DECAY ** (digits / ALL_DIGITS)
    changes = {B + 'LEARNING_RATE_DECAY': decay, B + 'STEPS': steps, **ROWS[row]}
    changes[B + 'MODEL_SAVE_PATH'] = folder
    with contextlib.ExitStack() as replaced, contextlib.redirect_stdout(None):
        for name in set(changes) - {'digits'}:
            replaced.enter_context(mock.patch(name, changes[name]))
        if not (tf.train.latest_checkpoint(folder) or '').endswith(f'-{steps}'):
            backward.backward(data._replace(train=few), seed)
        # the tenth percentile: other processes make a step slower, and nothing makes it faster
        ms = round(1000 * np.percentile(np.diff(times), 10), 1) if len(times) > 1 else float('nan')
        return dict(ms_per_step=ms, **measure(folder, {'': data.test, 'train_': few}))


def measure(folder, parts):
    """Returns the accuracy and cross entropy of the newest checkpoint on each {prefix: DataSet}."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, forward.IMAGE_SIZE**2])
        reshaped_x = tf.reshape(x, [-1, forward.IMAGE_SIZE, forward.IMAGE_SIZE, 1])
        y = forward.forward(reshaped_x, False, None)
        raw = {variable.op.name: variable for variable in tf.trainable_variables()}
        ema = tf.train.ExponentialMovingAverage(backward.MOVING_AVERAGE_DECAY)
        found = {'parameters': int(sum(np.prod(v.shape.as_list()) for v in raw.values()))}
        for kind, variables in ('', ema.variables_to_restore()), ('raw_', raw):
            tf.train.Saver(variables).restore(sess, tf.train.latest_checkpoint(folder))
            for part, data in parts.items():
                logits = mnist_lenet5_test.run_in_chunks(sess, y, x, data.images)
                right = logits.argmax(1) == data.labels.argmax(1)
                entropy = np.logaddexp.reduce(logits, axis=1) - logits[data.labels == 1]
                found[kind + part + 'accuracy'] = round(float(right.mean()), 6)
                found[kind + part + 'cross_entropy'] = round(float(entropy.mean()), 5)
    return found


def verdict(results, row):
    """Says whether the baseline is better than a row, by the rule in docs/experiments.md."""
    # the baseline's averaged weights are compared with its raw weights
    key = 'raw_accuracy' if row == 'baseline' else 'accuracy'
    baseline = {r['seed']: r['accuracy'] for r in results if r['row'] == 'baseline'}
    gains = np.array([baseline[r['seed']] - r[key] for r in results if r['row'] == row])
    if min(gains) <= 0 <= max(gains) or abs(gains.mean()) <= np.ptp(list(baseline.values())):
        return 'not to be seen here'
    return 'confirmed' if gains.mean() > 0 else 'the other way round'


def table(results):
    """Returns Markdown, accuracies in percent: mean (smallest to largest of the seeds)."""
    keys = 'accuracy', 'raw_accuracy', 'train_accuracy', 'cross_entropy', 'ms_per_step'
    lines = ['| row | seeds | %s | parameters | verdict |' % ' | '.join(keys), '|---' * 9 + '|']
    for row in dict.fromkeys(r['row'] for r in results):
        found = [r for r in results if r['row'] == row]
        values = [[r[key] * (100 if 'accuracy' in key else 1) for r in found] for key in keys]
        cells = ['%.4g (%.4g–%.4g)' % (np.mean(v), min(v), max(v)) for v in values]
        cells += [format(found[0]['parameters'], ','), verdict(results, row)]
        lines.append('| %s | %d | %s |' % (row, len(found), ' | '.join(cells)))
    return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0], allow_abbrev=False)
    # argparse checks the default, an empty list, too
    parser.add_argument('rows', nargs='*', choices=[*ROWS, []], metavar='ROW', help=' '.join(ROWS))
    for flag, default in ('--seeds', None), ('--steps', 6000), ('--digits', 5500):
        parser.add_argument(flag, type=int, default=default, metavar='N', help='(%(default)s)')
    args = parser.parse_args()
    data = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    with open(os.path.join(ROOT, 'benchmarks', 'experiments.jsonl'), 'a+') as file:
        file.seek(0)
        done, results = {tuple(r[key] for key in RUN): r for r in map(json.loads, file)}, []
        # seed by seed, so that an unfinished table has all rows; the first four have five seeds
        for seed in range(1, 1 + (args.seeds or 5)):
            for row in ROWS if seed <= (args.seeds or 3) else list(ROWS)[:4]:
                if row in [*(args.rows or ROWS), 'baseline']:
                    run = row, seed, args.steps, ROWS[row].get('digits', args.digits)
                    if run not in done:
                        done[run] = dict(zip(RUN, run), **train(data, *run))
                        print(json.dumps(done[run]), file=file, flush=True)
                    results.append(done[run])
    print(table(results))


if __name__ == '__main__':
    command_line.launch(main)
