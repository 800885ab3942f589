"""watching: what is new, what is not whole yet, and what is said of it."""

import functools
import glob
import itertools
import os
import shutil
from types import SimpleNamespace
from unittest.mock import Mock

from support import checkpoints, watching

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import at_first_call, write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_test

FILES = ['checkpoint', 'mnist_model-901.index', 'mnist_model-901.data-00000-of-00001']


@pytest.fixture
def look(folder, monkeypatch, capsys):
    """look(watcher, n): n looks at the folder. Returns the steps restored, None for nothing.

    look.meanwhile(): what happens while the watcher sleeps; look.said(): new lines on stderr.
    """

    def sleep(seconds):
        look.clock += seconds
        look.meanwhile()

    def look(watcher, n=1):
        steps = []
        for _ in range(n):
            ckpt = watcher.get_checkpoint_state(str(folder.path))
            is_new = ckpt and watcher.restore_new(folder.saver, folder.sess, ckpt)
            steps.append(int(ckpt.model_checkpoint_path.split('-')[-1]) if is_new else None)
        return steps

    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=sleep))
    look.clock, look.meanwhile = 0, lambda: None  # the clock in seconds
    look.watcher = lambda wait=True: watching.Watcher(wait)
    look.said = lambda: capsys.readouterr().err.splitlines()
    return look


def test_each_checkpoint_is_restored_once(folder, look):
    """A checkpoint that replaces one of its name is new. One that is current again is not."""
    watcher = look.watcher()
    folder.save(1)
    assert look(watcher, 3) == [1, None, None]
    folder.save(101, 201)  # 101 is overtaken
    assert look(watcher, 2) == [201, None]
    folder.edit('"mnist_model-201"', '"mnist_model-1"')
    assert look(watcher) == [None]
    shutil.rmtree(str(folder.path))
    folder.save(1)
    assert look(watcher) == [1] and look.clock == 0
    folder['checkpoint'].write_bytes(b'garbage')
    assert look(watcher) == [None] and len(look.said()) == 1


def test_nothing_to_test(folder, look):
    """Without --wait a watcher waits for no first checkpoint, but for a second."""
    assert look(look.watcher(wait=False)) == [None]
    (line,) = look.said()
    assert line.startswith('looking') and line.endswith(str(folder.path))
    folder.save(1)
    watcher = look.watcher(wait=False)
    assert look(watcher) == [1]
    for step in 101, 201:
        shutil.rmtree(str(folder.path))
        look.meanwhile = lambda step=step: look.clock > 100 * step and folder.save(step)
        assert look(watcher) == [step]
    (line,) = look.said()
    assert line.startswith('looking') and line.endswith(str(folder.path))


@pytest.mark.parametrize('order', list(itertools.permutations(FILES)))
def test_a_model_is_copied_into_the_folder(folder, look, order):
    """Each file arrives in two halves. The watcher reports no damage and restores the whole one."""
    folder.save(801, 901)
    parts = []
    for name in order:
        content = folder[name].read_bytes()
        parts += [(folder[name], content[: len(content) // 2]), (folder[name], content)]
    shutil.rmtree(str(folder.path))
    folder.path.mkdir()

    def copy():
        if parts and look.clock > 4 * (7 - len(parts)):
            path, content = parts.pop(0)
            path.write_bytes(content)

    look.meanwhile = copy
    assert set(look(look.watcher(), 8)) == {None, 901} and len(look.said()) == 1


@pytest.mark.parametrize('damaged, whole', [('mnist_model-901', 801), ('mnist_model-Z', 901)])
def test_damage_that_stays(folder, look, damaged, whole):
    """A copy stops, or a name is wrong. After five seconds the newest whole one is restored."""
    folder.save(801, 901)
    repair = functools.partial(folder.edit, damaged, 'mnist_model-801')
    if whole == 801:
        repair = folder.damage(901, content=b'1000')
    else:
        folder.edit('"mnist_model-901"', '"%s"' % damaged)
    watcher = look.watcher(wait=False)
    assert look(watcher, 4) == [whole, None, None, None] and 5 <= look.clock <= 5.5
    folder['notes'].write_bytes(b'')  # is no news
    assert look(watcher) == [None]
    (line,) = look.said()
    assert damaged in line and 'mnist_model-%d instead' % whole in line
    repair()
    assert look(watcher) == [1702 - whole] and look.said() == []


def test_the_file_checkpoint_cannot_be_read(folder, look):
    """The watcher takes no other checkpoint, and looks again. Without --wait that is an error."""
    folder.save(1)
    folder['checkpoint'].rename(folder['saved'])
    folder['checkpoint'].mkdir()
    with pytest.raises(checkpoints.DamagedError, match='checkpoint: '):
        look(look.watcher(wait=False))

    def repair():
        if look.clock > 20:
            folder['checkpoint'].rmdir()
            folder['saved'].rename(folder['checkpoint'])

    look.meanwhile = repair
    assert look(look.watcher()) == [1] and look.clock > 20
    (line,) = look.said()
    assert str(folder['checkpoint']) in line and 'waiting' in line


@pytest.mark.posix
def test_a_dangling_link(folder, look):
    """An editor's link leads nowhere. The watcher sees every other change in the folder."""
    folder.save(1)
    folder['.#checkpoint'].symlink_to('me@here.1234:5678')
    folder.damage(1)
    watcher = look.watcher()
    assert look(watcher, 2) == [None, None] and len(look.said()) == 1
    folder.save(2)
    assert look(watcher, 2) == [2, None]


def test_nothing_is_whole(folder, look):
    """Without --wait that is an error. With --wait it is said once. Another network is an error."""
    folder.save(1)
    saver, folder.saver = folder.saver, tf.train.Saver({'Variable_1': folder.weight})
    with pytest.raises(checkpoints.CheckpointError, match='network'):
        look(look.watcher())
    assert look.clock == 0
    folder.saver = saver
    repair = folder.damage(1)
    with pytest.raises(checkpoints.DamagedError):
        look(look.watcher(wait=False))
    watcher = look.watcher()
    assert look(watcher, 3) == [None] * 3
    folder['notes'].write_bytes(b'')
    assert look(watcher) == [None]
    (line,) = look.said()
    assert str(folder['mnist_model-1']) in line and 'waiting' in line
    repair()
    assert look(watcher) == [1]


def test_what_happens_in_the_middle_of_a_restore(folder, look, monkeypatch):
    """A virus scanner holds the file, or the trainer deletes or replaces it. Nothing is said."""

    def delete():
        shutil.rmtree(str(folder.path))
        look.meanwhile = lambda: folder.path.exists() or folder.save(101)

    folder.save(1, 2)
    watcher = look.watcher(wait=False)
    refuse = Mock(side_effect=checkpoints.DamagedError('in use'))
    at_first_call(monkeypatch, 'restore_path', refuse, checkpoints)
    assert look(watcher, 2) == [2, None] and look.clock == watching.GRACE_SECS
    folder.save(3)
    at_first_call(monkeypatch, 'restore', delete, tf.train.Saver)
    assert look(watcher, 2) == [None, 101]
    folder.save(102)
    restore = folder.saver.restore
    folder.saver.restore = lambda *args: restore(*args) or folder.save(102)
    assert look(watcher) == [102]
    folder.saver.restore = restore
    assert look(watcher, 2) == [102, None] and look.said() == []


@pytest.mark.posix
def test_between_two_looks(folder, look, monkeypatch):
    """A watcher reads nothing and holds no file open, which Windows could not replace."""
    folder.save(1, 2)
    for step in 2, 1:
        watcher = look.watcher()
        assert look(watcher) == [step]
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints, 'restore_path', None)
            patch.setattr(watching.time, 'sleep', None)
            assert look(watcher, 3) == [None] * 3
        folder.damage(2)
    held = glob.glob('/proc/self/fd/*')
    assert not [fd for fd in held if os.path.realpath(fd).startswith(str(folder.path))]


def test_the_test_set_in_chunks(folder, monkeypatch, capsys):
    """The averages are tested, not the weights, every five seconds. --once ends with the first."""
    images = np.random.RandomState(3).rand(7, 784).astype(np.float32)
    weights, parameters = reference.initial_parameters(seed=9), reference.initial_parameters()
    read = reference.logits(images.reshape(-1, 28, 28, 1), parameters).argmax(axis=1)
    labels = np.eye(10)[np.where(np.arange(7) % 2, read, (read + 2) % 10)]
    mnist = SimpleNamespace(test=SimpleNamespace(images=images, labels=labels, num_examples=7))
    write_checkpoint(folder.path, 301, weights, parameters)
    looked = []

    def sleep(seconds):
        looked.append(seconds)
        if len(looked) == 2:
            write_checkpoint(folder.path, 401, weights, parameters)
        if len(looked) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(mnist_lenet5_test, 'time', SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(mnist_lenet5_test, 'TEST_BATCH_SIZE', 3)  # 7 digits: 3 + 3 + 1
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(folder.path))
    assert mnist_lenet5_test.test(mnist, once=True) == pytest.approx(3 / 7)
    with pytest.raises(KeyboardInterrupt):
        mnist_lenet5_test.test(mnist)
    line = 'After %d training step(s), test accuracy = 0.428571\n'
    assert capsys.readouterr().out == line % 301 * 2 + line % 401
    assert looked == [5, 5, 5]
