"""training: nothing is lost however a training ends, and what is resumed goes on exactly."""

import concurrent.futures
import errno
import shutil
import signal
import sys
from types import SimpleNamespace

from support import checkpoints, files, training

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    Happening,
    at_first_call,
    before_calls,
    checkpoint_bytes,
    saved_steps,
    send,
    small_data_set,
)

import input_data
import mnist_lenet5_backward

pytestmark = pytest.mark.usefixtures('handlers', 'train_small')


def interrupted(train, signum, step, data=None):
    """Expects a run to be ended by a signal, with `step` saved, and the handlers to be back."""
    before = [signal.getsignal(number) for number in signal.Signals]
    with pytest.raises(training.Interrupted, match='step %d is saved' % step) as caught:
        train(20, data)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.exit_status == 128 + signum and str(train.model) in str(caught.value)
    ckpt = checkpoints.get_checkpoint_state(str(train.model))
    assert ckpt.model_checkpoint_path == str(train.model / ('mnist_model-%d' % step))
    assert [signal.getsignal(number) for number in signal.Signals] == before


# Signals
@pytest.mark.posix
@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_signal_in_a_save(train, monkeypatch, call):
    """The save ends, and is the only one of its step. In a last save, a signal changes nothing."""
    at_first_call(monkeypatch, call, send(signal.SIGINT))
    saves = []
    before_calls(monkeypatch, tf.train.Saver, 'save', lambda *args: saves.append(1))
    interrupted(train, signal.SIGINT, 1)
    assert saved_steps(train.model) == saves == [1]
    data = Happening(19, lambda: at_first_call(monkeypatch, call, send(signal.SIGTERM)))
    assert train(20, data)[0][-1] == 20


@pytest.mark.posix
def test_other_signals(train, monkeypatch):
    """A second SIGTERM changes nothing, a second Ctrl-C ends at once, SIGHUP stays ignored."""
    interrupted(train, signal.SIGTERM, 2, Happening(2, send(signal.SIGTERM, signal.SIGTERM)))
    assert saved_steps(train.model) == [1, 2]
    with pytest.raises(KeyboardInterrupt) as caught:
        train(20, Happening(2, send(signal.SIGINT, signal.SIGINT)))
    assert type(caught.value) is KeyboardInterrupt and saved_steps(train.model) == [1, 2]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert train(4, Happening(1, send(signal.SIGHUP)))[0][-1] == 4
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    before = signal.signal(signal.SIGUSR1, lambda *_: None)  # as Windows' Ctrl-Break
    monkeypatch.setattr(signal, 'SIGBREAK', signal.SIGUSR1, raising=False)
    interrupted(train, signal.SIGUSR1, 5, Happening(1, send(signal.SIGUSR1)))
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.posix
def test_steps_that_are_not_counted(train, monkeypatch):
    """After a signal, the last weights are saved under the number that the line says."""
    optimizer, minimize = tf.train.GradientDescentOptimizer, tf.train.Optimizer.minimize
    monkeypatch.setattr(optimizer, 'minimize', lambda self, loss, global_step: minimize(self, loss))
    saves = []
    before_calls(monkeypatch, tf.train.Saver, 'save', lambda *args: saves.append(args[3]))
    interrupted(train, signal.SIGTERM, 0, Happening(3, send(signal.SIGTERM)))
    assert saves == [0, 0]  # at the first step, and at the signal


def test_it_leaves_the_process_as_it_was(train):
    """The default graph stays empty. Off the main thread, which gets no signals, training works."""
    with tf.Graph().as_default() as graph:
        assert train(2)[0] == [1, 2]
        assert tf.get_default_graph() is graph and not graph.get_operations()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        assert threads.submit(train, 2).result()[0] == [4]


@pytest.mark.posix
@pytest.mark.parametrize('error', [BrokenPipeError(), OSError(errno.EIO, 'gone')])
def test_nobody_reads_stdout(train, monkeypatch, error):
    """The step of the line is saved, as after `| head`. A signal at the same time goes first."""

    def fail(text):
        raise error

    monkeypatch.setattr(sys, 'stdout', SimpleNamespace(write=fail, flush=lambda: None))
    with pytest.raises(type(error)):
        train(20)
    assert saved_steps(train.model) == [1]
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 2)  # so that it prints step 3
    interrupted(train, signal.SIGHUP, 3, Happening(2, send(signal.SIGHUP)))


@pytest.mark.posix
@pytest.mark.parametrize('name', ['Variable', 'loss'])
def test_what_is_not_finite_is_not_saved(train, monkeypatch, name):
    """Neither a signal nor a save stores such numbers. The next run goes on before them."""
    train(1)
    data = Happening(5, send(signal.SIGTERM))
    with monkeypatch.context() as patch:
        if name == 'loss':
            patch.setattr(mnist_lenet5_backward, 'REGULARIZER', 1e38)
            patch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
        else:
            rand = lambda *shape: np.full(shape, 1e38)  # noqa: E731
            data.random = SimpleNamespace(randint=data.random.randint, rand=rand)
        match = r'step %d: %s\S* is not finite' % ({'loss': 2}.get(name, 6), name)
        with pytest.raises(training.TrainingError, match=match):
            train(20, data)
    assert saved_steps(train.model) == [1] and train(20)[0][-1:] == [20]


def test_a_second_saver_in_the_folder(train, monkeypatch):
    """The second Saver replaces the list. Both keep theirs, and the next run goes on from ours."""
    save, savers = training.Run.save, {}

    def save_best_too(run, step, loss=None):
        save(run, step, loss)
        if step % 5 == 0 and loss is not None:
            best = savers.setdefault(run, tf.train.Saver(max_to_keep=1))
            path, sess = str(train.model / 'best_model'), tf.get_default_session()
            best.save(sess, path, step, write_meta_graph=False)

    monkeypatch.setattr(training.Run, 'save', save_best_too)
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    for end, theirs in (8, [5]), (15, [5, 15]):  # in the second run, theirs is the last
        train(end)
        kept = ['best_model-%d' % step for step in theirs]
        kept += ['mnist_model-%d' % step for step in range(end - 4, end + 1)]
        ckpt = checkpoints.get_checkpoint_state(str(train.model))
        assert ckpt.model_checkpoint_path == str(train.model / kept[-1])
        assert set(ckpt.all_model_checkpoint_paths) == {str(train.model / name) for name in kept}


# The seed
def digits():
    return small_data_set(7, seed=1)


@pytest.mark.parametrize('what', ['weights', 'order', 'dropout'])
def test_seed_reaches(train, monkeypatch, what):
    """The seed decides each of the three, here with the other two held. A resumed run keeps it."""
    if what != 'weights':
        monkeypatch.setattr(tf, 'set_random_seed', lambda seed, set=tf.set_random_seed: set(1))
    if what != 'dropout':
        monkeypatch.setattr('mnist_lenet5_forward.dropout', lambda x, rate, seed: tf.nn.relu(x))
    if what != 'order':
        monkeypatch.setattr(input_data.DataSet, 'seek', lambda self, position, seed: None)
    found = set()
    for seed in 2, 1, 1:
        shutil.rmtree(str(train.model), ignore_errors=True)
        train(1, digits(), seed=seed)
        found.add(checkpoint_bytes(train.model, 1)[1])
    assert len(found) == 2
    (train.model / 'seed').write_bytes(b'7\n')
    assert train(1, digits())[1].count('\n') == 1  # no warning
    assert (train.model / 'seed').read_bytes() == b'7\n'


# Exact
@pytest.mark.parametrize('optimizer', ['GradientDescent', 'Adam'])
def test_resumed_run_is_the_straight_one(train, monkeypatch, optimizer):
    """Over the ends of epochs, with dropout, and with the optimizer's own variables."""
    chosen = getattr(tf.train, optimizer + 'Optimizer')
    monkeypatch.setattr(mnist_lenet5_backward, 'BATCH_SIZE', 4)
    monkeypatch.setattr(tf.train, 'GradientDescentOptimizer', chosen)
    train(9, digits())
    straight = checkpoint_bytes(train.model, 9)
    path = str(train.model / 'mnist_model-9')
    names = str(tf.train.NewCheckpointReader(path).get_variable_to_shape_map())
    assert optimizer == 'GradientDescent' or optimizer in names
    shutil.rmtree(str(train.model))
    for steps in 1, 3, 4, 9:  # from 0 to 1, on to 3, on to 4, on to 9
        train(steps, digits())
    assert checkpoint_bytes(train.model, 9) == straight


# bfloat16
@pytest.mark.parametrize('cpuinfo', [b'avx512f', b'avx512f avx512_bf16', b'amx_bf16', None])
@pytest.mark.parametrize('option', [True, False])
def test_bfloat16(monkeypatch, cpuinfo, option):
    """It needs the processor's arithmetic, of which only Linux tells, and TensorFlow's option."""
    monkeypatch.setattr(files, 'read', {'/proc/cpuinfo': cpuinfo}.get)
    rewriting = tf.ConfigProto().graph_options.rewrite_options
    if not option:
        monkeypatch.setattr(training, 'BFLOAT16', 'an_option_that_is_not_there')
    elif not hasattr(rewriting, training.BFLOAT16):
        pytest.skip('TensorFlow %s has no such option' % tf.__version__)
    assert training.config(False) == tf.ConfigProto()
    if cpuinfo != b'avx512f' and option:
        options = training.config(True).graph_options.rewrite_options
        assert getattr(options, training.BFLOAT16) == rewriting.ON
    else:
        with pytest.raises(training.TrainingError, match='--bfloat16'):
            training.config(True)
