"""Measures the watching script: a poll by itself, and what watching costs a training.

    python benchmarks/watching.py --rounds 5

Trains; in turn, half a minute each, alone, with mnist_lenet5_test.py beside it, and with one that
does not give way. Then lets test() meet new checkpoints with the machine to itself.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)


TRAIN = ['mnist_lenet5_backward.py']
WATCH = ['mnist_lenet5_test.py', '--wait']
WATCH_WITHOUT_GIVING_WAY = [
    '-c',
    'from support import command_line\n'
    'import mnist_lenet5_test\n'
    'command_line.run(mnist_lenet5_test.main)',
    '--wait',
]


def script(args, model, stdout=subprocess.DEVNULL):
    command = [sys.executable, *args, '--model_dir', model]
    return subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=subprocess.DEVNULL)


def speed(lines, seconds):
    """Returns the steps per second, from the first line of the training to the last."""
    end = time.monotonic() + seconds
    seen = []
    while time.monotonic() < end:
        step = int(re.search(rb'After (\d+)', next(lines)).group(1))
        seen.append((time.monotonic(), step))
    (first, a), (last, b) = seen[0], seen[-1]
    return (b - a) / (last - first)


def watched_and_unwatched(model, rounds, seconds):
    trainer = script(TRAIN, model, stdout=subprocess.PIPE)
    lines = iter(trainer.stdout.readline, b'')
    watchers = {'watched': WATCH, 'watched without giving way': WATCH_WITHOUT_GIVING_WAY}
    ratios = {name: [] for name in watchers}
    try:
        for number in range(rounds):
            alone = speed(lines, seconds)
            print('round %d: alone %.1f steps a second' % (number + 1, alone), file=sys.stderr)
            for name, args in watchers.items():
                watcher = script(args, model)
                speed(lines, 10)  # while it starts
                ratios[name].append(speed(lines, seconds) / alone)
                watcher.kill()
                watcher.wait()
                print('    %s: %.3f times as fast' % (name, ratios[name][-1]), file=sys.stderr)
    finally:
        trainer.kill()
        trainer.wait()
    for name, numbers in ratios.items():
        print('%s: %.3f times as fast (median)' % (name, statistics.median(numbers)))


class Enough(Exception):
    pass


def polls(model, number):
    from support import checkpoints

    import input_data
    import mnist_lenet5_backward
    import mnist_lenet5_test

    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    path = checkpoints.get_checkpoint_state(model).model_checkpoint_path + '.index'
    times = []
    began = [time.monotonic()]

    def sleep(seconds):
        times.append(time.monotonic() - began[0])
        if len(times) > number:
            raise Enough
        time.sleep(1)
        os.utime(path)  # a new one, as far as test() can tell
        began[0] = time.monotonic()

    mnist_lenet5_backward.MODEL_SAVE_PATH = model
    mnist_lenet5_test.time = SimpleNamespace(sleep=sleep)
    try:
        mnist_lenet5_test.test(mnist)
    except Enough:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        'a poll takes %.2f s (%.2f to %.2f, the first %.2f), resident memory %.2f GB at its peak'
        % (statistics.median(times[1:]), min(times[1:]), max(times[1:]), times[0], peak)
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='default: 5')
    parser.add_argument('--seconds', type=float, default=30, help='of each half; default: 30')
    parser.add_argument('--polls', type=int, default=10, metavar='N', help='default: 10')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, 'model')
        watched_and_unwatched(model, args.rounds, args.seconds)
        polls(model, args.polls)


if __name__ == '__main__':
    main()
