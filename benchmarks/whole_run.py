"""Says where the time of a training goes: into its steps, and into what is around them.

    python benchmarks/whole_run.py --steps 10000

Trains on MNIST with backward() itself, in a new folder.
"""

import argparse
import collections
import os
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

spent = collections.Counter()  # seconds


def clock(what, owner, name, counts=lambda *args: True):
    """Adds the seconds in a call of owner.name to spent[what], if counts(*args) is true."""
    function = getattr(owner, name)

    def timed(*args, **options):
        start = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            if counts(*args, *options.values()):
                spent[what] += time.perf_counter() - start

    setattr(owner, name, timed)


def main():
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument('--steps', type=int, default=10000, metavar='N', help='default: 10000')
    steps = made.parse_args().steps
    start = time.perf_counter()
    import mnist_lenet5_backward as backward

    spent['import of TensorFlow'] = time.perf_counter() - start
    from support import checkpoints, tensorboard

    clock('reading the data', backward.input_data, 'read_data_sets')
    clock('batches', backward.input_data.DataSet, 'next_batch')
    # a step feeds its batch, a save only its path
    clock('steps', backward.tf.Session, 'run', lambda sess, fetches, feed=(): len(feed) > 1)
    clock('saves', checkpoints.Manager, 'save')
    clock('curves', tensorboard.Training, 'add')
    mnist = backward.input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    backward.STEPS = steps
    with tempfile.TemporaryDirectory() as folder:
        backward.MODEL_SAVE_PATH = os.path.join(folder, 'model')
        backward.backward(mnist)
    whole = time.perf_counter() - start
    assert len(spent) == 6, 'a clock that never ran'
    spent['all else'] = whole - sum(spent.values())
    for what, seconds in spent.items():
        print('%-22s %8.2f s %6.2f%%' % (what, seconds, 100 * seconds / whole), file=sys.stderr)
    ratio = (whole - spent['import of TensorFlow']) / spent['steps']
    print('the whole without the import, to the steps: %.3f' % ratio, file=sys.stderr)


if __name__ == '__main__':
    main()
