"""checkpoints and keeping: what interrupts a training, or damages its files, costs it nothing."""

import errno
import gc
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import ROOT, Noise, saved_steps, write_checkpoint

import checkpoints
import input_data
import keeping
import mnist_lenet5_backward

DATA_SUFFIX = '.data-00000-of-00001'
SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, 'SIGHUP'):  # not on Windows
    SIGNALS.append(signal.SIGHUP)


class Happening(Noise):
    """Noise, during whose n-th batch something happens, from 1."""

    def __init__(self, n, happening):
        super().__init__()
        self.n, self.happening = n, happening

    def next_batch(self, batch_size):
        if len(self.batches) == self.n - 1:
            self.happening()
        return super().next_batch(batch_size)


def send(signum):
    return lambda: os.kill(os.getpid(), signum)


@pytest.fixture(autouse=True)
def handlers():
    """Those of a process in the foreground, whatever runs the tests; and the old ones after it."""
    old = {signum: signal.getsignal(signum) for signum in SIGNALS}
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for signum in SIGNALS:
        signal.signal(signum, old[signum])


def interrupted(train, signum, step, data):
    """Expects a run to be ended by a signal, with `step` saved, and the handlers to be back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(keeping.Interrupted) as caught:
        train(20, data)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.signum == signum
    assert str(caught.value).startswith('stopped; step %d is saved in %s,' % (step, train.model))
    assert '"mnist_model-%d"' % step in (train.model / 'checkpoint').read_text()
    assert [signal.getsignal(number) for number in SIGNALS] == before


# Interrupted
@pytest.mark.posix
@pytest.mark.parametrize('signum', SIGNALS)
def test_signal_in_a_step(train, capsys, signum):
    """The step is finished and saved; stdout has the notes' lines and no other."""
    interrupted(train, signum, 3, Happening(3, send(signum)))
    assert saved_steps(train.model) == [1, 3]
    out, err = capsys.readouterr()
    assert out.count('\n') == 1 and out.startswith('After 1 training step(s)')
    assert train(20)[0] == [20]


def at_first_call(monkeypatch, name, happening):
    """Something happens before the first call of os.<name>."""
    function = getattr(os, name)

    def happen(*args):
        monkeypatch.setattr(os, name, function)
        happening()
        return function(*args)

    monkeypatch.setattr(os, name, happen)


@pytest.mark.posix
@pytest.mark.parametrize('signum', SIGNALS)
@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_signal_in_a_save(train, monkeypatch, signum, call):
    at_first_call(monkeypatch, call, send(signum))
    saves = []
    save = tf.train.Saver.save
    monkeypatch.setattr(
        tf.train.Saver, 'save', lambda *args, **names: saves.append(1) or save(*args, **names)
    )
    interrupted(train, signum, 1, Noise())
    assert saved_steps(train.model) == [1] and saves == [1]


@pytest.mark.posix
def test_signal_in_the_last_save(train, monkeypatch):
    """The run is over anyway, and running it again would be another run."""
    data = Happening(20, lambda: at_first_call(monkeypatch, 'fsync', send(signal.SIGTERM)))
    assert train(20, data)[0] == [1, 20]


@pytest.mark.posix
def test_second_signals(train):
    """SIGTERM comes from those who shut down, as often as they like; a second Ctrl-C is meant."""

    def twice(signum):
        send(signum)()
        send(signum)()

    interrupted(train, signal.SIGTERM, 2, Happening(2, lambda: twice(signal.SIGTERM)))
    ctrl_c = 'Noise.next_batch = lambda *args: [os.kill(os.getpid(), signal.SIGINT)] * 2'
    status, line = ended(train, ctrl_c.replace('[', '[os.kill(os.getpid(), signal.SIGINT), '))
    assert status == -signal.SIGINT
    assert line.startswith('training from step 2')
    assert saved_steps(train.model) == [1, 2]


@pytest.mark.posix
def test_signals_that_are_ignored(train):
    """nohup's SIGHUP, for one."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert train(3, Happening(2, send(signal.SIGHUP)))[0] == [1, 3]
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


class NobodyReads:
    """As a pipe is whose reader has ended, and a terminal that has been closed."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        pass


@pytest.mark.posix
@pytest.mark.parametrize('error', [BrokenPipeError(), OSError(errno.EIO, 'gone')])
def test_nobody_reads_stdout(train, monkeypatch, error):
    """The step whose line cannot be printed is saved; so is that of a signal at the same time."""
    monkeypatch.setattr(sys, 'stdout', NobodyReads(error))
    with pytest.raises(type(error)):
        train(20)
    assert saved_steps(train.model) == [1]
    interrupted(train, signal.SIGHUP, 20, Happening(19, send(signal.SIGHUP)))


# Saved
@pytest.mark.posix
def test_order_of_a_save(train, monkeypatch):
    """Down to the disk in this order: the checkpoint, its name in `checkpoint`; then deletes."""
    for _ in range(5):
        train(1)
    calls = []

    def log(verb, path):
        calls.append('%s %s' % (verb, os.path.relpath(str(path), str(train.model))))

    paths = {}  # of file descriptors

    def open_and_tell(path, *args):
        fd = open_(path, *args)
        paths[fd] = path
        return fd

    open_, fsync, replace, remove = os.open, os.fsync, os.replace, os.remove
    monkeypatch.setattr(os, 'open', open_and_tell)
    monkeypatch.setattr(os, 'fsync', lambda fd: log('flush', paths[fd]) or fsync(fd))
    monkeypatch.setattr(os, 'replace', lambda old, new: log('replace', new) or replace(old, new))
    monkeypatch.setattr(os, 'remove', lambda path: log('remove', path) or remove(path))
    train(1)
    assert calls == [
        'flush mnist_model-6' + DATA_SUFFIX,
        'flush mnist_model-6.index',
        'flush .',
        'flush checkpoint.tmp',
        'replace checkpoint',
        'flush .',
        'remove mnist_model-1' + DATA_SUFFIX,
        'remove mnist_model-1.index',
    ]


def test_temporary_files_of_a_dead_run(train):
    train(1)
    ours = [
        'mnist_model-2.index.tempstate123',
        'mnist_model-2.data-00000-of-00001.tempstate9',
        'checkpoint.tmp',
        'checkpoint.tmp0123456789abcdef',
        'seed.tmp',
    ]
    others = ['notes.tmp', 'tempstate1', 'mnist_model-7.index', 'mnist_model-7' + DATA_SUFFIX]
    for name in ours + others:
        (train.model / name).write_bytes(b'')
    beside = train.model.parent / ours[0]
    beside.write_bytes(b'')
    train(1)
    names = set(os.listdir(str(train.model)))
    assert not set(ours) & names and set(others) < names
    assert beside.exists()


@pytest.mark.posix
def test_deleted_folder(train):
    """The next save makes it anew, with the seed, and locks it."""
    data = Happening(102, lambda: shutil.rmtree(str(train.model)))
    assert train(202, data)[0] == [1, 101, 201, 202]
    assert saved_steps(train.model) == [201, 202]
    assert (train.model / 'seed').exists()

    others = []

    def delete_and_let_another_in():
        shutil.rmtree(str(train.model))
        others.append(keeper(train.model).__enter__())

    with pytest.raises(checkpoints.CheckpointError, match='process %d trains' % os.getpid()):
        train(404, Happening(10, delete_and_let_another_in))
    others[0].__exit__(None, None, None)
    assert saved_steps(train.model) == []


@pytest.mark.posix
def test_folder_deleted_in_a_save(train, monkeypatch):
    at_first_call(monkeypatch, 'fsync', lambda: shutil.rmtree(str(train.model)))
    assert train(1)[0] == [1]
    assert saved_steps(train.model) == [1]
    assert '"mnist_model-1"' in (train.model / 'checkpoint').read_text()


class NotANumber(Happening):
    def next_batch(self, batch_size):
        xs, ys = super().next_batch(batch_size)
        return xs * 1e38, ys


def not_finite(train, match, data=None):
    """Expects a run to be ended by what is not finite, without a new checkpoint."""
    before = saved_steps(train.model) if train.model.exists() else []
    with pytest.raises(keeping.NotFiniteError, match=match) as caught:
        train(300, data)
    assert '\n' not in str(caught.value)
    assert saved_steps(train.model) == before


@pytest.mark.posix
def test_what_is_not_finite_is_not_saved_at_a_signal(train):
    train(1)
    not_finite(train, 'step 6: loss is not finite', NotANumber(5, send(signal.SIGTERM)))


def test_what_is_not_finite_is_not_saved(train, monkeypatch):
    not_finite(train, 'step 1: loss is not finite, at learning rate 0.005;', NotANumber(0, None))
    train(1)
    not_finite(train, 'step 101: loss is not finite', NotANumber(0, None))
    parameters = reference.initial_parameters()
    shadows = reference.initial_parameters(seed=1)
    shadows[7][3] = np.inf
    write_checkpoint(train.model, 100, parameters, shadows)
    not_finite(train, 'step 101: Variable_7/ExponentialMovingAverage is not finite')
    shutil.rmtree(str(train.model))
    monkeypatch.setattr(mnist_lenet5_backward, 'LEARNING_RATE_BASE', 1e38)
    not_finite(train, 'step 1: Variable.* is not finite, at learning rate 1e.38;')


# A folder and a file system that resist
def keeper(model):
    return keeping.Keeper(None, None, str(model / 'mnist_model'), 1, None)


def test_second_trainer(train):
    train.model.mkdir()
    (train.model / 'lock').write_text('123456\n')  # of a process that has died
    with keeper(train.model):
        before = sorted(os.listdir(str(train.model)))
        with pytest.raises(checkpoints.CheckpointError) as caught:
            train(1)
        assert 'lock: process %d trains in this folder;' % os.getpid() in str(caught.value)
        assert sorted(os.listdir(str(train.model))) == before
    assert train(1)[0] == [1]


TRAIN = """
import os, resource, signal, sys
sys.path[:0] = [%r, %r]
import command_line, mnist_lenet5_backward
from conftest import Noise
from types import SimpleNamespace

def main():
    mnist_lenet5_backward.BATCH_SIZE = 2
    mnist_lenet5_backward.SAVE_STEPS = 1
    mnist_lenet5_backward.STEPS = 100
    mnist_lenet5_backward.MODEL_SAVE_PATH = sys.argv[1]
    mnist_lenet5_backward.backward(SimpleNamespace(train=Noise()))

"""
TRAIN %= (ROOT, os.path.join(ROOT, 'tests'))


def ended(train, before):
    """Runs a training with a save at every step in a process; returns its status and last line."""
    code = TRAIN + before + '\ncommand_line.run(main)'
    process = subprocess.run(
        [sys.executable, '-c', code, str(train.model)],
        capture_output=True,
        timeout=100,
        env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3'),  # 1.15.5 may have the last word
    )
    err = process.stderr.decode()
    assert 'Traceback' not in err
    return process.returncode, err.splitlines()[-1]


@pytest.mark.posix
@pytest.mark.parametrize('size', ['50m', None])
def test_full_disk(train, size):
    """A real one where a small file system may be mounted, and a limit to the size of files."""
    train.model.mkdir()
    mount = 'mount -t tmpfs -o size=%s tmpfs %s 2>/dev/null' % (size, train.model)
    mounted = size and not os.system(mount)
    try:
        if mounted:
            status, error = ended(train, '')
            reason, steps = 'No space left', [1, 2, 3]
        else:
            train(1)
            status, error = ended(
                train, 'resource.setrlimit(resource.RLIMIT_FSIZE, (5000000, 5000000))'
            )
            reason, steps = 'File too large', [1]
        assert status == 1
        assert error.startswith('error: %s: cannot be written to (' % train.model)
        assert reason in error
        assert saved_steps(train.model) == steps
        assert not [name for name in os.listdir(str(train.model)) if 'temp' in name]
        if mounted:  # room for another
            os.remove(str(train.model / ('mnist_model-1' + DATA_SUFFIX)))
        start = 'training from step %d ' % steps[-1]
        assert start in train(steps[-1] + 1)[1]
    finally:
        if mounted:
            gc.collect()
            os.system('umount %s' % train.model)


@pytest.mark.posix
def test_read_only_folder(train):
    """For root, who may write everywhere, a file system that becomes read-only."""
    train.model.mkdir()
    mounted = not os.system('mount -t tmpfs tmpfs %s 2>/dev/null' % train.model)
    try:
        train(1)
        if mounted:
            gc.collect()  # TensorFlow 1.15.5 has the event file in a cycle, open
            assert not os.system('mount -o remount,ro %s' % train.model)
        else:
            train.model.chmod(0o555)
        with pytest.raises(checkpoints.CheckpointError) as caught:
            train(1)
        assert str(caught.value).startswith('%s: cannot be written to (' % train.model)
        assert '\n' not in str(caught.value)
    finally:
        if mounted:
            gc.collect()
            os.system('umount %s' % train.model)
        else:
            train.model.chmod(0o755)


# Damaged
def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize('suffix', ['.index', DATA_SUFFIX])
@pytest.mark.parametrize(
    'damage',
    [
        lambda content: content[: len(content) // 2],
        lambda content: b'',
        lambda content: None,
        flip,
    ],
)
def test_damaged_checkpoint(train, monkeypatch, suffix, damage):
    """The highest step that is whole is taken; 10 is higher than 9."""
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(11)
    path = train.model / ('mnist_model-11' + suffix)
    content = damage(path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    steps, err = train(1)
    assert steps == [11]
    (line,) = [line for line in err.splitlines() if 'instead' in line]
    assert line.startswith('%s: cannot be restored (' % (train.model / 'mnist_model-11'))
    assert line.endswith('; taking mnist_model-10 instead')
    assert saved_steps(train.model) == [7, 8, 9, 10, 11]
    assert 'instead' not in train(1)[1]


def test_several_damaged_checkpoints(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(4)
    for name in 'mnist_model-4.index', 'mnist_model-3' + DATA_SUFFIX:
        (train.model / name).write_bytes(b'')
    steps, err = train(3)
    assert steps == [3]
    assert re.search('mnist_model-4: cannot be restored .*; taking mnist_model-2 instead\n', err)


@pytest.mark.parametrize(
    'content', [None, b'', b'garbage', b'\xff\xfe', b'model_checkpoint_path: ""']
)
def test_garbled_checkpoint_file(train, monkeypatch, content):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(11)
    state = train.model / 'checkpoint'
    if content is None:
        state.unlink()
    else:
        state.write_bytes(content)
    steps, err = train(1)
    assert steps == [12]
    problem = 'missing' if content is None else 'cannot be read'
    assert '%s: %s; taking mnist_model-11 instead\n' % (state, problem) in err
    # nobody knows any more which may be deleted
    assert saved_steps(train.model) == [7, 8, 9, 10, 11, 12]


def test_going_back(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(5)
    state = train.model / 'checkpoint'
    state.write_text(state.read_text().replace('"mnist_model-5"', '"mnist_model-3"', 1))
    steps, err = train(1)
    assert steps == [4] and 'instead' not in err
    state.write_text(state.read_text().replace('"mnist_model-4"', '"mnist_model-1"', 1))
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 10)
    assert train(11)[0] == [11]
    assert saved_steps(train.model) == [1, 3, 4, 5, 11]  # 1 counts as saved after 5


@pytest.mark.parametrize('state', [b'garbage', b'model_checkpoint_path: "mnist_model-9"'])
def test_nothing_is_whole(train, state):
    train.model.mkdir()
    (train.model / 'checkpoint').write_bytes(state)
    with pytest.raises(checkpoints.CheckpointError, match='to train anew'):
        train(1)
    (train.model / 'mnist_model-9.index').write_bytes(b'')
    with pytest.raises(checkpoints.CheckpointError, match='no whole checkpoint') as caught:
        train(1)
    assert '\n' not in str(caught.value)
    assert (train.model / 'checkpoint').read_bytes() == state


# Exact
def test_resumed_run_is_the_straight_one(train, monkeypatch):
    """Over the ends of epochs; torture.py does it in bad times."""
    monkeypatch.setattr(mnist_lenet5_backward, 'BATCH_SIZE', 4)

    def run(steps):
        noise = np.random.RandomState(0)
        labels = np.eye(10)[noise.randint(0, 10, 7)]
        train(steps, input_data.DataSet(noise.rand(7, 784).astype(np.float32), labels))

    def last():
        names = ['mnist_model-9.index', 'mnist_model-9' + DATA_SUFFIX]
        return [(train.model / name).read_bytes() for name in names]

    run(9)
    straight = last()
    shutil.rmtree(str(train.model))
    for steps in 1, 3, 4, 9:  # from 0 to 1, on to 3, on to 4, on to 9
        run(steps)
    assert last() == straight
