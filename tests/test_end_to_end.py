"""The scripts as a user runs them, in processes: what is interrupted, a terminal, a pipe.

In one process, by main(): folders, flags and errors.
"""

import gzip
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

from support import command_line

import pytest
import reference
from conftest import (
    DATA,
    ROOT,
    TRAIN_ON_NOISE,
    checkpoint_bytes,
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

    def interrupt(self):
        """Ctrl-C. Returns the exit status, the lines of stdout, and of stderr."""
        self.send_signal(signal.SIGINT)
        status, err = self.wait(timeout=MINUTE), self.lines('err')
        assert not any('Traceback' in line for line in err), err
        return status, self.lines(), err


@pytest.fixture
def start(tmp_path):
    """start(script, *flags): starts it in a folder with data/, some digits; kills it at the end."""
    scripts = []
    (tmp_path / 'data').mkdir()
    for name in small_mnist():
        n = 500 if 't10k' in name else 6000
        length, size = (16, 28 * 28) if 'images' in name else (8, 1)
        with gzip.open(os.path.join(DATA, name + '.gz')) as file:
            header, content = file.read(length), file.read(n * size)
        header = header[:4] + struct.pack('>I', n) + header[8:]
        (tmp_path / 'data' / name).write_bytes(header + content)

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
    status, printed, err = trainer.interrupt()
    assert status == 130
    assert_lines(printed, TRAIN_LINE, [1])
    stopped = int(re.match('stopped; step (.*) is saved in ./model, run', err[-1]).group(1))
    assert 1 <= stopped < 60

    status, lines, err = main('backward', '--steps', '60')
    begin = 'training from step %d to step 60; checkpoints go to %s'
    assert status == 0 and begin % (stopped, tmp_path / 'model') in err
    assert_lines(lines, TRAIN_LINE, [60])
    straight = main('backward', '--steps', '60', '--seed', '2', '--model_dir', 'straight')
    assert straight[:2] == (0, printed + lines)
    resumed, straight = [checkpoint_bytes(tmp_path / name, 60) for name in ('model', 'straight')]
    assert resumed == straight

    watcher.wait_for(TEST_LINE % 60)
    ours, niceness = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, watcher.pid)]
    assert niceness == min(ours + 19, 19)  # it gives way to the training
    status, lines, _ = watcher.interrupt()
    assert status == 130
    steps = [int(re.fullmatch(TEST_LINE % r'(\d+)', line).group(1)) for line in lines]
    assert steps == sorted(set(steps)) and set(steps) <= {1, stopped, 60}
    assert float(lines[-1].split()[-1]) > 0.3  # 0.1 before training


def on_noise(model, **options):
    """A training in a process, with a save at every step."""
    command = [sys.executable, '-c', TRAIN_ON_NOISE + 'command_line.run(main)', str(model)]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3', COLUMNS='80')
    return subprocess.Popen(command, env=environment, **options)


def current_step(model):
    """The last step that is saved, which must be the current one."""
    step = saved_steps(model)[-1]
    assert '"mnist_model-%d"' % step in (model / 'checkpoint').read_text(encoding='utf-8')
    return step


@pytest.mark.posix
def test_reader_of_stdout_goes_away(tmp_path):
    """As after `| head -1`."""
    trainer = on_noise(tmp_path / 'model', stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert re.fullmatch(TRAIN_LINE % 1 + '\n', trainer.stdout.readline().decode())
    trainer.stdout.close()
    err = trainer.stderr.read().decode()
    assert trainer.wait(timeout=MINUTE) == 1
    assert err.splitlines()[-1] == 'error: stdout: cannot be used (Broken pipe)'
    assert current_step(tmp_path / 'model') < 100


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

    ours, theirs = pty.openpty()

    def be_on_it():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    model = tmp_path / 'model'
    trainer = on_noise(model, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=be_on_it)
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
    saved = current_step(model)
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
