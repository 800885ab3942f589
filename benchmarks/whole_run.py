"""Says where every second of a training goes, and what it adds to the steps themselves.

    python benchmarks/whole_run.py --steps 10000

Trains on MNIST with backward() itself. Every --block steps it stops the clock and runs as many bare
sess.run calls of the same graph, on one fixed batch: the two take turns, so that a noisy machine
is equally unfair to both.
"""

import argparse
import builtins
import glob
import os
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

spent = {}  # seconds, by what they went into


def timed(what, function):
    def run(*args, **options):
        start = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            spent[what] = spent.get(what, 0) + time.perf_counter() - start

    return run


def holding(save, folder):
    """Returns `save`, but of the files that it deletes the memory is freed by the next one."""
    held = []

    def run(*args):
        for file in held:
            file.close()
        held[:] = [open(path, 'rb') for path in glob.glob(os.path.join(folder, '*.data-*'))]
        save(*args)

    return run


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--steps', type=int, default=10000, metavar='N', help='default: 10000')
    parser.add_argument('--block', type=int, default=500, metavar='N', help='default: 500')
    parser.add_argument(
        '--hold',
        action='store_true',
        help='keep the memory of a deleted checkpoint for the next one, as a machine would whose '
        'host does not take free memory back',
    )
    args = parser.parse_args()

    began = start = time.perf_counter()
    import tensorflow.compat.v1 as tf

    spent['import of TensorFlow'] = time.perf_counter() - start
    from support import checkpoints, tensorboard

    import input_data
    import mnist_lenet5_backward

    calls = []  # the last training step: the arguments of its sess.run
    run = tf.Session.run

    def recording_run(sess, fetches, feed_dict=None):
        if feed_dict and len(feed_dict) > 1:  # a save feeds its path
            calls[:] = [sess, fetches, feed_dict]
        return run(sess, fetches, feed_dict)

    def bare(n):
        sess, fetches, feed_dict = calls
        for _ in range(n):
            run(sess, fetches, feed_dict)

    mnist = timed('data', input_data.read_data_sets)(os.path.join(ROOT, 'data'), one_hot=True)
    next_batch = timed('next_batch', mnist.train.next_batch)
    batches = [0]

    def interrupted_next_batch(n):
        if batches[0] == 0:
            spent['graph and session'] = time.perf_counter() - called
        elif batches[0] % args.block == 0:
            timed('bare sess.run', bare)(args.block)
        batches[0] += 1
        return next_batch(n)

    mnist.train.next_batch = interrupted_next_batch
    tf.Session.run = recording_run
    tensorboard.Training.add = timed('curves', tensorboard.Training.add)
    mnist_lenet5_backward.print = timed('printing', builtins.print)
    mnist_lenet5_backward.STEPS = args.steps + 1  # the last block is compared too
    with tempfile.TemporaryDirectory() as folder:
        mnist_lenet5_backward.MODEL_SAVE_PATH = os.path.join(folder, 'model')
        save = checkpoints.Manager.save
        if args.hold:
            save = holding(save, mnist_lenet5_backward.MODEL_SAVE_PATH)
        checkpoints.Manager.save = timed('saving', save)
        called = time.perf_counter()
        mnist_lenet5_backward.backward(mnist)
    clocks = {'bare sess.run', 'next_batch', 'graph and session', 'printing', 'saving', 'curves'}
    if not clocks <= set(spent):
        sys.exit('a clock that never ran: %s' % ', '.join(clocks - set(spent)))
    total = time.perf_counter() - began - spent['bare sess.run']
    spent['sess.run, reshape, loop'] = total - sum(spent.values()) + spent['bare sess.run']
    for what, seconds in spent.items():
        print('%-24s %8.2f s  %6.2f%%' % (what, seconds, 100 * seconds / total), file=sys.stderr)
    print('whole                    %8.2f s' % total, file=sys.stderr)
    print(
        'the whole without the import, to bare sess.run: %.4f'
        % ((total - spent['import of TensorFlow']) / spent['bare sess.run']),
        file=sys.stderr,
    )


if __name__ == '__main__':
    main()
