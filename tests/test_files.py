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


def assert_held(lock, pid=None):
    with pytest.raises(files.LockError, match='process %d ' % (pid or os.getpid())):
        lock.take()


def test_a_lock_is_held_by_one_process(path):
    """The lock of a process that has ended without a release can be taken."""
    path = os.path.join(path, 'lock')  # in a folder that is made
    command, pipe = [sys.executable, '-c', HOLD % ROOT, path], subprocess.PIPE
    lock = files.Lock(path)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout.readline().startswith(b'taken')
        assert_held(lock, other.pid)
    lock.take()


@pytest.mark.posix
def test_a_lock_whose_file_was_deleted(path, locks):
    """A deleted lock is taken anew, unless another has it."""
    lock, other = locks
    for _ in range(2):
        lock.take()
        assert_held(other)
        os.remove(path)
    other.take()
    for _ in range(2):
        assert_held(lock)
    lock.release()
    assert_held(lock)


@pytest.mark.parametrize('content', [b'notes of mine', b'12 apples', b'-1', b'1'])
def test_a_file_that_is_no_lock_is_left_alone(path, content):
    """A link to a file that looks like a lock (1) is no lock either."""
    files.write(path + '.mine', content)
    (os.symlink if content == b'1' else os.rename)(path + '.mine', path)
    with pytest.raises(files.LockError):
        files.Lock(path).take()
    assert files.read(path) == content


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


@pytest.mark.posix
@pytest.mark.parametrize('modules', [{}, {'fcntl': None, 'msvcrt': Msvcrt()}])
def test_release_unlocks(path, locks, monkeypatch, modules):
    """Also on Windows, and where a child process has the file, too, and does not close it."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    locks[0].take()
    assert_held(locks[1])
    childs = os.dup(locks[0]._file.fileno())
    locks[0].release()
    locks[1].take()
    assert files.read(path) == b'%d\n' % os.getpid()
    os.close(childs)
    locks[1].release()


@pytest.mark.posix
def test_a_file_system_without_locks(path, locks, monkeypatch):
    """A lock then does nothing."""
    monkeypatch.setattr('fcntl.flock', Mock(side_effect=OSError(errno.ENOLCK, 'not here')))
    locks[0].take()
    locks[0].release()


@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_write(tmp_path, path, monkeypatch, call):
    """A write that fails names the file and leaves it as before, and nothing else."""
    for content in b'one\n', b'two\n':
        files.write(path, content)
    assert (os.listdir(str(tmp_path)), files.read(path)) == (['lock'], b'two\n')
    monkeypatch.setattr(os, call, Mock(side_effect=OSError(errno.ENOSPC, 'full')))
    files.write(path, b'two\n')
    with pytest.raises(OSError, match='Errno %d. full' % errno.ENOSPC) as caught:
        files.write(path, b'three')
    assert (caught.value.filename, files.read(path)) == (path, b'two\n')
    assert os.listdir(str(tmp_path)) == ['lock'] and files.read(path + 'none') is None
