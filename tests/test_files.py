"""files: what is written is whole, and the lock is held by one. Runs without TensorFlow."""

import errno
import os
import subprocess
import sys
from unittest.mock import Mock

from support import files

import pytest
from helpers import ROOT, at_first_call

HOLD = """
import sys; sys.path[:0] = [%r]
from support import files
lock = files.Lock(sys.argv[1]); lock.take(); print('taken', flush=True); sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'lock')


@pytest.fixture
def locks(path):
    return files.Lock(path), files.Lock(path)


def assert_held(lock, pid):
    with pytest.raises(files.LockError, match='process %d ' % pid):
        lock.take()


# The lock
def test_a_lock_is_held_by_one_process(tmp_path):
    """The lock of a process that has ended without a release can be taken."""
    path = str(tmp_path / 'folder' / 'lock')
    lock = files.Lock(path)
    command, pipe = [sys.executable, '-c', HOLD % ROOT, path], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout.readline().startswith(b'taken')
        assert_held(lock, other.pid)
    lock.take()
    assert files.read(path) == b'%d\n' % os.getpid()


@pytest.mark.posix
def test_a_lock_whose_file_was_deleted(path, locks, monkeypatch):
    """It is taken anew, unless another has it by then, and also if it goes before it is locked."""
    import fcntl

    lock, other = locks
    at_first_call(monkeypatch, 'flock', lambda: os.remove(path), fcntl)
    lock.take()
    assert_held(other, os.getpid())
    os.remove(path)
    lock.take()
    assert_held(other, os.getpid())
    os.remove(path)
    other.take()
    for _ in range(2):
        assert_held(lock, os.getpid())
    lock.release()
    assert_held(lock, os.getpid())


@pytest.mark.parametrize('content', [b'notes of mine', b'12 apples', b'-1', b'1'])
def test_a_file_that_is_no_lock_is_left_alone(tmp_path, path, content):
    """A link to a file that looks like a lock (1) is no lock either."""
    mine = tmp_path / ('mine' if content == b'1' else 'lock')
    mine.write_bytes(content)
    if content == b'1':
        os.symlink(str(mine), path)
    with pytest.raises(files.LockError):
        files.Lock(path).take()
    assert mine.read_bytes() == content


@pytest.mark.posix
def test_release_unlocks(path, locks):
    """Also where a child process has the file, too, and does not close it."""
    locks[0].take()
    childs = os.dup(locks[0]._file.fileno())
    locks[0].release()
    locks[1].take()
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


def test_lock_on_windows(path, locks, monkeypatch):
    monkeypatch.setitem(sys.modules, 'fcntl', None)
    monkeypatch.setitem(sys.modules, 'msvcrt', Msvcrt())
    locks[0].take()
    assert_held(locks[1], os.getpid())
    locks[0].release()
    locks[1].take()
    assert files.read(path) == b'%d\n' % os.getpid()
    locks[1].release()


@pytest.mark.posix
def test_a_file_system_without_locks(path, locks, monkeypatch):
    """A lock then does nothing, nor does flushing a folder. Flushing a file must work."""
    import fcntl

    refuse = Mock(side_effect=OSError(errno.ENOLCK, 'not here'))
    monkeypatch.setattr(fcntl, 'flock', refuse)
    monkeypatch.setattr(os, 'fsync', refuse)
    locks[0].take()
    locks[0].release()
    files.flush(os.path.dirname(path))
    with pytest.raises(OSError, match='not here'):
        files.flush(path)


# Other files
def test_write(tmp_path, path, monkeypatch):
    """It leaves nothing else in the folder. The same content is not written again."""
    for content in b'one\n', b'two\n':
        files.write(path, content)
    assert os.listdir(str(tmp_path)) == ['lock']
    monkeypatch.setattr(os, 'fsync', None)
    files.write(path, b'two\n')
    assert files.read(path) == b'two\n' and files.read(path + 'none') is None


@pytest.mark.parametrize('call', ['fsync', 'replace'])
@pytest.mark.parametrize('error', [SystemExit(), OSError(errno.ENOSPC, 'full')])
def test_write_fails(tmp_path, path, monkeypatch, call, error):
    """The file is as before. After an error, which names it, nothing else is left."""
    files.write(path, b'one')
    monkeypatch.setattr(os, call, Mock(side_effect=error))
    with pytest.raises(type(error)) as caught:
        files.write(path, b'two')
    assert files.read(path) == b'one'
    if isinstance(error, OSError):
        assert (caught.value.filename, caught.value.errno) == (path, errno.ENOSPC)
        assert os.listdir(str(tmp_path)) == ['lock']


def test_matching_and_remove(tmp_path, monkeypatch):
    """The whole name must match. What cannot be removed, as on Windows, is reported."""
    for name in 'b-1', 'a-1', 'a-1x', 'xa-1':
        (tmp_path / name).write_bytes(b'')
    found = files.matching(str(tmp_path), r'[ab]-\d')
    assert found == [str(tmp_path / 'a-1'), str(tmp_path / 'b-1')]
    assert files.matching(str(tmp_path / 'none'), '.*') == []
    remove = os.remove
    monkeypatch.setattr(os, 'remove', lambda p: remove(p if p != found[0] else 'in use'))
    assert files.remove(found) is False and files.remove([found[1], 'none']) is True
    assert sorted(os.listdir(str(tmp_path))) == ['a-1', 'a-1x', 'xa-1']
