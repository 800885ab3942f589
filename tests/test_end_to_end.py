"""The scripts as a user runs them: in subprocesses, in a folder with nothing but a data set."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import reference
from conftest import DATA, ROOT, screen, write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_test

TRAIN = 'mnist_lenet5_backward.py'
TEST = 'mnist_lenet5_test.py'
TRAIN_LINE = r'After %s training step\(s\), loss on training batch is \d+(\.\d+)?\.'
TEST_LINE = r'After %s training step\(s\), test accuracy = (0\.\d+|1)'


class Script(subprocess.Popen):
    """One of the scripts, running; stdout and stderr go to files."""

    def __init__(self, folder, *args):
        self.log = str(folder / ('%s.%d' % (args[0], time.perf_counter_ns())))
        with open(self.log + '.out', 'w', encoding='utf-8') as out, open(
            self.log + '.err', 'w', encoding='utf-8'
        ) as err:
            command = [sys.executable, os.path.join(ROOT, args[0]), *args[1:]]
            super().__init__(command, cwd=str(folder), stdout=out, stderr=err)

    def lines(self, stream='out'):
        with open('%s.%s' % (self.log, stream), encoding='utf-8') as file:
            return file.read().splitlines()

    def wait_for(self, pattern):
        """Waits for a line on stdout; a minute is for a busy machine, not a measurement."""
        deadline = time.monotonic() + 60
        while not any(re.fullmatch(pattern, line) for line in self.lines()):
            assert time.monotonic() < deadline and self.poll() is None, self.lines('err')
            time.sleep(0.05)

    def finish(self):
        """Waits for the end; returns the exit status, the lines of stdout, and of stderr."""
        status = self.wait(timeout=120)
        err = self.lines('err')
        assert not any('Traceback' in line for line in err), err
        return status, self.lines(), err


@pytest.fixture
def run(tmp_path):
    """run(script, *flags): starts it in an empty folder beside data/; kills it at the end."""
    shutil.copytree(DATA, str(tmp_path / 'data'))  # a link takes a privilege on Windows
    # where SIGINT is ignored, as in a background job of a shell, the scripts would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scripts = []

    def start(*args):
        scripts.append(Script(tmp_path, *args))
        return scripts[-1]

    yield start
    for script in scripts:
        script.kill()
        script.wait()


def read_terminal(ours):
    """What is to be read of a terminal; nothing if its other end is closed, on macOS and Linux."""
    try:
        return os.read(ours, 1000)
    except OSError:
        return b''


def assert_lines(lines, pattern, steps):
    assert len(lines) == len(steps), lines
    for line, step in zip(lines, steps):
        assert re.fullmatch(pattern % step, line), line


def checkpoint(folder, step):
    name = str(folder / ('mnist_model-%d' % step))
    content = b''
    for suffix in '.index', '.data-00000-of-00001':
        with open(name + suffix, 'rb') as file:
            content += file.read()
    return content


@pytest.mark.posix
def test_train_watch_interrupt_resume_and_run_again(run, tmp_path):
    watcher = run(TEST, '--wait', '--interval', '0.2')
    trainer = run(TRAIN, '--steps', '150', '--seed', '1')
    trainer.wait_for(TRAIN_LINE % 101)
    trainer.send_signal(signal.SIGINT)
    status, printed, err = trainer.finish()
    assert status == 130
    stopped = int(re.match('stopped; step (.*) is saved in ./model, run', err[-1]).group(1))
    assert stopped >= 101
    assert_lines(printed, TRAIN_LINE, [step for step in (1, 101) if step <= stopped])

    status, lines, err = run(TRAIN, '--steps', '150').finish()
    assert status == 0
    assert err[-1] == 'training from step %d to step 150' % stopped
    assert_lines(lines, TRAIN_LINE, [150])

    straight = run(TRAIN, '--steps', '150', '--seed', '1', '--model_dir', 'straight')
    assert straight.finish()[:2] == (0, printed + lines)
    assert checkpoint(tmp_path / 'model', 150) == checkpoint(tmp_path / 'straight', 150)

    status, lines, err = run(TRAIN, '--steps', '10').finish()
    assert status == 0
    assert err[-1] == 'training from step 150 to step 160'
    assert_lines(lines, TRAIN_LINE, [160])

    watcher.wait_for(TEST_LINE % 160)
    watcher.send_signal(signal.SIGINT)
    status, lines, err = watcher.finish()
    assert status == 130
    assert 'waiting for checkpoints in ./model/' in err
    steps = [int(re.fullmatch(TEST_LINE % r'(\d+)', line).group(1)) for line in lines]
    assert steps == sorted(set(steps)) and set(steps) <= {1, 101, stopped, 150, 160}
    assert float(lines[-1].split()[-1]) > 0.7  # 0.1 before training

    status, lines, _ = run(TEST, '--once').finish()
    assert status == 0
    assert_lines(lines, TEST_LINE, [160])


def test_no_checkpoint(run):
    status, lines, _ = run(TEST).finish()
    assert (status, lines) == (1, ['No checkpoint file found'])


@pytest.mark.posix
def test_reader_of_stdout_goes_away(tmp_path):
    command = [sys.executable, os.path.join(ROOT, TRAIN), '--steps', '250', '--data_dir', DATA]
    with open(str(tmp_path / 'err'), 'w', encoding='utf-8') as err:
        trainer = subprocess.Popen(command, cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=err)
    assert re.fullmatch(TRAIN_LINE % 1 + '\n', trainer.stdout.readline().decode())
    trainer.stdout.close()
    assert trainer.wait(timeout=60) == 1
    err = (tmp_path / 'err').read_text(encoding='utf-8')
    assert 'Traceback' not in err
    assert err.endswith('error: stdout: cannot be used (Broken pipe)\n')
    assert '"mnist_model-101"' in (tmp_path / 'model' / 'checkpoint').read_text(encoding='utf-8')


@pytest.mark.posix
def test_terminal_goes_away(tmp_path):
    """SIGHUP, and no stdout nor stderr any more."""
    import fcntl
    import pty
    import termios

    command = [sys.executable, os.path.join(ROOT, TRAIN), '--data_dir', DATA]
    terminal, end = pty.openpty()

    def be_on_it():
        os.setsid()
        fcntl.ioctl(end, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where the tests run under nohup

    trainer = subprocess.Popen(
        command, cwd=str(tmp_path), stdin=end, stdout=end, stderr=end, preexec_fn=be_on_it
    )
    os.close(end)
    seen = b''
    while b'After 1 ' not in seen:
        seen += read_terminal(terminal)
        assert trainer.poll() is None, seen
    os.close(terminal)
    assert trainer.wait(timeout=60) == 129
    assert (tmp_path / 'model' / 'checkpoint').exists()


@pytest.mark.posix
def test_training_on_a_terminal(tmp_path):
    """One terminal for stdout and stderr; it is stopped in the middle of the live line."""
    import pty

    ours, theirs = pty.openpty()
    script = os.path.join(ROOT, 'mnist_lenet5_backward.py')
    command = [sys.executable, script, '--model_dir', str(tmp_path / 'model')]
    command += ['--data_dir', os.path.join(ROOT, 'data')]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3', COLUMNS='80')
    trainer = subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    text = b''
    while b'step ' not in text.split(b'After 101 ')[-1] or b'After 101 ' not in text:
        text += read_terminal(ours)
        assert trainer.poll() is None, text
    trainer.terminate()
    for more in iter(lambda: read_terminal(ours), b''):
        text += more
    os.close(ours)
    assert trainer.wait() == 143
    lines = [li for li in screen(text.decode())[0] if not li.startswith(('WARNING', 'I0', 'E0'))]
    lines = lines[lines.index('training from step 0 to step 50000') + 1 :]
    after = 'After %d training step(s), loss on training batch is '
    assert [li.startswith(after % step) for li, step in zip(lines, (1, 101))] == [True, True]
    assert lines[2].startswith('stopped; step 1') and lines[3:] == ['']


@pytest.mark.posix
@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_full_disk_under_stdout(tmp_path):
    command = [sys.executable, os.path.join(ROOT, TEST), '--data_dir', DATA]
    with open('/dev/full', 'w', encoding='utf-8') as full:
        ended = subprocess.run(command, cwd=str(tmp_path), stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 1
    assert b'error: stdout: cannot be used (No space left on device)' in ended.stderr
    assert b'Traceback' not in ended.stderr


@pytest.mark.posix
@pytest.mark.parametrize('closed', ['1>&-', '2>&-', '0<&- 1>&- 2>&-'])
def test_closed_streams(tmp_path, closed):
    """What TensorFlow, or anybody in C, writes on stderr during a save gets into no file."""
    code = """
import ctypes, os, sys
sys.path[:0] = [%r, %r]
import mnist_lenet5_backward
from support import terminal
from conftest import Noise
from types import SimpleNamespace

libc, replace, fsync = ctypes.CDLL(None), os.replace, os.fsync

def noisily(function):
    def call(*args):
        for descriptor in 1, 2:
            libc.write(descriptor, b'noise', 5)
        return function(*args)
    return call

def main():
    os.replace, os.fsync = noisily(replace), noisily(fsync)
    mnist_lenet5_backward.BATCH_SIZE, mnist_lenet5_backward.STEPS = 2, 3
    mnist_lenet5_backward.SAVE_STEPS = 1
    mnist_lenet5_backward.MODEL_SAVE_PATH = sys.argv[1]
    mnist_lenet5_backward.backward(SimpleNamespace(train=Noise()))

terminal.run(main)
"""
    code %= (ROOT, os.path.join(ROOT, 'tests'))
    folders = {}
    for name, redirected in ('closed', closed), ('open', '>/dev/null 2>&1'):
        model = tmp_path / name
        command = ['sh', '-c', 'exec "$@" ' + redirected, 'sh', sys.executable, '-c', code]
        assert subprocess.run([*command, str(model)]).returncode == 0
        folders[name] = {p.name: p.read_bytes() for p in model.iterdir() if p.is_file()}
        folders[name].pop('lock')
    assert folders['closed'] == folders['open'] and 'mnist_model-3.index' in folders['open']


def test_a_folder_in_chinese(run, tmp_path):
    """For the digits, the checkpoints and the sheet."""
    os.rename(str(tmp_path / 'data'), str(tmp_path / '数字 数据'))
    flags = ['--data_dir', '数字 数据', '--model_dir', os.path.join('模型', '我的')]
    assert run(TRAIN, '--steps', '1', *flags).finish()[0] == 0
    status, lines, err = run(TRAIN, '--steps', '1', *flags).finish()
    assert status == 0 and err[-1] == 'training from step 1 to step 2'
    status, lines, _ = run(TEST, '--mistakes', '错误.png', *flags).finish()
    assert status == 0
    assert_lines(lines, TEST_LINE, [2])
    assert (tmp_path / '错误.png').read_bytes().startswith(b'\x89PNG')
    assert any('tfevents' in name for name in os.listdir(str(tmp_path / '模型' / '我的' / 'test')))


def test_seed_repeats_weights_batches_and_dropout(run):
    seeds = ['7', '7', '8']
    scripts = [
        run(TRAIN, '--steps', '1', '--seed', seed, '--model_dir', 'model%d' % i)
        for i, seed in enumerate(seeds)
    ]
    first, again, other = [script.finish()[1] for script in scripts]
    assert first == again != other
    assert_lines(first, TRAIN_LINE, [1])


def test_model_dir_and_data_dir(run, tmp_path):
    os.rename(str(tmp_path / 'data'), str(tmp_path / 'digits'))
    flags = ['--data_dir', 'digits', '--model_dir', str(tmp_path / 'a' / 'b')]
    assert run(TRAIN, '--steps', '1', *flags).finish()[0] == 0
    status, lines, _ = run(TEST, '--once', *flags).finish()
    assert status == 0
    assert_lines(lines, TEST_LINE, [1])
    assert not (tmp_path / 'model').exists() and not (tmp_path / 'data').exists()


@pytest.mark.parametrize('script', [TRAIN, TEST])
def test_errors_are_one_line(run, tmp_path, script):
    bad = tmp_path / 'bad'
    shutil.copytree(DATA, str(bad))
    (bad / 't10k-labels-idx1-ubyte.gz').write_bytes(b'not gzip')
    (tmp_path / 'model').mkdir()
    (tmp_path / 'model' / 'checkpoint').write_bytes(b'garbage')
    scripts = [run(script, '--data_dir', 'bad'), run(script)]
    for started, error in zip(
        scripts,
        ['error: %s' % os.path.join('bad', 't10k-labels-idx1'), 'error: ./model/checkpoint: '],
    ):
        status, lines, err = started.finish()
        assert (status, lines) == (1, [])
        assert err[-1].startswith(error)
    assert set(os.listdir(str(tmp_path / 'model'))) <= {'checkpoint', 'lock'}


def test_mistakes(run, tmp_path):
    parameters = reference.initial_parameters()
    write_checkpoint(tmp_path / 'model', 1, parameters, parameters)
    status, lines, _ = run(TEST, '--mistakes', 'mistakes.png').finish()
    assert status == 0
    assert_lines(lines, TEST_LINE, [1])
    assert (tmp_path / 'mistakes.png').read_bytes().startswith(b'\x89PNG')
    status, lines, err = run(TEST, '--mistakes', 'none/mistakes.png').finish()
    assert status == 1
    assert err[-1] == 'error: none/mistakes.png: cannot be used (No such file or directory)'


@pytest.mark.posix
def test_watching_gives_way_to_training(run):
    watcher = run(TEST, '--wait')
    deadline = time.monotonic() + 60  # for a busy machine, not a measurement
    while os.getpriority(os.PRIO_PROCESS, watcher.pid) != 19:
        assert time.monotonic() < deadline and watcher.poll() is None, watcher.lines('err')
        time.sleep(0.05)


@pytest.mark.parametrize(
    'args',
    [
        (TRAIN, '--steps', '0'),
        (TRAIN, '--steps', '-1'),
        (TRAIN, '--seed', '-1'),
        (TRAIN, '--seed', '2147483648'),
        (TEST, '--interval', 'nan'),
        (TEST, '--intervall', '1'),
        (TRAIN, '--step', '50'),
        (TRAIN, '--model_dir', ''),
        (TEST, '--data_dir', ''),
        (TEST, '--mistakes', ''),
        (TEST, '--mistakes', 'mistakes.jpg'),
    ],
)
def test_wrong_usage(tmp_path, monkeypatch, capsys, args):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr('sys.argv', list(args))
    with pytest.raises(SystemExit) as ended:
        {TRAIN: mnist_lenet5_backward, TEST: mnist_lenet5_test}[args[0]].main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, '')
    assert args[1] in err.splitlines()[-1]
    assert os.listdir(str(tmp_path)) == []


def test_status_of_wrong_usage(run):
    status, lines, err = run(TRAIN, '--steps', '0').finish()
    assert (status, lines) == (2, [])
    assert err[-1].endswith('error: argument --steps: must be at least 1')


def test_help_says_every_flag_and_default(run):
    for script, expected in [
        (
            TRAIN,
            [
                '--steps',
                '--data_dir',
                '--model_dir',
                '--seed',
                'default: 50000',
                'ends at step 300',
                './model/',
            ],
        ),
        (
            TEST,
            [
                '--wait',
                '--once',
                '--interval',
                '--mistakes',
                '--data_dir',
                '--model_dir',
                'default: 5)',
                './data/',
            ],
        ),
    ]:
        status, lines, _ = run(script, '--help').finish()
        assert status == 0
        for word in expected:
            assert word in ' '.join(' '.join(lines).split())
