"""The scripts as a user runs them, in processes: what is interrupted, a terminal, a pipe.

In one process, by main(): folders, flags and errors.
"""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from support import command_line

import numpy as np
import pytest
import reference
from conftest import (
    DATA,
    ROOT,
    TRAIN_ON_NOISE,
    checkpoint_bytes,
    idx,
    saved_steps,
    screen,
    small_mnist,
    write_checkpoint,
)

import mnist_lenet5_backward
import mnist_lenet5_test

TRAIN_LINE = r'After %s training step\(s\), loss on training batch is \d+(\.\d+)?\.'
TEST_LINE = r'After %s training step\(s\), test accuracy = (0\.\d+|1|0)'
MINUTE = 60  # for a busy machine, not a measurement

pytestmark = pytest.mark.usefixtures('handlers')


class Script(subprocess.Popen):
    """One of the scripts, running; stdout and stderr go to files."""

    def __init__(self, folder, name, *args):
        self.log = str(folder / ('%s.%d' % (name, time.perf_counter_ns())))
        script = os.path.join(ROOT, 'mnist_lenet5_%s.py' % name)
        with open(self.log + '.out', 'wb') as out, open(self.log + '.err', 'wb') as err:
            super().__init__(
                [sys.executable, script, *args], cwd=str(folder), stdout=out, stderr=err
            )

    def lines(self, stream='out'):
        with open('%s.%s' % (self.log, stream), encoding='utf-8') as file:
            return file.read().splitlines()

    def wait_for(self, pattern):
        """Waits for a line on stdout."""
        deadline = time.monotonic() + MINUTE
        while not any(re.fullmatch(pattern, line) for line in self.lines()):
            assert time.monotonic() < deadline and self.poll() is None, self.lines('err')
            time.sleep(0.05)

    def finish(self):
        """Waits for the end; returns the exit status, the lines of stdout, and of stderr."""
        status = self.wait(timeout=2 * MINUTE)
        err = self.lines('err')
        assert not any('Traceback' in line for line in err), err
        return status, self.lines(), err


@pytest.fixture
def start(tmp_path):
    """start(script, *flags): starts it in a folder with data/, some digits; kills it at the end."""
    scripts = []
    (tmp_path / 'data').mkdir()
    for kind, n in ('train', 6000), ('t10k', 500):
        for name, shape in ('images-idx3', (n, 28, 28)), ('labels-idx1', (n,)):
            name = '%s-%s-ubyte' % (kind, name)
            with gzip.open(os.path.join(DATA, name + '.gz')) as file:
                content = file.read(4 + 4 * len(shape) + np.prod(shape))[4 + 4 * len(shape) :]
            array = np.frombuffer(content, np.uint8).reshape(shape)
            (tmp_path / 'data' / name).write_bytes(idx(array))

    def run(*args):
        scripts.append(Script(tmp_path, *args))
        return scripts[-1]

    yield run
    for script in scripts:
        script.kill()
        script.wait()


@pytest.fixture
def main(tmp_path, monkeypatch, capsys):
    """main(script, *flags): runs it in this process, in a folder with data/, noise if not made.

    Returns the exit status, the lines of stdout, and of stderr.
    """
    monkeypatch.chdir(str(tmp_path))
    if not os.path.exists('data'):
        os.mkdir('data')
        for name, content in small_mnist(train=5010).items():
            (tmp_path / 'data' / name).write_bytes(content)
    modules = {'backward': mnist_lenet5_backward, 'test': mnist_lenet5_test}
    for module, name in [
        (mnist_lenet5_backward, 'STEPS'),
        (mnist_lenet5_backward, 'MODEL_SAVE_PATH'),
        (mnist_lenet5_test, 'TEST_INTERVAL_SECS'),
    ]:
        monkeypatch.setattr(module, name, getattr(module, name))  # to be undone: flags change it

    def run(script, *flags):
        monkeypatch.setattr('sys.argv', ['mnist_lenet5_%s.py' % script, *flags])
        with pytest.raises(SystemExit) as ended:
            command_line.run(modules[script].main)
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out.splitlines(), captured.err.splitlines()

    return run


def assert_lines(lines, pattern, steps):
    assert len(lines) == len(steps), lines
    for line, step in zip(lines, steps):
        assert re.fullmatch(pattern % step, line), line


@pytest.mark.posix
def test_train_watch_interrupt_resume_and_run_again(start, main, tmp_path):
    """On the lecture's network and batches; what is resumed ends in the bits of a straight run."""
    watcher = start('test', '--wait', '--interval', '0.2')
    trainer = start('backward', '--steps', '60', '--seed', '2')
    trainer.wait_for(TRAIN_LINE % 1)
    trainer.send_signal(signal.SIGINT)
    status, printed, err = trainer.finish()
    assert status == 130
    assert_lines(printed, TRAIN_LINE, [1])
    stopped = int(re.match('stopped; step (.*) is saved in ./model, run', err[-1]).group(1))
    assert 1 <= stopped < 60
    ours, niceness = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, watcher.pid)]
    assert niceness == min(ours + 19, 19)  # it gives way to the training

    status, lines, err = main('backward', '--steps', '60')
    assert status == 0
    folder = tmp_path / 'model'
    line = 'training from step %d to step %d; checkpoints go to %s'
    assert line % (stopped, 60, folder) in err
    assert_lines(lines, TRAIN_LINE, [60])
    straight = main('backward', '--steps', '60', '--seed', '2', '--model_dir', 'straight')
    assert straight[:2] == (0, printed + lines)
    assert checkpoint_bytes(folder, 60) == checkpoint_bytes(tmp_path / 'straight', 60)

    watcher.wait_for(TEST_LINE % 60)
    watcher.send_signal(signal.SIGINT)
    status, lines, err = watcher.finish()
    assert status == 130
    assert 'waiting for checkpoints in %s' % folder in err
    steps = [int(re.fullmatch(TEST_LINE % r'(\d+)', line).group(1)) for line in lines]
    assert steps == sorted(set(steps)) and set(steps) <= {1, stopped, 60}
    assert float(lines[-1].split()[-1]) > 0.3  # 0.1 before training


@pytest.mark.posix
def test_reader_of_stdout_goes_away(tmp_path):
    """As after `| head -1`."""
    command = [sys.executable, '-c', TRAIN_ON_NOISE + 'command_line.run(main)', str(tmp_path)]
    with open(str(tmp_path / 'err'), 'wb') as err:
        trainer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err)
    assert re.fullmatch(TRAIN_LINE % 1 + '\n', trainer.stdout.readline().decode())
    trainer.stdout.close()
    assert trainer.wait(timeout=MINUTE) == 1
    err = (tmp_path / 'err').read_text(encoding='utf-8')
    assert 'Traceback' not in err
    assert err.endswith('error: stdout: cannot be used (Broken pipe)\n')
    current = '"mnist_model-%d"' % saved_steps(tmp_path)[-1]
    assert current in (tmp_path / 'checkpoint').read_text(encoding='utf-8')


def read_terminal(ours):
    """What is to be read of a terminal; nothing if its other end is closed, on macOS and Linux."""
    try:
        return os.read(ours, 1000)
    except OSError:
        return b''


@pytest.mark.posix
@pytest.mark.parametrize('how, status', [('Ctrl-C', 130), ('closed', 129)])
def test_training_on_a_terminal(tmp_path, how, status):
    """It is stopped in the middle of the live line, by a key, or by closing the window."""
    import fcntl
    import pty
    import termios

    model = tmp_path / 'model'
    command = [sys.executable, '-c', TRAIN_ON_NOISE + 'command_line.run(main)', str(model)]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3', COLUMNS='80')
    ours, theirs = pty.openpty()

    def be_on_it():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    trainer = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, preexec_fn=be_on_it
    )
    os.close(theirs)
    text = b''
    while b' steps/s, ' not in text:
        text += read_terminal(ours)
        assert trainer.poll() is None, text
    if how == 'Ctrl-C':
        os.write(ours, b'\x03')
        for more in iter(lambda: read_terminal(ours), b''):
            text += more
    os.close(ours)
    assert trainer.wait(timeout=MINUTE) == status
    saved = saved_steps(model)[-1]
    assert '"mnist_model-%d"' % saved in (model / 'checkpoint').read_text(encoding='utf-8')
    if how == 'Ctrl-C':
        lines = screen(text.decode().replace('^C', ''))[0]
        begin = 'training from step 0 to step 100; checkpoints go to %s' % model
        *printed, last, nothing = lines[lines.index(begin) + 1 :]
        assert_lines(printed, TRAIN_LINE, range(1, saved + 1))
        assert last.startswith('stopped; step %d is saved in ' % saved) and nothing == ''


# In one process
def test_a_folder_in_chinese(train_small, main, tmp_path):
    """For the digits, the checkpoints, the curves and the sheet; stdout has no other line."""
    os.rename('data', '数字 数据')
    model = os.path.join('模型', '我的')
    flags = ['--data_dir', '数字 数据', '--model_dir', model]
    for step in 1, 2:
        status, lines, err = main('backward', '--steps', '1', *flags)
        assert status == 0
        assert_lines(lines, TRAIN_LINE, [step])
        begin = 'training from step %d to step %d; checkpoints go to %s'
        assert begin % (step - 1, step, tmp_path / model) in err
    status, lines, _ = main('test', '--mistakes', '错误.png', *flags)
    assert status == 0
    assert_lines(lines, TEST_LINE, [2])
    assert (tmp_path / '错误.png').read_bytes().startswith(b'\x89PNG')
    for run in 'train', 'test':
        assert 'tfevents' in os.listdir(str(tmp_path / model / run))[0]
    assert not (tmp_path / 'data').exists() and not (tmp_path / 'model').exists()

    status, lines, err = main('test', '--mistakes', 'none/mistakes.png', *flags)
    assert status == 1
    reason = os.strerror(2)
    assert err[-1] == 'error: none/mistakes.png: cannot be used (%s)' % reason


def test_no_checkpoint(main):
    assert main('test')[:2] == (1, ['No checkpoint file found'])


@pytest.mark.parametrize('script', ['backward', 'test'])
def test_errors_are_one_line(main, tmp_path, script):
    shutil.copytree('data', 'bad')
    Path('bad', 't10k-labels-idx1-ubyte').write_bytes(b'no IDX')
    status, lines, err = main(script, '--data_dir', 'bad')
    assert (status, lines) == (1, [])
    assert err[-1].startswith('error: %s' % os.path.join('bad', 't10k-labels-idx1'))
    other = reference.initial_parameters()
    other[2] = other[2][..., :16]
    write_checkpoint(tmp_path / 'model', 5, other, other)
    before = {path: path.read_bytes() for path in Path('model').iterdir()}
    status, lines, err = main(script)
    assert (status, lines) == (1, [])
    start = r'error: \./model/mnist_model-5: is of another network \(Variable_2\S*: float32 '
    assert re.match(start + r'\[5, 5, 32, 16\], and not float32 \[5, 5, 32, 64\]\);', err[-1])
    assert {path: path.read_bytes() for path in before} == before
