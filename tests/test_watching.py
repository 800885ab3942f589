"""watching: what is new, what is not whole yet, and what is said of it."""

import itertools
import os
import shutil
from types import SimpleNamespace

from support import checkpoints, watching

import numpy as np
import pytest
import reference
from helpers import write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_test

FILES = ['checkpoint', 'mnist_model-901.index', 'mnist_model-901.data-00000-of-00001']


@pytest.fixture
def look(folder, monkeypatch):
    """look(watcher): one look at the folder; returns the name of what is restored, None if nothing.

    look.clock: the seconds that have gone by; look.meanwhile(): what happens while it sleeps.
    """

    def sleep(seconds):
        look.clock += seconds
        look.meanwhile()

    def look(watcher):
        ckpt = watcher.get_checkpoint_state(str(folder.path))
        if ckpt and watcher.restore_new(folder.saver, folder.sess, ckpt):
            return os.path.basename(ckpt.model_checkpoint_path)
        return None

    fake = SimpleNamespace(sleep=sleep, monotonic=lambda: look.clock)
    monkeypatch.setattr(watching, 'time', fake)
    look.clock, look.meanwhile = 0, lambda: None
    look.watcher = lambda wait=True: watching.Watcher(folder.variables, wait)
    return look


def test_each_checkpoint_is_restored_once(folder, look):
    """One that is rewritten under an old name is new; going back to one that was tested is not."""
    watcher = look.watcher()
    folder.save(1)
    assert [look(watcher) for _ in range(3)] == ['mnist_model-1', None, None]
    folder.save(101, 201)  # 101 is overtaken
    assert [look(watcher) for _ in range(2)] == ['mnist_model-201', None]
    folder.edit('"mnist_model-201"', '"mnist_model-1"')
    assert look(watcher) is None
    shutil.rmtree(str(folder.path))
    folder.save(1)
    assert look(watcher) == 'mnist_model-1'
    assert look.clock == 0


def test_nothing_to_test(folder, look, capsys):
    """Unasked it does not wait, but for what comes after a first test."""
    assert look(look.watcher(wait=False)) is None
    assert capsys.readouterr().err == 'looked for checkpoints in %s\n' % folder.path
    folder.save(1)
    watcher = look.watcher(wait=False)
    assert look(watcher) == 'mnist_model-1'
    for step in 101, 201:
        shutil.rmtree(str(folder.path))
        look.meanwhile = lambda step=step: look.clock > 100 * step and folder.save(step)
        assert look(watcher) == 'mnist_model-%d' % step
        look.meanwhile = lambda: None
    assert capsys.readouterr().err == 'waiting for checkpoints in %s\n' % folder.path


@pytest.mark.parametrize('order', list(itertools.permutations(FILES)))
def test_a_model_is_copied_into_the_folder(folder, look, order, capsys):
    """File by file, each in two halves and slowly: nothing is said, and it is tested when whole."""
    folder.save(801, 901)
    folder.path.rename(folder.path.parent / 'original')
    folder.path.mkdir()
    parts = []
    for name in order:
        content = (folder.path.parent / 'original' / name).read_bytes()
        parts += [(name, content[: len(content) // 2]), (name, content)]

    def copy():
        if parts and look.clock > 4 * (7 - len(parts)):
            name, content = parts.pop(0)
            folder[name].write_bytes(content)

    watcher, look.meanwhile = look.watcher(), copy
    tested = [look(watcher) for _ in range(8)]
    assert [name for name in tested if name] == ['mnist_model-901']
    assert capsys.readouterr().err == 'waiting for checkpoints in %s\n' % folder.path


def test_a_copy_that_stops(folder, look, capsys):
    """After five seconds the newest that is whole is taken, and it is said, once."""
    folder.save(801, 901)
    data = folder[FILES[2]]
    whole = data.read_bytes()
    data.write_bytes(whole[:1000])
    watcher = look.watcher(wait=False)
    assert [look(watcher) for _ in range(4)] == ['mnist_model-801', None, None, None]
    assert watching.GRACE_SECS == 5 and 5 <= look.clock <= 5.5
    folder['notes'].write_bytes(b'')
    assert look(watcher) is None  # nor is it news
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('%s: cannot be restored (' % folder['mnist_model-901'])
    assert line.endswith('; taking mnist_model-801 instead')
    data.write_bytes(whole)
    assert look(watcher) == 'mnist_model-901'
    assert capsys.readouterr().err == ''


def test_what_could_not_be_read_for_a_moment(folder, look, monkeypatch, capsys):
    """As while a virus scanner holds it; the folder stays as it is."""
    folder.save(1, 2)
    restore_path = checkpoints.restore_path

    def refuse(*args):
        monkeypatch.setattr(checkpoints, 'restore_path', restore_path)
        raise checkpoints.DamagedError('in use')

    monkeypatch.setattr(checkpoints, 'restore_path', refuse)
    watcher = look.watcher(wait=False)
    assert [look(watcher), look(watcher)] == ['mnist_model-2', None]
    assert look.clock == watching.GRACE_SECS and capsys.readouterr().err == ''


def test_nothing_is_whole(folder, look, capsys):
    """Unasked it ends with a line; asked to wait it says so once, and waits."""
    folder.save(1)
    data = folder['mnist_model-1.data-00000-of-00001']
    whole = data.read_bytes()
    data.write_bytes(b'')
    with pytest.raises(checkpoints.DamagedError, match='to train anew'):
        look(look.watcher(wait=False))
    watcher = look.watcher()
    assert [look(watcher) for _ in range(3)] == [None] * 3
    folder['notes'].write_bytes(b'')
    assert look(watcher) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert 'cannot be restored' in line and line.endswith('; waiting for it')
    data.write_bytes(whole)
    assert look(watcher) == 'mnist_model-1'


def test_a_typing_error_is_damage_like_another(folder, look, capsys):
    folder.save(1, 2)
    folder.edit('"mnist_model-2"', '"mnist_model-Z"')
    watcher = look.watcher(wait=False)
    assert [look(watcher) for _ in range(3)] == ['mnist_model-2', None, None]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('(mnist_model-Z.index is missing); taking mnist_model-2 instead')
    folder.edit('"mnist_model-Z"', '"mnist_model-1"')
    assert look(watcher) == 'mnist_model-1'


@pytest.mark.parametrize('content', [b'', b'garbage', b'\xff', None])
def test_garbled_checkpoint_file(folder, look, content, capsys):
    """There is a checkpoint before the file names it, and the file may be written in two steps."""
    folder.save(9, 10)
    right = folder['checkpoint'].read_bytes()
    folder['checkpoint'].unlink()
    if content is not None:
        folder['checkpoint'].write_bytes(content)
    watcher = look.watcher()
    look.meanwhile = lambda: folder['checkpoint'].write_bytes(right)
    assert [look(watcher), look(watcher)] == [None, 'mnist_model-10']
    assert capsys.readouterr().err == ''
    folder['checkpoint'].write_bytes(b'garbage')
    look.meanwhile = lambda: None
    assert look(watcher) is None  # 10 has been tested
    assert capsys.readouterr().err.count('\n') == 1


def test_deleted_in_the_middle_of_a_restore(folder, look, monkeypatch, capsys):
    """The trainer deletes what is being read: the newer one is taken, and nothing is said."""
    folder.save(1)
    restore_path = checkpoints.restore_path

    def meddled(*args):
        monkeypatch.setattr(checkpoints, 'restore_path', restore_path)
        shutil.rmtree(str(folder.path))
        look.meanwhile = lambda: folder.path.exists() or folder.save(101)
        restore_path(*args)

    monkeypatch.setattr(checkpoints, 'restore_path', meddled)
    watcher = look.watcher(wait=False)
    assert [look(watcher), look(watcher)] == [None, 'mnist_model-101']
    assert capsys.readouterr().err == ''


def test_replaced_after_it_was_read(folder, look, monkeypatch):
    """The new one is taken at the next look."""
    folder.save(1)
    watcher, restore_path = look.watcher(), checkpoints.restore_path
    with monkeypatch.context() as patch:
        replaced = [restore_path, lambda *args: folder.save(1)]
        patch.setattr(checkpoints, 'restore_path', lambda *args: [f(*args) for f in replaced])
        assert look(watcher) == 'mnist_model-1'
    assert [look(watcher), look(watcher)] == ['mnist_model-1', None]


@pytest.mark.posix
def test_deleted_between_two_calls(folder, look):
    """As this link, which is listed and is not there."""
    folder.save(1)
    folder['mnist_model-1.link'].symlink_to('nowhere')
    assert look(look.watcher()) == 'mnist_model-1'


def test_another_network_ends_it(folder, look):
    folder.save(1)
    watcher = watching.Watcher({'Variable_1': folder.weight}, wait=True)
    with pytest.raises(checkpoints.CheckpointError, match='is of another network'):
        look(watcher)
    assert look.clock == 0


def test_nothing_is_read_while_nothing_changes(folder, look, monkeypatch):
    """Whether it is whole or not."""
    folder.save(1, 2)
    for name in 'mnist_model-2', 'mnist_model-1':
        watcher = look.watcher()
        assert look(watcher) == name
        clock = look.clock
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints, 'restore_path', None)
            assert [look(watcher) for _ in range(3)] == [None] * 3
        assert look.clock == clock
        folder['mnist_model-2.data-00000-of-00001'].write_bytes(b'')


@pytest.mark.posix
@pytest.mark.skipif(not os.path.exists('/proc/self/fd'), reason='needs /proc')
def test_no_file_is_held_open_between_looks(folder, look):
    """On Windows it could not be replaced or deleted; here also after a damaged one."""
    folder.save(1, 2)
    folder['mnist_model-2.data-00000-of-00001'].write_bytes(b'')
    assert look(look.watcher()) == 'mnist_model-1'
    held = [os.path.realpath('/proc/self/fd/' + fd) for fd in os.listdir('/proc/self/fd')]
    assert not [path for path in held if path.startswith(str(folder.path))]


def test_the_test_set_in_chunks(folder, monkeypatch, capsys):
    """By the shadows, not the weights; a look every five seconds; --once ends with the first."""
    images = np.random.RandomState(3).rand(7, 784).astype(np.float32)
    weights, parameters = reference.initial_parameters(seed=9), reference.initial_parameters()
    read = reference.logits(images.reshape(-1, 28, 28, 1), parameters).argmax(axis=1)
    labels = np.eye(10)[np.where(np.arange(7) % 2, read, (read + 2) % 10)]
    mnist = SimpleNamespace(test=SimpleNamespace(images=images, labels=labels, num_examples=7))
    write_checkpoint(folder.path, 301, weights, parameters)
    looked = []

    def sleep(seconds):
        looked.append(seconds)
        if len(looked) == 3:
            raise KeyboardInterrupt
        if len(looked) == 2:
            write_checkpoint(folder.path, 401, weights, parameters)

    monkeypatch.setattr(mnist_lenet5_test, 'time', SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(mnist_lenet5_test, 'TEST_BATCH_SIZE', 3)  # 7 digits: 3 + 3 + 1
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(folder.path))
    assert mnist_lenet5_test.test(mnist, once=True) == pytest.approx(3 / 7)
    with pytest.raises(KeyboardInterrupt):
        mnist_lenet5_test.test(mnist)
    line = 'After %d training step(s), test accuracy = 0.428571\n'
    assert capsys.readouterr().out == line % 301 * 2 + line % 401
    assert looked == [5, 5, 5]
