"""files: what is written is whole, and the lock is held by one. Runs without TensorFlow."""

import errno
import os
import subprocess
import sys
import time

from support import files

import pytest
from conftest import ROOT, at_first_call

HOLD = """
import sys
sys.path[:0] = [%r]
from support import files
lock = files.Lock(sys.argv[1])
lock.take()
print('taken', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """The path of a lock that another process holds, and the process."""
    path = str(tmp_path / 'folder' / 'lock')
    other = subprocess.Popen(
        [sys.executable, '-c', HOLD % ROOT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline().startswith(b'taken')
    yield path, other
    other.kill()
    other.wait()


def test_a_lock_is_held_by_one_process(held):
    path, other = held
    lock = files.Lock(path)
    with pytest.raises(BlockingIOError) as caught:
        lock.take()
    assert str(caught.value) == str(other.pid)
    other.stdin.close()  # it ends
    other.wait()
    lock.take()
    assert files.read(path) == b'%d\n' % os.getpid()
    lock.take()  # again: it has it already
    lock.release()
    files.Lock(path).take()


@pytest.mark.posix
def test_a_lock_that_was_deleted_is_taken_anew(tmp_path, held):
    lock = files.Lock(str(tmp_path / 'mine'))
    lock.take()
    os.remove(str(tmp_path / 'mine'))
    lock.take()
    assert (tmp_path / 'mine').exists()
    with pytest.raises(BlockingIOError):  # by another than the one that is on the disk now
        files.Lock(str(tmp_path / 'mine')).take()
    os.replace(held[0], str(tmp_path / 'mine'))
    with pytest.raises(BlockingIOError, match=str(held[1].pid)):
        lock.take()


def test_write(tmp_path):
    path = str(tmp_path / 'seed')
    files.write(path, b'one\n')
    files.write(path, b'two\n')
    with open(path, 'rb') as file:
        assert file.read() == b'two\n'
    assert os.listdir(str(tmp_path)) == ['seed']


def test_write_leaves_what_is_the_same(tmp_path, monkeypatch):
    path = str(tmp_path / 'seed')
    files.write(path, b'one\n')
    monkeypatch.setattr(os, 'fsync', None)
    files.write(path, b'one\n')
    with pytest.raises(TypeError):
        files.write(path, b'two\n')


def test_write_is_one_step(tmp_path, monkeypatch):
    """The old text until the new one is down on the disk."""
    path = str(tmp_path / 'seed')
    files.write(path, b'one\n')

    class Power(Exception):
        pass

    def fail():
        raise Power

    for call in 'fsync', 'replace':
        with monkeypatch.context() as patch:
            at_first_call(patch, call, fail)
            with pytest.raises(Power):
                files.write(path, b'two\n')
        assert files.read(path) == b'one\n'


def test_matching(tmp_path):
    for name in 'b-1', 'a-1', 'a-1x', 'xa-1':
        (tmp_path / name).write_bytes(b'')
    found = files.matching(str(tmp_path), r'[ab]-\d')
    assert found == [str(tmp_path / 'a-1'), str(tmp_path / 'b-1')]


@pytest.mark.parametrize('content', ['notes of mine', '12 apples', '-1'])
def test_a_file_that_is_no_lock_is_left_alone(tmp_path, content):
    path = tmp_path / 'lock'
    path.write_text(content, encoding='utf-8')
    with pytest.raises(FileExistsError) as caught:
        files.Lock(str(path)).take()
    assert caught.value.filename == str(path)
    assert path.read_text(encoding='utf-8') == content


@pytest.mark.posix
@pytest.mark.parametrize('target', ['mine', 'nothing'])
def test_a_link_is_no_lock(tmp_path, target):
    (tmp_path / 'mine').write_bytes(b'1')
    (tmp_path / 'lock').symlink_to(tmp_path / target)
    with pytest.raises(FileExistsError, match='a link'):
        files.Lock(str(tmp_path / 'lock')).take()
    assert sorted(os.listdir(str(tmp_path))) == ['lock', 'mine']
    assert (tmp_path / 'mine').read_bytes() == b'1'


@pytest.mark.posix
@pytest.mark.parametrize('number', [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    import fcntl

    def flock(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, 'flock', flock)
    lock = files.Lock(str(tmp_path / 'lock'))
    assert lock.take() is False
    lock.release()


@pytest.mark.posix
def test_release_unlocks(tmp_path):
    """Also where a child process has the file, too, and does not close it."""
    lock = files.Lock(str(tmp_path / 'lock'))
    assert lock.take() is True
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    try:
        lock.release()
        assert files.Lock(str(tmp_path / 'lock')).take() is True
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


class Msvcrt:
    """Windows' locks: of a byte, which nobody may lock again."""

    LK_NBLCK, LK_UNLCK = 2, 0
    held = set()

    def locking(self, descriptor, mode, size):
        at = os.lseek(descriptor, 0, os.SEEK_CUR), os.fstat(descriptor).st_ino
        if mode == self.LK_NBLCK and at in self.held:
            raise PermissionError(errno.EACCES, 'Permission denied')
        self.held.add(at) if mode == self.LK_NBLCK else self.held.remove(at)


def test_lock_on_windows(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'fcntl', None)
    monkeypatch.setitem(sys.modules, 'msvcrt', Msvcrt())
    lock, other = (files.Lock(str(tmp_path / 'lock')) for _ in range(2))
    assert lock.take() is True
    with pytest.raises(BlockingIOError) as caught:
        other.take()
    assert str(caught.value) == str(os.getpid())
    lock.release()
    assert other.take() is True
    assert files.read(str(tmp_path / 'lock')) == b'%d\n' % os.getpid()
    other.release()


def test_write_fails(tmp_path, monkeypatch):
    """The file is named, is as it was, and nothing lies beside it."""
    path = str(tmp_path / 'sheet.png')
    files.write(path, b'one')

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    for call in 'fsync', 'replace':
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(OSError) as caught:
                files.write(path, b'two')
        assert (caught.value.filename, caught.value.errno) == (path, errno.ENOSPC)
        assert files.read(path) == b'one'
        assert os.listdir(str(tmp_path)) == ['sheet.png']


@pytest.mark.posix
def test_flush_of_a_folder(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EINVAL, 'Invalid argument')

    assert files.flush(str(tmp_path)) is True
    monkeypatch.setattr(os, 'fsync', refuse)
    assert files.flush(str(tmp_path)) is False
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(OSError):
        files.flush(str(tmp_path / 'file'))


def test_remove(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in 'abc']
    for path in paths[:2]:
        files.write(path, b'1')
    remove = os.remove

    def refuse_one(path):
        if path == paths[0]:
            raise PermissionError(errno.EACCES, 'in use', path)
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'remove', refuse_one)
        assert files.remove(paths) is False
    assert os.listdir(str(tmp_path)) == ['a']
    assert files.remove(paths) is True
    assert os.listdir(str(tmp_path)) == []
