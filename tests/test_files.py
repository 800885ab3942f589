"""files: what is written is whole, and the lock is held by one. Runs without TensorFlow."""

import errno
import os
import subprocess
import sys
from unittest.mock import Mock

from support import files

import pytest
from helpers import ROOT

HOLD = """
import sys
sys.path[:0] = [%r]
from support import files
lock = files.Lock(sys.argv[1])
lock.take()
print('taken', flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_by_one_process(tmp_path):
    path = str(tmp_path / 'folder' / 'lock')
    lock = files.Lock(path)
    command, pipe = [sys.executable, '-c', HOLD % ROOT, path], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout.readline().startswith(b'taken')
        with pytest.raises(files.LockError) as caught:
            lock.take()
        assert str(caught.value).startswith('%s: process %d trains' % (path, other.pid))
        assert caught.value.exit_status == 1
    lock.take()  # the other has ended, without a release
    assert files.read(path) == b'%d\n' % os.getpid()
    lock.release()
    files.Lock(path).take()


@pytest.mark.posix
def test_a_lock_whose_file_was_deleted(tmp_path, monkeypatch):
    """It is taken anew, unless another has it by then; also before it was locked."""
    path = str(tmp_path / 'lock')
    lock, other = files.Lock(path), files.Lock(path)
    at_lock = files._lock
    with monkeypatch.context() as patch:
        patch.setattr(
            files, '_lock', lambda *args: at_lock(*args) or patch.undo() or os.remove(path)
        )
        lock.take()
    with pytest.raises(files.LockError):
        other.take()
    os.remove(path)
    lock.take()
    with pytest.raises(files.LockError):
        other.take()
    os.remove(path)
    other.take()
    for _ in range(2):
        with pytest.raises(files.LockError, match='process %d trains' % os.getpid()):
            lock.take()
    lock.release()
    with pytest.raises(files.LockError):
        lock.take()


def test_write(tmp_path, monkeypatch):
    """What is the same is left as it is."""
    path = str(tmp_path / 'seed')
    files.write(path, b'one\n')
    files.write(path, b'two\n')
    assert os.listdir(str(tmp_path)) == ['seed']
    monkeypatch.setattr(os, 'fsync', None)
    files.write(path, b'two\n')
    with pytest.raises(TypeError):
        files.write(path, b'one\n')
    assert files.read(path) == b'two\n'


@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_write_fails(tmp_path, monkeypatch, call):
    """The file is as it was, after a kill too; of an error it is named, and nothing is left."""
    path = str(tmp_path / 'seed')
    files.write(path, b'one')

    class Killed(BaseException):
        pass

    full = OSError(errno.ENOSPC, 'No space left on device')
    for error in Killed(), full:
        monkeypatch.setattr(os, call, Mock(side_effect=error))
        with pytest.raises(type(error)) as caught:
            files.write(path, b'two')
        assert files.read(path) == b'one'
    assert (caught.value.filename, caught.value.errno) == (path, errno.ENOSPC)
    assert os.listdir(str(tmp_path)) == ['seed']


def test_matching(tmp_path):
    for name in 'b-1', 'a-1', 'a-1x', 'xa-1':
        (tmp_path / name).write_bytes(b'')
    found = files.matching(str(tmp_path), r'[ab]-\d')
    assert found == [str(tmp_path / 'a-1'), str(tmp_path / 'b-1')]
    assert files.matching(str(tmp_path / 'none'), '.*') == []


@pytest.mark.parametrize('content', ['notes of mine', '12 apples', '-1'])
def test_a_file_that_is_no_lock_is_left_alone(tmp_path, content):
    path = tmp_path / 'lock'
    path.write_text(content, encoding='utf-8')
    with pytest.raises(files.LockError, match='not the lock.*rename'):
        files.Lock(str(path)).take()
    assert path.read_text(encoding='utf-8') == content


@pytest.mark.posix
def test_a_link_is_no_lock(tmp_path):
    (tmp_path / 'mine').write_bytes(b'1')
    (tmp_path / 'lock').symlink_to(tmp_path / 'mine')
    with pytest.raises(files.LockError, match='is not the lock of a training'):
        files.Lock(str(tmp_path / 'lock')).take()
    assert (tmp_path / 'mine').read_bytes() == b'1'


@pytest.mark.posix
def test_what_a_file_system_lacks_is_passed_over(tmp_path, monkeypatch):
    """Locks, and flushing folders; that a file cannot be flushed is an error."""
    import fcntl

    def refuse(*args):
        raise OSError(errno.ENOLCK, 'not here')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    monkeypatch.setattr(os, 'fsync', refuse)
    lock = files.Lock(str(tmp_path / 'lock'))
    lock.take()
    lock.release()
    files.flush(str(tmp_path))
    with pytest.raises(OSError, match='not here'):
        files.flush(str(tmp_path / 'lock'))


@pytest.mark.posix
def test_release_unlocks(tmp_path):
    """Also where a child process has the file, too, and does not close it."""
    lock = files.Lock(str(tmp_path / 'lock'))
    lock.take()
    childs = os.dup(lock._file.fileno())
    lock.release()
    files.Lock(str(tmp_path / 'lock')).take()
    os.close(childs)


class Msvcrt:
    """Windows' locks: of a byte, which nobody may lock again."""

    LK_NBLCK, LK_UNLCK = 2, 0
    held = set()

    def locking(self, descriptor, mode, size):
        at = os.lseek(descriptor, 0, os.SEEK_CUR), os.fstat(descriptor).st_ino
        assert at[0] > 100  # others are to read the number
        if mode == self.LK_NBLCK and at in self.held:
            raise PermissionError(errno.EACCES, 'Permission denied')
        self.held.add(at) if mode == self.LK_NBLCK else self.held.remove(at)


def test_lock_on_windows(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'fcntl', None)
    monkeypatch.setitem(sys.modules, 'msvcrt', Msvcrt())
    lock, other = (files.Lock(str(tmp_path / 'lock')) for _ in range(2))
    lock.take()
    with pytest.raises(files.LockError, match='process %d trains' % os.getpid()):
        other.take()
    lock.release()
    other.take()
    assert files.read(str(tmp_path / 'lock')) == b'%d\n' % os.getpid()
    other.release()


def test_remove(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in 'abc']
    for path in paths[:2]:
        files.write(path, b'1')
    remove = os.remove
    with monkeypatch.context() as patch:
        patch.setattr(os, 'remove', lambda path: remove(path if path != paths[0] else 'in use'))
        assert files.remove(paths) is False
    assert os.listdir(str(tmp_path)) == ['a']
    assert files.remove(paths) is True
    assert os.listdir(str(tmp_path)) == []
