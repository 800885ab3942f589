"""Files that a kill, a full disk or a second process leave whole.

Owns what file systems are asked for when something is written: a lock, a file replaced in one step,
all of it down to the disk. What is in them, and words for an OSError, are others' business.
"""

import contextlib
import os
import re

TEMPORARY = '.mnist_lenet5_tmp'  # ends the name of a file that is being written


class LockError(Exception):
    """A lock cannot be had; one line says why, and what to do."""

    exit_status = 1


class Lock:
    """A lock file, held by one process at a time, which writes its number into it."""

    def __init__(self, path):
        self._path, self._file = path, None

    def take(self):
        """Makes the folder and locks the file, unless it is held, until release or the end of the
        process. Locks a new file if the old one has gone from its path, as after `rm -rf model`.

        Raises LockError if another process holds the lock or the file is no lock, and OSError if
        there can be no such file.
        """
        for _ in range(2):  # the file may go before it is locked
            with contextlib.suppress(OSError, AttributeError):  # None is no file
                if os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path)):
                    return
            self.release()
            self._file = self._locked()

    def _locked(self):
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        file = open(self._path, 'a+b')
        file.seek(0)
        number = file.read(100).strip().decode('latin-1')  # it may be another process's
        if os.path.islink(self._path) or not re.fullmatch(r'\d*', number):
            line = '%s: is not the lock of a training; rename it, or use another folder'
            raise LockError(line % self._path)
        try:
            _lock(file, True)
        except (BlockingIOError, PermissionError) as error:
            line = '%s: process %s trains in this folder; stop it, or use another --model_dir'
            raise LockError(line % (self._path, number)) from error
        except OSError:
            pass  # this file system has no locks
        file.truncate(0)
        file.write(b'%d\n' % os.getpid())
        file.flush()
        return file

    def release(self):
        if self._file:
            with self._file, contextlib.suppress(OSError):
                _lock(self._file, False)
            self._file = None


def _lock(file, hold):
    """Locks or unlocks an open file."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(1 << 30)  # far from the number, which would be locked too
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK if hold else msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if hold else fcntl.LOCK_UN)


def write(path, content):
    """Writes bytes into a file in one step and down to the disk, if they are to change.

    Raises an OSError that has the file's name, and then leaves it as it was.
    """
    if read(path) == content:
        return
    try:
        with open(path + TEMPORARY, 'wb') as file:
            file.write(content)
        flush(path + TEMPORARY)
        os.replace(path + TEMPORARY, path)
    except OSError as error:
        remove([path + TEMPORARY])
        raise OSError(error.errno, error.strerror, path) from error
    flush(os.path.dirname(path) or '.')


def read(path):
    """Returns the bytes of a file, None if there is none or it cannot be read."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except OSError:
        return None


def flush(path):
    """Writes a file, or the names in a folder, from memory to the disk."""
    is_folder = os.path.isdir(path)  # which Windows cannot flush, nor can some file systems
    with contextlib.suppress(OSError if is_folder else ()):
        file = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def remove(paths):
    """Deletes files. Returns whether they are gone: on Windows other processes can prevent it."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.remove(path)
    return not any(map(os.path.lexists, paths))


def matching(folder, pattern):
    """Returns the paths of the files in a folder, if any, whose whole name matches, sorted."""
    names = sorted(os.listdir(folder or '.')) if os.path.exists(folder or '.') else []
    return [os.path.join(folder, name) for name in names if re.fullmatch(pattern, name)]
