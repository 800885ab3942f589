"""checkpoints: whoever saves, damages or deletes files in the folder, a whole one is left."""

import gc
import os
import re
import shutil

from support import checkpoints

import pytest
from conftest import Happening, at_first_call, ended, saved_steps

import mnist_lenet5_backward

DATA_SUFFIX = '.data-00000-of-00001'


def manager(model):
    return checkpoints.Manager(str(model / 'mnist_model'), {})


# Saved
@pytest.mark.posix
def test_order_of_a_save(train, monkeypatch):
    """Down to the disk in this order: seed, checkpoint, its name in `checkpoint`; then deletes."""
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
    first = [
        'flush seed.tmp',
        'replace seed',
        'flush .',
        'flush mnist_model-1' + DATA_SUFFIX,
        'flush mnist_model-1.index',
        'flush .',
        'flush checkpoint.tmp',
        'replace checkpoint',
        'flush .',
    ]
    train(1)
    assert calls == first
    train.model.rename(train.model.parent / 'first')  # as good as deleted
    train(5, Happening(3, lambda: [train.model.rename(train.model.parent / '2nd'), calls.clear()]))
    assert calls == [call.replace('-1', '-5') for call in first]
    for _ in range(4):
        train(1)
    train(1, Happening(1, calls.clear))
    assert calls == [
        'flush mnist_model-10' + DATA_SUFFIX,
        'flush mnist_model-10.index',
        'flush .',
        'flush checkpoint.tmp',
        'replace checkpoint',
        'flush .',
        'remove mnist_model-5' + DATA_SUFFIX,
        'remove mnist_model-5.index',
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
        others.append(manager(train.model).__enter__())

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


# A folder and a file system that resist
def test_second_trainer(train):
    train.model.mkdir()
    (train.model / 'lock').write_text('123456\n')  # of a process that has died
    with manager(train.model):
        before = sorted(os.listdir(str(train.model)))
        with pytest.raises(checkpoints.CheckpointError) as caught:
            train(1)
        assert 'lock: process %d trains in this folder;' % os.getpid() in str(caught.value)
        assert sorted(os.listdir(str(train.model))) == before
    assert train(1)[0] == [1]


@pytest.mark.posix
@pytest.mark.parametrize('size', ['50m', None])
def test_full_disk(train, size):
    """A real one where a small file system may be mounted, and a limit to the size of files."""
    train.model.mkdir()
    mount = 'mount -t tmpfs -o size=%s tmpfs %s 2>/dev/null' % (size, train.model)
    mounted = size and not os.system(mount)
    try:
        if mounted:
            status, error = ended(train.model, '')
            reason, steps = 'No space left', [1, 2, 3]
        else:
            train(1)
            status, error = ended(
                train.model, 'resource.setrlimit(resource.RLIMIT_FSIZE, (5000000, 5000000))'
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
