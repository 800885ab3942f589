"""The scripts as a user runs them: in processes, on a terminal, and by main() in this process."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

from support import checkpoints, command_line, files, training, watching

import numpy as np
import pytest
from helpers import ROOT, first_digits, screen, small_mnist, write, write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_test

TRAIN_LINE = r'After %s training step\(s\), loss on training batch is \d+(\.\d+)?\.'
TEST_LINE = r'After %s training step\(s\), test accuracy = (0\.\d+|1|0)'
BACKWARD = os.path.join(ROOT, 'mnist_lenet5_backward.py')
MINUTE = 60  # for a busy machine, not a measurement

pytestmark = pytest.mark.usefixtures('handlers')


@pytest.fixture
def start(tmp_path):
    """start(*arguments of Python): runs it in a folder. At the end, or after minutes, kills it."""
    processes = []
    timer = threading.Timer(3 * MINUTE, lambda: [process.kill() for process in processes])
    timer.start()
    options = {'cwd': str(tmp_path), 'env': dict(os.environ, COLUMNS='80'), 'encoding': 'utf-8'}
    options.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(*args, **others):
        command = [sys.executable, *map(str, args)]
        processes.append(subprocess.Popen(command, **dict(options, **others)))
        return processes[-1]

    yield run
    timer.cancel()
    for process in processes:
        process.kill()
        process.wait()


def finish(process):
    """Waits for the end; returns the exit status, what is left of stdout, and stderr."""
    out, err = process.communicate(timeout=MINUTE)
    assert 'Traceback' not in err
    return process.returncode, out, err


@pytest.fixture
def main(tmp_path, monkeypatch, capsys):
    """main(script, *flags): the exit status and the lines of a run beside data/, which is noise."""
    monkeypatch.chdir(str(tmp_path))
    write(tmp_path / 'data', small_mnist(train=5010))
    modules = {'backward': mnist_lenet5_backward, 'test': mnist_lenet5_test}
    for name, value in ('STEPS', 50000), ('MODEL_SAVE_PATH', './model/'):
        monkeypatch.setattr(mnist_lenet5_backward, name, value)  # to be undone: flags change it
    monkeypatch.setattr(mnist_lenet5_test, 'TEST_INTERVAL_SECS', 5)
    monkeypatch.setattr('input_data.MIRRORS', ())

    def run(script, *flags):
        monkeypatch.setattr('sys.argv', ['mnist_lenet5_%s.py' % script, *flags])
        with pytest.raises(SystemExit) as ended:
            command_line.launch(modules[script].main)
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out.splitlines(), captured.err.splitlines()

    return run


def assert_lines(lines, pattern, steps):
    assert len(lines) == len(steps), lines
    for line, step in zip(lines, steps):
        assert re.fullmatch(pattern % step, line), line


@pytest.mark.posix
def test_train_watch_interrupt_resume_and_run_again(start, main, tmp_path):
    """On the lecture's network and batches."""
    write(tmp_path / 'data', first_digits(6000, 500))
    watcher = start(BACKWARD.replace('backward', 'test'), '--wait', '--interval', '0.2')
    trainer = start(BACKWARD, '--steps', '60', '--seed', '2')
    printed = [trainer.stdout.readline().rstrip()]
    trainer.send_signal(signal.SIGINT)
    status, out, err = finish(trainer)
    assert (status, out) == (130, '')
    stopped = int(re.search(r'step (\d+) is saved in ./model', err).group(1))
    assert 1 <= stopped < 60

    status, lines, err = main('backward', '--steps', '60')
    assert status == 0 and 'from step %d to step 60' % stopped in '\n'.join(err)
    assert_lines(printed + lines, TRAIN_LINE, [1, 60])

    lines = []
    while not lines or not lines[-1].startswith('After 60 '):
        lines.append(watcher.stdout.readline().rstrip())
        assert lines[-1]
    ours, niceness = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, watcher.pid)]
    assert niceness == min(ours + 19, 19)  # it gives way to the training
    watcher.send_signal(signal.SIGINT)
    assert finish(watcher)[:2] == (130, '')
    steps = [int(re.fullmatch(TEST_LINE % r'(\d+)', line).group(1)) for line in lines]
    assert steps == sorted(set(steps)) and set(steps) <= {1, stopped, 60}
    assert float(lines[-1].split()[-1]) > 0.3  # 0.1 before training


@pytest.mark.posix
def test_training_on_a_terminal(start, small_dir):
    """It is stopped by a key in the middle of the live line."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()

    def be_on_it():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    model = small_dir / 'model'
    streams = dict.fromkeys(['stdin', 'stdout', 'stderr'], theirs)
    trainer = start(BACKWARD, '--data_dir', small_dir, preexec_fn=be_on_it, **streams)
    os.close(theirs)
    text = b''
    while b' steps/s, ' not in text:
        text += os.read(ours, 1000)
    os.write(ours, b'\x03')
    with contextlib.suppress(OSError):  # at its end
        while True:
            text += os.read(ours, 1000)
    os.close(ours)
    assert trainer.wait(timeout=MINUTE) == 130
    lines = screen(text.decode().replace('^C', ''))
    (begin,) = [i for i, line in enumerate(lines) if str(model) in line and 'from' in line]
    *printed, last, nothing = lines[begin + 1 :]
    stopped = int(re.search(r'step (\d+) is saved', last).group(1))
    assert_lines(printed, TRAIN_LINE, range(1, stopped + 1, 100))
    assert nothing == '' and (model / ('mnist_model-%d.index' % stopped)).exists()


# In one process
def test_a_folder_in_chinese(train_small, main, tmp_path):
    """For the digits, the checkpoints, the curves and the sheet; stdout has no other line."""
    os.rename('data', '数字 数据')
    model = os.path.join('模型', '我的')
    flags = ['--data_dir', '数字 数据', '--model_dir', model]
    status, lines, err = main('test', *flags)
    assert (status, lines) == (1, ['No checkpoint file found'])
    assert str(tmp_path / model) in err[-1]
    for step in 1, 2:
        status, lines, err = main('backward', '--steps', '1', *flags)
        assert status == 0 and str(tmp_path / model) in err[-1]
        assert_lines(lines, TRAIN_LINE, [step])
    status, lines, _ = main('test', '--mistakes', '错误.png', *flags)
    assert status == 0
    assert_lines(lines, TEST_LINE, [2])
    assert Path('错误.png').read_bytes().startswith(b'\x89PNG')
    for run in 'train', 'test':
        assert 'tfevents' in os.listdir(os.path.join(model, run))[0]
    assert sorted(os.listdir('.')) == sorted(['数字 数据', '模型', '错误.png'])


def put(path, text):
    return lambda: Path(path).write_text(text, encoding='utf-8')


def lock():
    lock = files.Lock('model/lock')
    lock.take()
    return lock


def other_network():
    write_checkpoint(Path('model'), 1, [np.zeros(3)], [np.zeros(3)])


LABELS = 'data/t10k-labels-idx1-ubyte'
UNTRUE = 'model_checkpoint_path: "mnist_model-9"'


@pytest.mark.parametrize(
    'script, prepare, flags, name, remedy',
    [
        ('test', put(LABELS, 'no IDX'), '', LABELS, 'delete'),
        ('test', None, '--data_dir no --once', 'cannot', 'no has no files'),
        ('backward', None, '--data_dir no --steps 1', 'cannot', 'no has no files'),
        *[('backward', None, '--model_dir ' + c, c, 'rename') for c in '*?[]'],
        ('backward', put('model/lock', 'notes'), '', 'model/lock', 'rename'),
        ('backward', lock, '', 'model/lock', 'another folder'),
        ('backward', put('model/seed', 'notes'), '', 'model/seed', '--seed'),
        ('backward', put('model/checkpoint', UNTRUE), '', 'model/checkpoint', 'mnist_model-1'),
        ('test', put('model/mnist_model-1.index', ''), '', 'model/mnist_model-1', 'move it away'),
        ('test', other_network, '', 'model/mnist_model-1', 'another folder'),
        ('backward', put('file', ''), '--model_dir file/a', 'file/a', 'another folder'),
        ('test', None, '--mistakes no/m.png', 'no/m.png', 'cannot be used'),
        ('backward', None, '--bfloat16', '--bfloat16', 'without the flag'),
        ('backward', None, '', 'step 2', 'LEARNING_RATE_BASE'),
    ],
)
def test_errors_are_one_line(train_small, main, monkeypatch, script, prepare, flags, name, remedy):
    """The line says what cannot be used, first, and what to do."""
    main('backward', '--model_dir', 'model', '--steps', '1')
    main.prepared = prepare and prepare()  # a lock, until the end
    monkeypatch.setattr(checkpoints, 'PAUSES', ())
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=bool))
    monkeypatch.setattr(training, 'BFLOAT16', 'an_option_that_is_not_there')
    if 'step' in name:
        monkeypatch.setattr(mnist_lenet5_backward, 'LEARNING_RATE_BASE', float('inf'))
    status, lines, err = main(script, '--model_dir', 'model', *flags.split())
    assert status == 1 and len(lines) == (name in ('step 2', 'no/m.png'))
    assert [line for line in err if line.startswith('error: ')] == err[-1:]
    error = err[-1].replace('\\', '/').replace('./', '')
    assert error.startswith('error: ' + name) and remedy in error
    assert not {*os.listdir('.')} & {*'*?[]'}
