"""watching: what is new, what is not whole yet, and what is said of it."""

import itertools
import os
import shutil
from types import SimpleNamespace

from support import checkpoints, watching

import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import write_checkpoint

import mnist_lenet5_forward

PARAMETERS = reference.initial_parameters()


@pytest.fixture
def model(tmp_path):
    """A folder of two checkpoints, 801 and 901."""
    for step in 801, 901:
        write_checkpoint(tmp_path / 'original', step, PARAMETERS, PARAMETERS)
    state = tmp_path / 'original' / 'checkpoint'
    names = ['model_checkpoint_path: "mnist_model-901"']
    names += ['all_model_checkpoint_paths: "mnist_model-%d"' % step for step in (801, 901)]
    state.write_text('\n'.join(names), encoding='utf-8')
    (tmp_path / 'model').mkdir()
    return tmp_path / 'model'


@pytest.fixture
def look(model, monkeypatch):
    """look(watcher): one look at the folder; returns the name of what is restored, None if nothing.

    look.meanwhile: what happens in the second that a damaged checkpoint is given.
    """
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=lambda s: look.meanwhile()))
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        mnist_lenet5_forward.forward(x, False, None)
        variables = {v.op.name: v for v in tf.global_variables()}
        saver = tf.train.Saver()

        def look(watcher):
            ckpt = watcher.get_checkpoint_state(str(model))
            if ckpt and ckpt.model_checkpoint_path and watcher.restore_new(saver, sess, ckpt):
                return os.path.basename(ckpt.model_checkpoint_path)
            return None

        look.meanwhile = lambda: None
        look.watcher = lambda wait=True, once=False: watching.Watcher(variables, wait, once)
        yield look


def copied(model):
    shutil.rmtree(str(model))
    shutil.copytree(str(model.parent / 'original'), str(model))


FILES = ['checkpoint', 'mnist_model-901.index', 'mnist_model-901.data-00000-of-00001']


@pytest.mark.parametrize('order', list(itertools.permutations(FILES)))
def test_a_model_is_copied_into_the_folder(model, look, order, capsys):
    """File by file, each in two halves: one line, once, and the checkpoint when it is whole."""
    watcher = look.watcher()
    tested = []
    for name in order:
        content = (model.parent / 'original' / name).read_bytes()
        for part in content[: len(content) // 2], content:
            (model / name).write_bytes(part)
            tested += [look(watcher), look(watcher)]
    assert [name for name in tested if name] == ['mnist_model-901']
    err = capsys.readouterr().err.splitlines()
    assert all(line.endswith('; waiting for it') for line in err)
    assert len(err) == len(set(line.split(': ')[0] for line in err))
    assert 'empty the folder' not in ''.join(err)


def test_each_look_tests_what_has_changed(model, look, capsys):
    """The list comes first; what is whole is tested though the current one is not there yet."""
    watcher = look.watcher()
    names = sorted(os.listdir(str(model.parent / 'original')))
    tested = []
    for name in names:
        shutil.copy(str(model.parent / 'original' / name), str(model))
        tested.append(look(watcher))
    assert [name for name in tested if name] == ['mnist_model-801', 'mnist_model-901']
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('; waiting for it') and 'mnist_model-901.index is missing' in line


def test_it_does_not_wait_unasked(model, look):
    (model / FILES[0]).write_bytes((model.parent / 'original' / FILES[0]).read_bytes())
    with pytest.raises(checkpoints.DamagedError, match='to train anew'):
        look(look.watcher(wait=False))
    (model / FILES[0]).write_bytes(b'garbage')
    with pytest.raises(checkpoints.DamagedError, match='to train anew'):
        look(look.watcher(wait=False))


def test_a_file_that_grows_is_not_worth_a_word(model, look, capsys):
    copied(model)
    data = model / FILES[2]
    content = data.read_bytes()
    data.write_bytes(content[:1000])
    watcher = look.watcher(wait=False)
    look.meanwhile = lambda: data.write_bytes(content)
    assert look(watcher) is None
    assert look(watcher) == 'mnist_model-901'
    assert capsys.readouterr().err == ''


def test_a_slip_of_the_pen_is_said_once(model, look, capsys):
    """A name that is no file, and that the list does not have, was typed."""
    copied(model)
    state = model / 'checkpoint'
    right = state.read_text(encoding='utf-8')
    state.write_text(right.replace('901', '9O1', 1), encoding='utf-8')
    watcher = look.watcher(wait=False)
    assert [look(watcher) for _ in range(3)] == [None] * 3
    out, err = capsys.readouterr()
    path = str(model / 'checkpoint')
    assert out == '' and err == (
        path + ': there is no mnist_model-9O1; name one of mnist_model-901, mnist_model-801; '
        'waiting for it\n'
    )
    with pytest.raises(checkpoints.UnknownNameError):
        look(look.watcher(wait=False, once=True))
    state.write_text(right, encoding='utf-8')
    assert look(watcher) == 'mnist_model-901'


@pytest.mark.posix
@pytest.mark.skipif(not os.path.exists('/proc/self/fd'), reason='needs /proc')
def test_no_file_is_held_open_between_looks(model, look):
    """On Windows it could not be replaced or deleted; here also after a damaged one."""
    copied(model)
    (model / FILES[2]).write_bytes(b'')
    assert look(look.watcher()) == 'mnist_model-801'
    held = [os.path.realpath('/proc/self/fd/' + fd) for fd in os.listdir('/proc/self/fd')]
    assert not [path for path in held if path.startswith(str(model))]


def test_nothing_is_read_while_nothing_changes(model, look, monkeypatch):
    """Also of one that is not whole."""
    copied(model)
    (model / FILES[2]).write_bytes(b'')
    read, restore_path = [], checkpoints.restore_path
    monkeypatch.setattr(
        checkpoints, 'restore_path', lambda *args: read.append(args[2]) or restore_path(*args)
    )
    watcher = look.watcher()
    assert look(watcher) == 'mnist_model-801'
    looked = len(read)
    assert [look(watcher) for _ in range(3)] == [None] * 3
    assert len(read) == looked


def test_replaced_after_it_was_read(model, look, monkeypatch):
    """What was read is of the old one; the new one is taken at the next look."""
    copied(model)
    restore_path = checkpoints.restore_path

    def meddled(*args):
        monkeypatch.setattr(checkpoints, 'restore_path', restore_path)
        restore_path(*args)
        write_checkpoint(model, 901, [2 * array for array in PARAMETERS], PARAMETERS)

    monkeypatch.setattr(checkpoints, 'restore_path', meddled)
    watcher = look.watcher()
    assert look(watcher) is None
    assert look(watcher) == 'mnist_model-901'
