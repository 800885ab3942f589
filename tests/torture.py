"""What happens to trainings in bad times, in numbers of your choice.

    python tests/torture.py kill --rounds 1000    interrupts a training again and again
    python tests/torture.py churn --rounds 1000   watches one that saves and deletes all the time

Each prints what it has seen, and ends with status 1 at the first thing that is wrong. The test
suite runs a few rounds of each. POSIX only: trainings are forked, which saves them TensorFlow's
import.
"""

import argparse
import collections
import functools
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT]
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from support import checkpoints, command_line, watching  # noqa: E402

import tensorflow.compat.v1 as tf  # noqa: E402
from helpers import checkpoint_bytes, small_data_set  # noqa: E402

import mnist_lenet5_backward  # noqa: E402
import mnist_lenet5_test  # noqa: E402

BATCH_SIZE = 2
DIGITS = 31  # no multiple of the batch: some batches cross the end of an epoch
SAVING, SAVED = 0, 1  # places in the shared memory: whether a save goes on, the last step saved


def start(function, log):
    """Runs function() in a new process, whose stdout and stderr are added to log.out and .err."""

    def run():
        for stream, name in (1, '.out'), (2, '.err'):
            os.dup2(os.open(log + name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in background
        command_line.launch(lambda: function() or 0)  # to Python 3.7's Process, None is a failure

    process = multiprocessing.get_context('fork').Process(target=run, daemon=True)
    process.start()
    return process


def end(process, signum=None):
    """Returns the exit status of a process, or minus the number of the signal that ended it."""
    if signum:
        os.kill(process.pid, signum)
    process.join()
    return process.exitcode


def start_training(folder, steps, keep, shared):
    """Trains on noise, with a save at every step, in a new process."""

    def train():
        mnist_lenet5_backward.BATCH_SIZE = BATCH_SIZE
        mnist_lenet5_backward.STEPS = steps
        mnist_lenet5_backward.SAVE_STEPS = 1
        mnist_lenet5_backward.MODEL_SAVE_PATH = folder
        tf.train.Saver = functools.partial(tf.train.Saver, max_to_keep=keep)
        save = checkpoints.Manager.save

        def reporting_save(self, saver, sess, step):
            shared[SAVING] = 1
            save(self, saver, sess, step)
            shared[SAVED] = step
            shared[SAVING] = 0

        checkpoints.Manager.save = reporting_save
        mnist_lenet5_backward.backward(SimpleNamespace(train=small_data_set(DIGITS)))

    shared[:] = [0, 0]
    return start(train, folder)


def lines(log, suffix='.out'):
    return Path(log + suffix).read_text(encoding='utf-8').splitlines()


def in_list(folder):
    """Returns the steps in the file `checkpoint`, the current one first."""
    text = Path(folder, 'checkpoint').read_text(encoding='utf-8')
    return [int(step) for step in re.findall(r'"mnist_model-(\d+)"', text)]


def kill(rounds, choose, folder, steps=30):
    """Ends a training by signals at random moments, lets it go on, compares with a straight one."""
    shared = multiprocessing.RawArray('i', 2)
    straight = os.path.join(folder, 'straight')
    started = time.monotonic()
    assert end(start_training(straight, steps, steps, shared)) == 0
    assert shared[SAVED] == steps, 'the hook never ran, the kills would miss the saves'
    duration = time.monotonic() - started
    expected = {step: checkpoint_bytes(Path(straight), step) for step in range(1, steps + 1)}
    seen = collections.Counter()
    while seen['rounds'] < rounds:
        model = os.path.join(folder, 'model%d' % seen['trainings compared'])
        step = 0
        while step < steps:
            training = start_training(model, steps, 2, shared)
            time.sleep(choose.uniform(0, duration / 2))
            if choose.random() < 0.5:  # else saves, which are short, would see few
                latest = time.monotonic() + 2
                while shared[SAVING] == 0 and time.monotonic() < latest:
                    pass
                time.sleep(choose.uniform(0, 0.02))
            signum = choose.choice([signal.SIGKILL] * 3 + [signal.SIGINT, signal.SIGTERM])
            deferred = signum != signal.SIGKILL and 0 < shared[SAVED] < steps - 5
            status = end(training, signum)
            if status == 0:
                break
            seen['rounds'] += 1
            if signum == signal.SIGKILL:
                seen['kill -9 inside a save'] += shared[SAVING]
            # before signals are deferred, and after, they end the process by themselves
            assert status == 128 + signum or (status == -signum and not deferred), model
            if deferred:
                assert 'step %d is saved' % shared[SAVED] in lines(model, '.err')[-1]
            if shared[SAVED] or os.path.exists(os.path.join(model, 'checkpoint')):
                step = in_list(model)[0]
                assert step >= shared[SAVED], 'a step is lost in %s' % model
                assert checkpoint_bytes(Path(model), step) == expected[step], model
                seen['checkpoints compared'] += 1
        seen['trainings compared'] += 1
        assert checkpoint_bytes(Path(model), steps) == expected[steps], model
        assert set(lines(model)) == set(lines(straight))
        assert not [name for name in os.listdir(model) if 'tmp' in name or 'tempstate' in name]
        assert len(in_list(model)) == 3, 'not two checkpoints are listed in %s' % model
        shutil.rmtree(model)
    if rounds >= 100:
        assert seen['kill -9 inside a save'] > rounds / 20, 'kills that miss the saves'
        assert seen['checkpoints compared'] > rounds / 4, 'checkpoints that are not compared'
    return seen


def churn(rounds, choose, folder):
    """Watches without pause a training that keeps one checkpoint and has accidents."""
    shared = multiprocessing.RawArray('i', 2)
    model = os.path.join(folder, 'model')
    log = model + '-watcher'

    def watch():
        watching.GRACE_SECS, watching.LOOK_SECS = 1, 0.1
        mnist_lenet5_backward.MODEL_SAVE_PATH = model
        mnist_lenet5_test.TEST_INTERVAL_SECS = 0
        mnist_lenet5_test.test(SimpleNamespace(test=small_data_set(DIGITS)), wait=True)

    watcher = start(watch, log)
    training = start_training(model, 1000000, 1, shared)
    for _ in range(rounds):
        time.sleep(choose.uniform(1, 10))
        signum = choose.choice([signal.SIGKILL, signal.SIGINT, None])
        if signum:
            end(training, signum)
        if signum is None or choose.random() < 0.3:
            os.system('rm -rf %s/* 2>/dev/null' % model)
        if signum:
            training = start_training(model, 1000000, 1, shared)
    end(training, signal.SIGKILL)
    assert end(watcher, signal.SIGINT) == 130, lines(log, '.err')[-1:]
    reports = lines(log)
    line = r'After (\d+) training step\(s\), test accuracy = \S+'
    steps = {re.fullmatch(line, report).group(1) for report in reports}
    # all the trainings have one seed: a step has one accuracy
    assert len(set(reports)) == len(steps)
    assert len(reports) > rounds
    return {'reports': len(reports), 'fallbacks': str(lines(log, '.err')).count('instead')}


def main():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument('what', choices=['kill', 'churn'])
    parser.add_argument('--rounds', type=int, default=100, help='default: 100')
    parser.add_argument('--seed', type=int, default=0, help='of the random moments and accidents')
    args = parser.parse_args()
    folder = tempfile.mkdtemp()
    print('the files are in %s' % folder, flush=True)
    seen = {'kill': kill, 'churn': churn}[args.what](args.rounds, random.Random(args.seed), folder)
    print('nothing is wrong in %d rounds: %s' % (args.rounds, dict(seen)))
    shutil.rmtree(folder)


if __name__ == '__main__':
    main()
