"""training: nothing is lost however a training ends, and what is resumed goes on exactly."""

import errno
import os
import re
import shutil
import signal
import sys

from support import checkpoints, processor, signals, training

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import Happening, Noise, at_first_call, ended, saved_steps, send, write_checkpoint

import input_data
import mnist_lenet5_backward

DATA_SUFFIX = '.data-00000-of-00001'
SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, 'SIGHUP'):  # not on Windows
    SIGNALS.append(signal.SIGHUP)


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
    with pytest.raises(signals.Interrupted) as caught:
        train(20, data)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.signum == signum
    assert str(caught.value).startswith('stopped; step %d is saved in %s,' % (step, train.model))
    assert '"mnist_model-%d"' % step in (train.model / 'checkpoint').read_text(encoding='utf-8')
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
    status, line = ended(train.model, ctrl_c.replace('[', '[os.kill(os.getpid(), signal.SIGINT), '))
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


# Not finite
class NotANumber(Happening):
    def next_batch(self, batch_size):
        xs, ys = super().next_batch(batch_size)
        return xs * 1e38, ys


def not_finite(train, match, data=None):
    """Expects a run to be ended by what is not finite, without a new checkpoint."""
    before = saved_steps(train.model) if train.model.exists() else []
    with pytest.raises(training.NotFiniteError, match=match) as caught:
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


# What is kept beside the checkpoints
def test_the_arithmetic_is_remembered(train, monkeypatch):
    """Another one is said, as another seed is; folders from before say nothing."""
    monkeypatch.setattr(processor, 'session_config', lambda bfloat16: None)

    def said(bfloat16):
        monkeypatch.setattr(mnist_lenet5_backward, 'BFLOAT16', bfloat16)
        err = train(1)[1]
        return re.findall('arithmetic: (.*)', err), (train.model / 'arithmetic').read_bytes()

    assert said(False) == ([], b'float32\n')
    assert said(False) == ([], b'float32\n')
    assert said(True) == (['has float32; going on with bfloat16'], b'bfloat16\n')
    assert said(True) == ([], b'bfloat16\n')
    assert said(False) == (['has bfloat16; going on with float32'], b'float32\n')
    (train.model / 'arithmetic').unlink()
    assert said(True) == ([], b'bfloat16\n')


@pytest.mark.parametrize('name', ['seed', 'arithmetic'])
@pytest.mark.parametrize('seed', [None, 3])
def test_a_file_of_somebody_else_is_left_alone(train, monkeypatch, name, seed):
    train.model.mkdir()
    (train.model / name).write_text('of my garden', encoding='utf-8')
    monkeypatch.setattr(mnist_lenet5_backward, 'SEED', seed)
    with pytest.raises(checkpoints.CheckpointError, match=name + ': is not a file of a training;'):
        train(1)
    assert os.listdir(str(train.model)) == [name]
    assert (train.model / name).read_text(encoding='utf-8') == 'of my garden'


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
