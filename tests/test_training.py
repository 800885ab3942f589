"""training: nothing is lost however a training ends, and what is resumed goes on exactly.

On a network of one layer; the lecture's has its own tests in test_backward.
"""

import errno
import re
import shutil
import signal
import sys
import threading
from types import SimpleNamespace

from support import checkpoints, files, training

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import (
    SIGNALS,
    Happening,
    at_first_call,
    checkpoint_bytes,
    saved_steps,
    send,
)

import input_data
import mnist_lenet5_backward

pytestmark = pytest.mark.usefixtures('handlers')


@pytest.fixture
def train(train_small):
    return train_small


def interrupted(train, signum, step, data=None):
    """Expects a run to be ended by a signal, with `step` saved, and the handlers to be back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(training.Interrupted) as caught:
        train(20, data)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.exit_status == 128 + signum
    line = 'stopped; step %d is saved in %s, run the same command again to go on'
    assert str(caught.value) == line % (step, train.model)
    assert '"mnist_model-%d"' % step in (train.model / 'checkpoint').read_text(encoding='utf-8')
    assert [signal.getsignal(number) for number in SIGNALS] == before


# Signals
@pytest.mark.posix
def test_signal_in_a_step(train, capsys):
    """The step is finished and saved; stdout has the lecture's lines and no other."""
    interrupted(train, signal.SIGINT, 3, Happening(3, send(signal.SIGINT)))
    assert saved_steps(train.model) == [1, 3]
    out, err = capsys.readouterr()
    assert out.count('\n') == 1 and out.startswith('After 1 training step(s)')
    assert train(20)[0] == [20]


@pytest.mark.posix
@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_signal_in_a_save(train, monkeypatch, call):
    """That save comes to its end, and there is no second one of the same step."""
    at_first_call(monkeypatch, call, send(signal.SIGINT))
    saves, save = [], tf.train.Saver.save
    monkeypatch.setattr(
        tf.train.Saver, 'save', lambda *args, **names: saves.append(1) or save(*args, **names)
    )
    interrupted(train, signal.SIGINT, 1)
    assert saved_steps(train.model) == [1] and saves == [1]


@pytest.mark.posix
def test_signal_in_the_last_save(train, monkeypatch):
    """The run is over anyway, and running it again would be another run."""
    data = Happening(20, lambda: at_first_call(monkeypatch, 'fsync', send(signal.SIGTERM)))
    assert train(20, data)[0] == [1, 20]


@pytest.mark.posix
def test_second_signals(train):
    """SIGTERM comes from those who shut down, as often as they like; a second Ctrl-C is meant."""
    interrupted(train, signal.SIGTERM, 2, Happening(2, send(signal.SIGTERM, signal.SIGTERM)))
    with pytest.raises(KeyboardInterrupt) as caught:
        train(20, Happening(2, send(signal.SIGINT, signal.SIGINT)))
    assert not isinstance(caught.value, training.Interrupted)
    assert saved_steps(train.model) == [1, 2]


@pytest.mark.posix
def test_signals_that_are_ignored(train):
    """nohup's SIGHUP, for one."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert train(3, Happening(2, send(signal.SIGHUP)))[0] == [1, 3]
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.posix
def test_ctrl_break(train, monkeypatch):
    """Which Windows alone has; another signal stands in for it. There it is 21, and 149."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    monkeypatch.setattr(signal, 'SIGBREAK', signal.SIGUSR1, raising=False)
    interrupted(train, signal.SIGUSR1, 2, Happening(2, send(signal.SIGUSR1)))
    signal.signal(signal.SIGUSR1, before)


def test_it_leaves_the_process_as_it_was(train):
    """Nothing in the default graph; off the main thread, which gets no signals, it works too."""
    with tf.Graph().as_default() as graph:
        assert train(2)[0] == [1, 2]
        assert tf.get_default_graph() is graph and not graph.get_operations()
    done = []
    thread = threading.Thread(target=lambda: done.append(train(2)[0]))
    thread.start()
    thread.join()
    assert done == [[4]]


@pytest.mark.posix
@pytest.mark.parametrize('error', [BrokenPipeError(), OSError(errno.EIO, 'gone')])
def test_nobody_reads_stdout(train, monkeypatch, error):
    """The step whose line cannot be printed is saved; so is that of a signal at the same time.

    As at a pipe whose reader has ended, or a terminal that has been closed.
    """

    def fail(text):
        raise error

    monkeypatch.setattr(sys, 'stdout', SimpleNamespace(write=fail, flush=lambda: None))
    with pytest.raises(type(error)):
        train(20)
    assert saved_steps(train.model) == [1]
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 2)  # so that it prints step 3
    interrupted(train, signal.SIGHUP, 3, Happening(2, send(signal.SIGHUP)))


# Not finite
def not_finite(train, match, data=None):
    """Expects a run to be ended by what is not finite, without a new checkpoint."""
    before = saved_steps(train.model) if train.model.exists() else []
    with pytest.raises(training.TrainingError, match=match) as caught:
        train(20, data)
    assert '\n' not in str(caught.value) and caught.value.exit_status == 1
    assert saved_steps(train.model) == before


@pytest.mark.posix
def test_what_is_not_finite_is_not_saved(train, monkeypatch):
    train(1)
    data = Happening(5, send(signal.SIGTERM))
    data.random = SimpleNamespace(randint=data.random.randint, rand=lambda *n: np.full(n, 1e38))
    # no loss is known at a signal, but the variables are
    not_finite(train, r'step 6: Variable\S* is not finite, at learning rate ', data)
    assert train(20)[0][-1:] == [20]  # from the one before it
    shutil.rmtree(str(train.model))
    monkeypatch.setattr(mnist_lenet5_backward, 'REGULARIZER', 1e38)  # the gradient is small enough
    line = 'step 1: loss is not finite, at learning rate 0.005; it is not saved. Lower LEARNING_'
    not_finite(train, line)


def test_a_second_saver_in_the_folder(train, monkeypatch):
    """It replaces the list by its own. Both keep theirs; the next run goes on from ours."""
    save, savers = training.Run.save, {}

    def save_best_too(run, step, loss=None):
        save(run, step, loss)
        if step % 5 == 0 and loss is not None:
            best = savers.setdefault(run, tf.train.Saver(max_to_keep=1))
            best.save(run._sess, str(train.model / 'best_model'), step)

    monkeypatch.setattr(training.Run, 'save', save_best_too)
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    kept = set()
    for end, best in (8, 5), (15, 15):  # in the second run, theirs is the last
        train(end)
        ours = ['mnist_model-%d' % step for step in range(end - 4, end + 1)]
        kept = {name for name in kept if 'best' in name} | {'best_model-%d' % best, *ours}
        ckpt = checkpoints.get_checkpoint_state(str(train.model))
        assert ckpt.model_checkpoint_path == str(train.model / ours[-1])
        assert set(ckpt.all_model_checkpoint_paths) == {str(train.model / name) for name in kept}
        assert {path.stem for path in train.model.glob('*.index')} == kept


# The seed
def test_seed(tmp_path, capsys):
    """One given, the one kept beside the checkpoints, or the default, in this order."""
    kept = tmp_path / 'seed'

    def chosen(seed=None):
        """The chosen one, and the line about it if there is one."""
        number = checkpoints.choose_seed(str(tmp_path), 1, seed)
        said = capsys.readouterr().err
        line = re.fullmatch('(.*): contains (.*); continuing with seed (.*)\n', said)
        assert not said or (line.group(1), line.group(3)) == (str(kept), str(number))
        return number, line and line.group(2)

    kept.write_text('5\n', encoding='utf-8')  # and no checkpoint: a new training
    assert chosen() == (1, None)
    assert chosen(7) == (7, None)
    (tmp_path / 'mnist_model-1.index').write_bytes(b'')
    assert chosen() == (5, None)
    assert chosen(5) == (5, None)
    assert chosen(7) == (7, '5')
    for unreadable in b'seven', b'', b'-1', b'\xff', b'5 5', b'2147483648':
        kept.write_bytes(unreadable)
        with pytest.raises(checkpoints.CheckpointError, match='%s.*--seed' % re.escape(str(kept))):
            chosen()
        assert chosen(7) == (7, 'None')
        assert kept.read_bytes() == unreadable
    kept.unlink()  # as beside the checkpoints of the lecture
    assert chosen() == (1, 'None')


def test_the_seed_is_kept(train):
    for given in 7, None:
        train(1, seed=given)
        assert (train.model / 'seed').read_text(encoding='utf-8') == '7\n'


def digits():
    noise = np.random.RandomState(0)
    labels = np.eye(10)[noise.randint(0, 10, 7)]
    return input_data.DataSet(255 * noise.rand(7, 784).astype(np.float32), labels, seed=1)


@pytest.mark.parametrize('what', ['weights', 'order', 'dropout'])
def test_seed_reaches(train, monkeypatch, what):
    """Each alone makes the difference between two seeds, the other two being held."""
    if what != 'weights':
        monkeypatch.setattr(tf, 'set_random_seed', lambda seed, set=tf.set_random_seed: set(1))
    if what != 'dropout':
        monkeypatch.setattr('mnist_lenet5_forward.dropout', lambda x, rate, seed: tf.nn.relu(x))
    if what != 'order':
        monkeypatch.setattr(input_data.DataSet, 'seek', lambda self, position, seed: None)
    found = set()
    for seed in 1, 1, 2:
        train(1, digits(), seed=seed)
        found.add(checkpoint_bytes(train.model, 1)[1])
        shutil.rmtree(str(train.model))
    assert len(found) == 2


# Exact
GRADIENT_DESCENT = tf.train.GradientDescentOptimizer


@pytest.mark.parametrize(
    'optimizer',
    [
        GRADIENT_DESCENT,
        lambda rate: tf.train.MomentumOptimizer(rate, 0.9),
        tf.train.AdamOptimizer,
    ],
)
def test_resumed_run_is_the_straight_one(train, monkeypatch, optimizer):
    """Over the ends of epochs, with dropout, also where the optimizer has variables of its own.

    torture.py does it in bad times.
    """
    monkeypatch.setattr(mnist_lenet5_backward, 'BATCH_SIZE', 4)
    monkeypatch.setattr(tf.train, 'GradientDescentOptimizer', optimizer)
    train(9, digits())
    straight = checkpoint_bytes(train.model, 9)
    names = [name for name, _ in tf.train.list_variables(str(train.model / 'mnist_model-9'))]
    assert bool([n for n in names if 'Momentum' in n or 'Adam' in n]) == (
        optimizer is not GRADIENT_DESCENT
    )
    shutil.rmtree(str(train.model))
    for steps in 1, 3, 4, 9:  # from 0 to 1, on to 3, on to 4, on to 9
        train(steps, digits())
    assert checkpoint_bytes(train.model, 9) == straight


def test_a_folder_of_an_older_version_goes_on(train):
    """Its file `arithmetic` is nobody's any more."""
    train(2, digits())
    (train.model / 'arithmetic').write_bytes(b'float32\n')
    (train.model / 'seed').write_bytes(b'3\n')
    steps, err = train(4, digits())
    assert steps == [4] and 'seed' not in err and 'arithmetic' not in err
    assert (train.model / 'arithmetic').read_bytes() == b'float32\n'
    assert (train.model / 'seed').read_bytes() == b'3\n'


# bfloat16
@pytest.mark.parametrize('lacking', ['processor', 'TensorFlow'])
def test_bfloat16_where_there_is_none(train, monkeypatch, lacking):
    """Refused before anything is saved, whichever of the two lacks it."""
    flags = b'flags : avx2 avx512f' if lacking == 'processor' else b'flags : avx512_bf16'
    monkeypatch.setattr(files, 'read', {'/proc/cpuinfo': flags}.get)
    if lacking == 'TensorFlow':
        monkeypatch.setattr(training, 'BFLOAT16', 'an_option_that_is_not_there')
    line = r'^--bfloat16: TensorFlow \S+ or this processor .*; train without the flag$'
    with pytest.raises(training.TrainingError, match=line):
        train(1, bfloat16=True)
    assert not train.model.exists() or saved_steps(train.model) == []


@pytest.mark.parametrize('cpuinfo', [b'flags : avx512f avx512_bf16', b'flags : amx_bf16', None])
def test_bfloat16_is_asked_for(train, monkeypatch, cpuinfo):
    """Only Linux can say that a processor lacks it."""
    options = tf.ConfigProto().graph_options.rewrite_options
    if not hasattr(options, training.BFLOAT16):
        pytest.skip('TensorFlow %s has no such option' % tf.__version__)
    configs, session = [], tf.Session
    monkeypatch.setattr(tf, 'Session', lambda config=None: configs.append(config) or session())
    monkeypatch.setattr(files, 'read', {'/proc/cpuinfo': cpuinfo}.get)
    for bfloat16 in False, True:
        train(1, seed=1, bfloat16=bfloat16)
    without, asked = [config for config in configs if config]
    assert without == tf.ConfigProto()
    assert getattr(asked.graph_options.rewrite_options, training.BFLOAT16) == options.ON
