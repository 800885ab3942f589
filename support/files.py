"""Files that stay whole through a kill, a full disk or a second process."""

import contextlib
import locale
import os
import re

from . import console

TEMPORARY = '.mnist_lenet5_tmp'  # the end of a file's name while the file is being written


class LockError(console.Error):
    """Another process holds the lock, or the file is not a lock. The message says which."""


class Lock:
    """A lock file, which one process at a time can hold. It contains that process's number."""

    def __init__(self, path):
        self._path, self._file = path, None

    def take(self):
        """Locks the file until `release` or the end of the process. Makes the folder. Locks a new
        file if the old one is gone, as after `rm -rf model`. Raises LockError or OSError.
        """
        with contextlib.suppress(OSError):  # the file has gone from its path
            if self._file and os.path.samefile(self._file.fileno(), self._path):
                return
        self.release()
        self._file = self._locked()

    def _locked(self):
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        file = open(self._path, 'a+b', buffering=0)
        number = (read(self._path) or b'').strip().decode('latin-1')  # perhaps another process's
        if os.path.islink(self._path) or not re.fullmatch(r'\d*', number):
            raise LockError(f'{self._path}: is not the lock of a training; rename the file')
        try:
            _lock(file, True)
        except (BlockingIOError, PermissionError) as error:
            problem = f'{self._path}: process {number} trains in this folder'
            raise LockError(f'{problem}; stop it, or use another folder') from error
        except OSError:
            pass  # this file system has no locks
        file.truncate(0)
        file.write(b'%d\n' % os.getpid())
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

        file.seek(1 << 30)  # far behind the process number, which stays readable
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK if hold else msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if hold else fcntl.LOCK_UN)


def write(path, content):
    """Replaces a file's content in one step, unless the file has this content already.

    Raises an OSError with the file's name. The file is then as before.
    """
    if read(path) == content:
        return
    try:
        with open(f'{path}{TEMPORARY}', 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f'{path}{TEMPORARY}', path)
    except OSError as error:
        remove([f'{path}{TEMPORARY}'])
        raise OSError(error.errno, error.strerror, path) from error


def read(path):
    """Returns the bytes of a file. Returns None if the file cannot be read."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except OSError:
        return None


def remove(paths):
    """Deletes files. Returns whether all are gone: on Windows another process can prevent it."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.remove(path)
    return not any(map(os.path.lexists, paths))


def matching(folder, pattern):
    """Returns the paths, sorted, of a folder's files whose whole name matches the pattern."""
    names = sorted(os.listdir(folder or '.')) if os.path.exists(folder or '.') else []
    return [os.path.join(folder, name) for name in names if re.fullmatch(pattern, name)]


def reason(error):
    """Returns the telling line of an OSError, or of a TensorFlow error with its many lines."""
    if isinstance(error, UnicodeDecodeError):  # from decoding a system message on a Chinese Windows
        error = error.object.decode(locale.getpreferredencoding(False), 'replace')
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).replace('\r\n', '')  # Windows' own message, inside the line, ends so
    before_the_node = re.search(r'(.+)\n\s*\[\[', text)
    return before_the_node.group(1) if before_the_node else text.split('\n')[0]
