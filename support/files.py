"""Files that a kill, a full disk or a second process leave whole.

Owns what file systems are asked for when something is written: a lock, a text file replaced in one
step, all of it down to the disk. What is in them, and words for an OSError, are others' business.
"""

import os
import pathlib
import re


class Lock:
    """A lock file, held by one process at a time, which writes its number into it."""

    def __init__(self, path):
        self._path = path
        self._file = None

    def take(self):
        """Makes the folder and locks the file until the process ends; anew if it was deleted.

        Raises BlockingIOError, whose text is its number, if another process holds the lock, and
        another OSError if there can be no such file.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        if self._file and os.path.exists(self._path):
            if os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno())):
                return
        self.release()
        file = open(self._path, 'a+')  # it may have the number of another process
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            raise BlockingIOError(file.read().strip()) from error
        file.truncate(0)
        file.write('%d\n' % os.getpid())
        file.flush()
        self._file = file

    def release(self):
        if self._file:
            self._file.close()
            self._file = None


def _lock(file):
    """Locks an open file until it is closed. Raises OSError if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(1 << 30)  # far from the number, which would be locked too
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write(path, text):
    """Writes a text file in one step and down to the disk, if it is to change."""
    if os.path.exists(path) and pathlib.Path(path).read_bytes() == text.encode():
        return
    pathlib.Path(path + '.tmp').write_bytes(text.encode())
    flush(path + '.tmp')
    os.replace(path + '.tmp', path)
    flush(os.path.dirname(path))


def flush(path):
    """Writes a file, or the names in a folder, from memory to the disk."""
    is_folder = os.path.isdir(path)
    if is_folder and os.name != 'posix':
        return  # Windows has no such call
    file = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def matching(folder, pattern):
    """Returns the paths of the files in a folder whose whole name matches, sorted."""
    names = sorted(name for name in os.listdir(folder) if re.fullmatch(pattern, name))
    return [os.path.join(folder, name) for name in names]
