"""What happens to trainings and files in bad times, in numbers of your choice.

    python tests/torture.py kill --rounds 1000    interrupts a training again and again
    python tests/torture.py churn --polls 10000   watches one that saves and deletes all the time
    python tests/torture.py fuzz --rounds 5000    restores from files with random damage

Each prints what it has seen and ends with status 1 if anything was wrong. The test suite runs a
few rounds of each. POSIX only: trainings are forked, which saves them TensorFlow's import.
"""

import argparse
import collections
import contextlib
import functools
import mmap
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

from support import checkpoints, command_line, training, watching  # noqa: E402

import tensorflow.compat.v1 as tf  # noqa: E402
from helpers import Folder, checkpoint_bytes, small_data_set  # noqa: E402

import mnist_lenet5_backward  # noqa: E402
import mnist_lenet5_test  # noqa: E402

BATCH_SIZE = 2
DIGITS = 31  # no multiple of the batch: some batches cross the end of an epoch
# places in the shared memory: whether a save goes on, the last step saved, if signals are deferred
SAVING, SAVED_STEP, BEGUN = 0, slice(1, 5), 5

problems = []


def check(right, problem):
    if not right:
        problems.append(problem)
        print('WRONG: %s' % problem, flush=True)


def fork(function, log):
    """Runs function() in a new process, whose stdout and stderr are added to log.out and .err."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        for stream, name in (1, '.out'), (2, '.err'):
            os.dup2(os.open(log + name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in background
        command_line.launch(function)
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        os._exit(status)


def wait(pid):
    """Returns the exit status of a process, or minus the number of the signal that ended it."""
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def start_training(folder, log, steps, keep, shared):
    """Trains on noise, with a save at every step, in a new process."""

    def train():
        mnist_lenet5_backward.BATCH_SIZE = BATCH_SIZE
        mnist_lenet5_backward.STEPS = steps
        mnist_lenet5_backward.SAVE_STEPS = 1
        tf.train.Saver = functools.partial(tf.train.Saver, max_to_keep=keep)
        mnist_lenet5_backward.MODEL_SAVE_PATH = folder
        save, deferred_signals = checkpoints.Manager.save, training.deferred_signals

        @contextlib.contextmanager
        def reporting_signals():
            with deferred_signals() as received:
                shared[BEGUN] = 1
                yield received
                shared[BEGUN] = 0  # before it is so: then a signal may find either handler

        def reporting_save(self, saver, sess, step):
            with open(log + '.saves', 'a', encoding='utf-8') as saves:
                saves.write('%d\n' % step)
            shared[SAVING] = 1
            save(self, saver, sess, step)
            shared[SAVED_STEP] = int(step).to_bytes(4, 'big')
            shared[SAVING] = 0

        checkpoints.Manager.save = reporting_save
        training.deferred_signals = reporting_signals
        mnist_lenet5_backward.backward(SimpleNamespace(train=small_data_set(DIGITS)))

    shared[:] = bytes(len(shared))
    return fork(train, log)


def lines(log, suffix='.out'):
    return Path(log + suffix).read_text(encoding='utf-8').splitlines()


def in_list(folder):
    """Returns the steps in the file `checkpoint`, the current one first."""
    text = Path(folder, 'checkpoint').read_text(encoding='utf-8')
    return [int(step) for step in re.findall(r'"mnist_model-(\d+)"', text)]


def kill(rounds, choose, folder, steps=30):
    """Ends a training by signals at random moments, lets it go on, compares with a straight one."""
    shared = mmap.mmap(-1, 6)
    straight = os.path.join(folder, 'straight')
    started = time.monotonic()
    check(wait(start_training(straight, straight, steps, steps, shared)) == 0, 'straight run')
    # without these hooks the kills would miss the saves, and nothing below would notice
    check(shared[SAVED_STEP] == steps.to_bytes(4, 'big'), 'a hook that never ran')
    duration = time.monotonic() - started
    expected = {step: checkpoint_bytes(Path(straight), step) for step in range(1, steps + 1)}
    seen = collections.Counter()
    slowest = 0
    while seen['rounds'] < rounds:
        model = os.path.join(folder, 'model%d' % seen['trainings compared'])
        while True:
            pid = start_training(model, model, steps, 2, shared)
            time.sleep(choose.uniform(0, duration / 2))
            if choose.random() < 0.5:  # else saves, which are short, would see few
                latest = time.monotonic() + 2
                while shared[SAVING] == 0 and time.monotonic() < latest:
                    pass
                time.sleep(choose.uniform(0, 0.02))
            signum = choose.choice([signal.SIGKILL] * 3 + [signal.SIGINT, signal.SIGTERM])
            begun, asked = shared[BEGUN], time.monotonic()
            os.kill(pid, signum)
            status = wait(pid)
            if status == 0:
                seen['ended first'] += 1
                break
            seen['rounds'] += 1
            seen[signal.Signals(signum).name] += 1
            saved = int.from_bytes(shared[SAVED_STEP], 'big')
            statuses = [-signum]
            if signum == signal.SIGKILL:
                seen['kill -9 inside a save'] += shared[SAVING]
            else:
                slowest = max(slowest, time.monotonic() - asked)
                # before signals are deferred, and after, they end the process by themselves
                statuses = [128 + signum] if shared[BEGUN] else [128 + signum, -signum]
            check(status in statuses, 'exit status %d in %s' % (status, model))
            if begun and status == 128 + signum:
                last = lines(model, '.err')[-1]
                check(last.startswith('stopped; step %d is saved' % saved), last)
            if saved or os.path.exists(os.path.join(model, 'checkpoint')):
                step = in_list(model)[0]
                check(step >= saved, 'step %d was saved and is lost in %s' % (saved, model))
                check(checkpoint_bytes(Path(model), step) == expected[step], model)
                seen['checkpoints compared'] += 1
                if step == steps:
                    break
        seen['trainings compared'] += 1
        check(checkpoint_bytes(Path(model), steps) == expected[steps], 'the end of %s' % model)
        check(set(lines(model)) == set(lines(straight)), 'the printed lines of %s' % model)
        left = [name for name in os.listdir(model) if 'tmp' in name or 'tempstate' in name]
        check(not left, 'left in %s: %s' % (model, left))
        check(len(in_list(model)) == 3, 'not two checkpoints are listed in %s' % model)
        if not problems:
            shutil.rmtree(model)
    if rounds >= 100:
        check(seen['kill -9 inside a save'] > rounds / 20, 'kills that miss the saves')
        check(seen['checkpoints compared'] > rounds / 4, 'checkpoints that are not compared')
    print('%d mismatches in %d rounds: %s' % (len(problems), seen.pop('rounds'), dict(seen)))
    print('longest time from Ctrl-C or SIGTERM to the end: %.2f s' % slowest)


def churn(polls, choose, folder):
    """Watches without pause a training that keeps one checkpoint and has accidents."""
    shared = mmap.mmap(-1, 6)
    counter = mmap.mmap(-1, 4)  # of the polls that find something new
    model = os.path.join(folder, 'model')

    def count():
        return int.from_bytes(counter[:], 'big')

    def watch():
        restore = checkpoints.restore_path

        def counting_restore(*args):
            counter[:] = (count() + 1).to_bytes(4, 'big')
            restore(*args)

        def sleep(seconds):
            if count() >= polls:
                sys.exit(0)

        checkpoints.restore_path = counting_restore
        watching.GRACE_SECS, watching.LOOK_SECS = 1, 0.1
        mnist_lenet5_backward.MODEL_SAVE_PATH = model
        mnist_lenet5_test.time = SimpleNamespace(sleep=sleep)
        mnist_lenet5_test.test(SimpleNamespace(test=small_data_set(DIGITS)), wait=True)

    watcher = fork(watch, model + '-watcher')
    seen = collections.Counter()
    trainer = ended = None
    while not ended:
        if not trainer:
            trainer = start_training(model, model, 1000000, 1, shared)
        time.sleep(choose.uniform(1, 15))
        accident = choose.choice(['kill -9', 'Ctrl-C', 'rm -rf', 'rm -rf and a fresh training'])
        seen[accident] += 1
        if accident == 'Ctrl-C':
            os.kill(trainer, signal.SIGINT)
        elif accident != 'rm -rf':
            os.kill(trainer, signal.SIGKILL)
        if accident != 'rm -rf':
            wait(trainer)
            trainer = None
        if accident.startswith('rm -rf'):
            os.system('rm -rf %s/* 2>/dev/null' % model)
        ended, status = os.waitpid(watcher, os.WNOHANG)
    if trainer:
        os.kill(trainer, signal.SIGKILL)
        wait(trainer)
    check(status == 0, 'the watcher: %s' % lines(model + '-watcher', '.err')[-1:])
    line = r'After (\d+) training step\(s\), test accuracy = (\S+)'
    reports = [re.fullmatch(line, report) for report in lines(model + '-watcher')]
    check(all(reports) and reports, 'a line that is no report')
    saves = set(lines(model, '.saves'))
    accuracies = {}
    for report in reports:
        step, accuracy = report.groups()
        check(step in saves, 'step %s was never saved' % step)
        # all the trainings have one seed: a step has one accuracy
        check(accuracies.setdefault(step, accuracy) == accuracy, 'two accuracies at step %s' % step)
    seen['reports'], seen['saves'] = len(reports), len(lines(model, '.saves'))
    seen['fallbacks'] = '\n'.join(lines(model + '-watcher', '.err')).count('instead')
    print('%d problems in %d polls of something new: %s' % (len(problems), count(), dict(seen)))


def damaged(content, choose):
    """Returns the bytes with up to three damages: some bytes, or all others, become random ones."""
    for _ in range(choose.randrange(4)):
        start = choose.randrange(len(content) + 1)
        end = start + choose.choice([0, 1, 1, 8, len(content)])
        noise = choose.getrandbits(64).to_bytes(8, 'big') + b'\0\n"\\/*[]. :-0'
        content = content[:start] + noise[: choose.choice([0, 1, 1, 8, 20])] + content[end:]
    return content


def fuzz(rounds, choose, folder):
    """Restores from checkpoints of which one file is damaged: that gives one of the whole ones."""
    seen = collections.Counter()
    with open(os.devnull, 'w', encoding='utf-8') as devnull, tf.Graph().as_default():
        model = Folder(Path(folder) / 'model')
        model.save(1, 2, 3)
        for name in ['checkpoint', 'mnist_model-3.index', 'mnist_model-3.data-00000-of-00001']:
            content = model[name].read_bytes()
            # a damaged list may name any of the three
            whole = ['mnist_model-%d' % step for step in range(1 + (name != 'checkpoint'), 4)]
            for _ in range(rounds):
                broken = damaged(content, choose)
                model[name].write_bytes(broken)
                with contextlib.redirect_stderr(devnull):
                    restored = model.restore()
                expected = whole if broken != content else ['mnist_model-3']
                check(restored in expected, '%s: restored %s' % (name, restored))
                seen[restored] += 1
            model[name].write_bytes(content)
    print('%d problems: %s' % (len(problems), dict(seen)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('what', choices=['kill', 'churn', 'fuzz'])
    parser.add_argument('--rounds', '--polls', type=int, default=100, help='default: 100')
    parser.add_argument('--seed', type=int, default=0, help='of the random moments and damages')
    args = parser.parse_args()
    folder = tempfile.mkdtemp()
    what = {'kill': kill, 'churn': churn, 'fuzz': fuzz}[args.what]
    what(args.rounds, random.Random(args.seed), folder)
    if problems:
        sys.exit('the files are in %s' % folder)
    shutil.rmtree(folder)


if __name__ == '__main__':
    main()
