"""Measures what each ingredient of the lecture buys: trains the network without it, and compares.

    python benchmarks/experiments.py                          # all rows: hours
    python benchmarks/experiments.py no-dropout --seeds 2     # one row and the baseline: minutes

Each row of ROWS is trained once for each seed, in a folder of its own below model/experiments/. An
interrupted row resumes when you run the command again, and a finished one is skipped: its result
is a line of benchmarks/experiments.jsonl. The last thing printed is the table, in Markdown.
docs/experiments.md explains the results.
"""

import argparse
import contextlib
import io
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

RESULTS = os.path.join(ROOT, 'benchmarks', 'experiments.jsonl')
ALL_DIGITS = 55000
FIVE_SEEDS = 'baseline', 'no-dropout', 'no-l2', 'neither'  # the other rows have three


def network(convolve, neurons):
    """Returns a `forward` with at most one convolution and one hidden fully connected layer."""

    def smaller_forward(x, train, regularizer, seed=None):
        if convolve:
            w = forward.get_weight([forward.CONV1_SIZE, forward.CONV1_SIZE, 1, 32], regularizer)
            conv1 = tf.nn.bias_add(forward.conv2d(x, w), forward.get_bias([32]))
            x = forward.max_pool_2x2(tf.nn.relu(conv1))  # [n, 14, 14, 32]
        nodes = int(np.prod(x.shape.as_list()[1:]))
        w, b = forward.get_weight([nodes, neurons], regularizer), forward.get_bias([neurons])
        fc1 = tf.nn.relu(tf.matmul(tf.reshape(x, [-1, nodes]), w) + b)
        if train:
            fc1 = forward.dropout(fc1, 0.5, seed)
        w, b = forward.get_weight([neurons, 10], regularizer), forward.get_bias([10])
        return tf.matmul(fc1, w) + b

    return smaller_forward


# {row: {what it replaces: by what}}; only `digits` is not a name in a module
NO_DROPOUT = {'mnist_lenet5_forward.dropout': lambda x, rate, seed: x}
NO_L2 = {'mnist_lenet5_backward.REGULARIZER': 0.0}
ROWS = {
    'baseline': {},
    'no-dropout': NO_DROPOUT,
    'no-l2': NO_L2,
    'neither': dict(NO_DROPOUT, **NO_L2),
    'l2-x100': {'mnist_lenet5_backward.REGULARIZER': 100 * backward.REGULARIZER},
    'constant-rate': {'mnist_lenet5_backward.LEARNING_RATE_DECAY': 1.0},
    'rate-x10': {'mnist_lenet5_backward.LEARNING_RATE_BASE': 10 * backward.LEARNING_RATE_BASE},
    'sigmoid': {'tensorflow.compat.v1.nn.relu': tf.sigmoid},
    '3x3-kernels': {'mnist_lenet5_forward.CONV1_SIZE': 3, 'mnist_lenet5_forward.CONV2_SIZE': 3},
    'one-convolution': {'mnist_lenet5_forward.forward': network(True, forward.FC_SIZE)},
    'no-convolution': {'mnist_lenet5_forward.forward': network(False, 500)},
    'all-digits': {'digits': ALL_DIGITS},
}


def train(row, seed, steps, digits, data):
    """Trains a row, or finishes its training. Returns its result, a dict; see `measure`."""
    changes = {
        # the decay is per epoch: the same per step, however many digits make an epoch
        'mnist_lenet5_backward.LEARNING_RATE_DECAY': backward.LEARNING_RATE_DECAY
        ** (digits / ALL_DIGITS),
        'mnist_lenet5_backward.STEPS': steps,
        'mnist_lenet5_backward.MODEL_SAVE_PATH': os.path.join(
            ROOT,
            'model',
            'experiments',
            '%s-%d-steps-%d-digits-seed-%d' % (row, steps, digits, seed),
            '',
        ),
        **{name: value for name, value in ROWS[row].items() if name != 'digits'},
    }
    images, labels = data.train.images[:digits], data.train.labels[:digits]
    few = input_data.DataSet(images, labels, dtype=np.uint8)  # they are scaled already
    times, next_batch = [], few.next_batch
    few.next_batch = lambda size: times.append(time.perf_counter()) or next_batch(size)
    with contextlib.ExitStack() as replaced:
        for name, value in changes.items():
            replaced.enter_context(mock.patch(name, value))
        replaced.enter_context(contextlib.redirect_stdout(io.StringIO()))  # the lecture's lines
        if not (tf.train.latest_checkpoint(backward.MODEL_SAVE_PATH) or '').endswith(f'-{steps}'):
            backward.backward(data._replace(train=few), seed)
        result = measure({'': data.test, 'train_': few})
    # the tenth percentile: other processes slow the machine down, and nothing speeds it up
    ms = round(1000 * np.percentile(np.diff(times), 10), 1) if len(times) > 1 else None
    return dict(row=row, seed=seed, steps=steps, digits=digits, ms_per_step=ms, **result)


def measure(parts):
    """Returns accuracy and cross entropy of the newest checkpoint, without dropout, for each
    {prefix: DataSet} of `parts`, with the averaged and with the raw weights, and `parameters`.
    """
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, forward.IMAGE_SIZE, forward.IMAGE_SIZE, 1])
        y = forward.forward(x, False, None)
        raw = {variable.op.name: variable for variable in tf.trainable_variables()}
        ema = tf.train.ExponentialMovingAverage(backward.MOVING_AVERAGE_DECAY)
        found = {'parameters': int(sum(np.prod(v.shape.as_list()) for v in raw.values()))}
        for kind, variables in ('', ema.variables_to_restore()), ('raw_', raw):
            path = tf.train.latest_checkpoint(backward.MODEL_SAVE_PATH)
            tf.train.Saver(variables).restore(sess, path)
            for prefix, data in parts.items():
                images = data.images.reshape(-1, forward.IMAGE_SIZE, forward.IMAGE_SIZE, 1)
                logits = mnist_lenet5_test.run_in_chunks(sess, y, x, images)
                right = logits.argmax(1) == data.labels.argmax(1)
                log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
                found[kind + prefix + 'accuracy'] = round(float(right.mean()), 6)
                entropy = -np.mean(log_p[data.labels == 1])
                found[kind + prefix + 'cross_entropy'] = round(float(entropy), 5)
        return found


def verdict(pairs, spread):
    """Returns what (baseline, row) accuracies say of the claim that the baseline is better."""
    gains = [baseline - row for baseline, row in pairs]
    for sign, words in (1, 'borne out'), (-1, 'the other way round'):
        if all(sign * gain > 0 for gain in gains) and sign * np.mean(gains) > spread:
            return words
    return 'not to be seen here'


def table(results):
    """Returns the Markdown table of results, which have one number of steps: mean (smallest to
    largest of the seeds).
    """
    by_row = {name: {r['seed']: r for r in results if r['row'] == name} for name in ROWS}
    baseline = by_row['baseline']
    # the same runs, tested with the weights themselves
    by_row['raw-weights'] = {
        seed: dict(r, **{k[4:]: v for k, v in r.items() if k.startswith('raw_')})
        for seed, r in baseline.items()
    }
    accuracies = [r['accuracy'] for r in baseline.values()]
    spread = max(accuracies) - min(accuracies)
    columns = 'accuracy', 'cross_entropy', 'train_accuracy', 'train_cross_entropy'
    lines = [
        '| row | seeds | %s | ms/step | parameters | |' % ' | '.join(columns),
        '|---' * 9 + '|',
    ]
    for name, runs in by_row.items():
        if not runs:
            continue
        cells = []
        for column in columns:
            values = [r[column] * (100 if 'accuracy' in column else 1) for r in runs.values()]
            form = '%.2f (%.2f to %.2f)' if 'accuracy' in column else '%.3f (%.3f to %.3f)'
            cells.append(form % (np.mean(values), min(values), max(values)))
        ms = [r['ms_per_step'] for r in runs.values() if r['ms_per_step']]
        pairs = [(baseline[s]['accuracy'], r['accuracy']) for s, r in runs.items() if s in baseline]
        cells += ['%.1f' % np.median(ms) if ms else '', format(runs[min(runs)]['parameters'], ',')]
        cells += ['' if name == 'baseline' else verdict(pairs, spread)]
        lines.append('| %s | %d | %s |' % (name, len(runs), ' | '.join(cells)))
    return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0], allow_abbrev=False)
    parser.add_argument('rows', nargs='*', metavar='ROW', help=', '.join(ROWS) + ' (all)')
    parser.add_argument('--seeds', type=int, metavar='N', help='(3; 5 of %s)' % str(FIVE_SEEDS))
    parser.add_argument('--steps', type=int, default=6000, metavar='N', help='(%(default)s)')
    parser.add_argument('--digits', type=int, default=5500, metavar='N', help='(%(default)s)')
    args = parser.parse_args()
    unknown = set(args.rows) - set(ROWS)
    if unknown:
        parser.error('no such row: %s' % ', '.join(sorted(unknown)))
    rows = [name for name in ROWS if name in (args.rows or ROWS) or name == 'baseline']
    data = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    results = []
    if os.path.exists(RESULTS):
        with open(RESULTS, encoding='ascii') as file:
            results = [json.loads(line) for line in file]
    results = [r for r in results if r['steps'] == args.steps]
    # seed by seed, so that an unfinished table has all rows
    for seed in range(1, 1 + (args.seeds or 5)):
        for row in rows:
            digits = ROWS[row].get('digits', args.digits)
            run = dict(row=row, seed=seed, steps=args.steps, digits=digits)
            if any(run.items() <= r.items() for r in results):
                continue
            if seed > (args.seeds or (5 if row in FIVE_SEEDS else 3)):
                continue
            results.append(train(data=data, **run))
            line = json.dumps(results[-1])
            print(line, flush=True)
            with open(RESULTS, 'a', encoding='ascii') as file:
                file.write(line + '\n')
    print(table([r for r in results if r['digits'] in (args.digits, ALL_DIGITS)]))


if __name__ == '__main__':
    command_line.run(main)
