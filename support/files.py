"""Files that a kill, a full disk or a second process leave whole.

Owns what file systems are asked for when something is written: a lock, a file replaced in one step,
all of it down to the disk. What is in them, and words for an OSError, are others' business.
"""

import contextlib
import errno
import os
import re

TEMPORARY = '.mnist_lenet5_tmp'  # ends the name of a file that is being written
NOT_SUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


class Lock:
    """A lock file, held by one process at a time, which writes its number into it."""

    def __init__(self, path):
        self._path = path
        self._file = None

    def take(self):
        """Makes the folder and locks the file until the process ends; anew if it was deleted.

        Returns whether the file system has locks. Raises BlockingIOError, whose text is its number,
        if another process holds the lock, FileExistsError if the file is no lock, and another
        OSError if there can be no such file.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        if self.is_held():
            return True
        self.release()
        if os.path.islink(self._path):
            raise FileExistsError(errno.EEXIST, 'a link', self._path)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(self._path, 'a+b'))
            file.seek(0)
            number = file.read(100).strip()  # it may be that of another process
            if not re.fullmatch(rb'\d*', number):
                raise FileExistsError(errno.EEXIST, 'no number in it', self._path)
            try:
                is_locked = _lock(file, True)
            except (BlockingIOError, PermissionError) as error:
                raise BlockingIOError(number.decode()) from error
            file.truncate(0)
            file.write(b'%d\n' % os.getpid())
            file.flush()
            stack.pop_all()  # it stays open
        self._file = file
        return is_locked

    def is_held(self):
        """Returns whether it is taken, and the file not deleted since."""
        if not self._file or not os.path.exists(self._path):
            return False
        return os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))

    def release(self):
        if self._file:
            with self._file, contextlib.suppress(OSError):
                _lock(self._file, False)
            self._file = None


def _lock(file, hold):
    """Locks or unlocks an open file. Returns whether the file system has locks.

    Raises BlockingIOError or PermissionError if another process has locked it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(1 << 30)  # far from the number, which would be locked too
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK if hold else msvcrt.LK_UNLCK, 1)
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if hold else fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
        return False
    return True


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
    """Writes a file, or the names in a folder, from memory to the disk.

    Returns whether it could: some file systems cannot do it for folders.
    """
    is_folder = os.path.isdir(path)
    if is_folder and os.name != 'posix':
        return True  # Windows has no such call
    file = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(file)
    except OSError as error:
        if not is_folder or error.errno not in NOT_SUPPORTED:
            raise
        return False
    finally:
        os.close(file)
    return True


def remove(paths):
    """Deletes files. Returns whether they are gone: on Windows other processes can prevent it."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.remove(path)
    return not any(map(os.path.lexists, paths))


def matching(folder, pattern):
    """Returns the paths of the files in a folder whose whole name matches, sorted."""
    names = sorted(name for name in os.listdir(folder) if re.fullmatch(pattern, name))
    return [os.path.join(folder, name) for name in names]
