"""What keeps a training from losing anything: its seed, a lock, signals, checks and saves.

Beside the checkpoints and the file `checkpoint` lie two more text files: `seed` holds the seed of
the training, and `lock` the number of the process that trains.
"""

import os
import re
import signal
import sys
import threading

import numpy as np
import tensorflow.compat.v1 as tf

import checkpoints


class NotFiniteError(Exception):
    """The loss or a variable has become infinite or nan; one line says which, and what to do."""


class LockedError(Exception):
    """Another process holds the lock; the text is its number."""


class Interrupted(KeyboardInterrupt):
    """The signal `signum` has ended the training; one line says what is saved."""


def choose_seed(model_dir, seed, default):
    """Returns `seed`, or if it is None the one kept in model_dir, or else `default`.

    Raises checkpoints.CheckpointError if it is None and what is kept is no seed.
    """
    if seed is None and checkpoints.by_step(model_dir):
        seed, problem = _kept_seed(model_dir)
        if problem == 'cannot be read':
            raise checkpoints.CheckpointError(
                '%s: %s; give one with --seed' % (os.path.join(model_dir, 'seed'), problem)
            )
    return default if seed is None else seed


def _kept_seed(model_dir):
    """Returns the seed in the file `seed`, None if there is none, and what to say of the file."""
    try:
        with open(os.path.join(model_dir, 'seed'), 'rb') as file:
            seed = int(file.read(100))
    except FileNotFoundError:
        return None, 'missing'
    except (OSError, ValueError):
        return None, 'cannot be read'
    if not 0 <= seed < 2**31:
        return None, 'cannot be read'
    return seed, 'has %d' % seed


class Keeper:
    """Keeps a training from losing anything, from its first step to its last.

        with Keeper(saver, sess, './model/mnist_model', seed, learning_rate) as keeper:
            ...
            keeper.save(step, loss)
            keeper.stop_if_asked(step, loss)

    Inside the `with` no other training can use the folder, and Ctrl-C, SIGTERM and SIGHUP wait
    for stop_if_asked. A second Ctrl-C ends the process at once. Signals that were ignored stay
    ignored, and off the main thread all are left as they are.
    """

    def __init__(self, saver, sess, path, seed, learning_rate):
        """Made when the graph has all its variables.

        path: of the checkpoints, without their step; seed: to be kept beside them; learning_rate:
        the tensor, for a message.
        """
        self._saver = saver
        self._sess = sess
        self._folder, self._name = os.path.dirname(path) or '.', os.path.basename(path)
        self._seed = seed
        self._learning_rate = learning_rate
        self._finite = {
            variable.op.name: tf.reduce_all(tf.is_finite(variable))
            for variable in tf.global_variables()
            if variable.dtype.is_floating
        }
        self._lock = Lock(os.path.join(self._folder, 'lock'))
        self._signum = None
        self._saved_step = None
        self._handlers = {}

    def __enter__(self):
        """Raises CheckpointError if the folder is in use, or cannot be used."""
        try:
            self._take_lock()
        except OSError as error:
            raise self._failed(error) from error
        self._remove_temporary_files()
        kept, said = _kept_seed(self._folder)
        if kept != self._seed and checkpoints.by_step(self._folder):
            path = os.path.join(self._folder, 'seed')
            print('%s: %s; going on with seed %d' % (path, said, self._seed), file=sys.stderr)
        if threading.current_thread() is threading.main_thread():
            for name in 'SIGINT', 'SIGTERM', 'SIGHUP':
                signum = getattr(signal, name, None)  # Windows has no SIGHUP
                if signum and signal.getsignal(signum) not in (signal.SIG_IGN, None):
                    self._handlers[signum] = signal.signal(signum, self._ask_to_stop)
        return self

    def __exit__(self, exception_type, error, traceback):
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._lock.release()
        if self._signum and self._saved_step and isinstance(error, OSError):
            self._interrupt()  # nobody reads stdout: Ctrl-C in `| tee log` ends tee, too

    def save(self, step, loss):
        """Saves all variables as of `step`; deletes the oldest beyond the saver's max_to_keep.

        Raises NotFiniteError if the loss or a variable is not finite, CheckpointError if the
        checkpoint cannot be written. In both cases those before it are as they were.
        """
        self._check_finite(step, loss)
        for attempt in 1, 2:  # somebody may delete the folder, also in the middle of a save
            try:
                self._take_lock()
                self._save(step)
                break
            except (OSError, *checkpoints.TENSORFLOW_ERRORS) as error:
                self._remove_temporary_files()
                if attempt == 2:
                    raise self._failed(error) from error
        self._saved_step = step

    def stop_if_asked(self, step, loss):
        """Once a signal has come: saves, unless `step` is saved, and raises Interrupted."""
        if self._signum:
            if step != self._saved_step:
                self.save(step, loss)
            self._interrupt()

    def _interrupt(self):
        interrupted = Interrupted(
            'stopped; step %s is saved in %s, run the same command again to go on'
            % (self._saved_step, self._folder)
        )
        interrupted.signum = self._signum
        raise interrupted

    def _ask_to_stop(self, signum, frame):
        self._signum = self._signum or signum
        if signum == signal.SIGINT:
            signal.signal(signum, signal.SIG_DFL)

    def _check_finite(self, step, loss):
        finite = {'loss': np.isfinite(loss), **self._sess.run(self._finite)}
        for name, good in finite.items():
            if not good:
                raise NotFiniteError(
                    'step %d: %s is not finite, at learning rate %g; it is not saved. Lower '
                    'LEARNING_RATE_BASE and run again, to go on from the checkpoint before it'
                    % (step, name, self._sess.run(self._learning_rate))
                )

    def _save(self, step):
        path = os.path.join(self._folder, self._name)
        # no .meta file: nobody reads it, and it is a third of the time
        path = self._saver.save(
            self._sess, path, global_step=step, write_meta_graph=False, write_state=False
        )
        current = os.path.basename(path)
        for name in self._files(current):
            _flush(os.path.join(self._folder, name))
        _flush(self._folder)
        self._write('seed', '%d\n' % self._seed)
        last, *names = checkpoints.listed(self._folder) or [None]
        names = [name for name in names if name != current]
        names.sort(key=lambda name: name == last)  # a training may have gone back to an old one
        names.append(current)
        keep = self._saver.as_saver_def().max_to_keep
        state = tf.train.generate_checkpoint_state_proto(
            os.path.abspath(self._folder), current, names[-keep:]
        )
        self._write('checkpoint', str(state))
        for name in names[:-keep]:
            for file in self._files(name):
                os.remove(os.path.join(self._folder, file))

    def _write(self, name, text):
        """Writes a text file of the folder in one step and down to the disk, if it is to change."""
        path = os.path.join(self._folder, name)
        if os.path.exists(path):
            with open(path, 'rb') as file:
                if file.read() == text.encode():
                    return
        with open(path + '.tmp', 'w', newline='\n') as file:
            file.write(text)
        _flush(path + '.tmp')
        os.replace(path + '.tmp', path)
        _flush(self._folder)

    def _files(self, name):
        """Returns the files of a checkpoint."""
        pattern = re.escape(name) + r'\.(data-\d+-of-\d+|index|meta)'
        return sorted(file for file in os.listdir(self._folder) if re.fullmatch(pattern, file))

    def _remove_temporary_files(self):
        """Removes what a save leaves that did not come to its end, TensorFlow's part and ours."""
        pattern = r'(checkpoint|seed)\.tmp.*|.+\.(data-\d+-of-\d+|index)\.tempstate\d+'
        try:
            for file in os.listdir(self._folder):
                if re.fullmatch(pattern, file):
                    os.remove(os.path.join(self._folder, file))
        except OSError:
            pass  # what keeps us from that will keep us from saving too, and be said there

    def _take_lock(self):
        try:
            self._lock.take()
        except LockedError as error:
            raise checkpoints.CheckpointError(
                '%s: process %s trains in this folder; stop it, or use another --model_dir'
                % (os.path.join(self._folder, 'lock'), error)
            ) from error

    def _failed(self, error):
        return checkpoints.CheckpointError(
            '%s: cannot be written to (%s); make room or give permission, or use another folder'
            % (self._folder, checkpoints.reason(error))
        )


class Lock:
    """A lock file, held by one process at a time, which writes its number into it."""

    def __init__(self, path):
        self._path = path
        self._file = None

    def take(self):
        """Makes the folder and locks the file until the process ends; anew if it was deleted.

        Raises LockedError if another process holds the lock, OSError if there can be no such file.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        if self._file:
            try:
                if os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno())):
                    return
            except FileNotFoundError:
                pass
            self.release()
        file = open(self._path, 'a+')  # it may have the number of another process
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            raise LockedError(file.read().strip()) from error
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


def _flush(path):
    """Writes a file, or the names in a folder, from memory to the disk."""
    if not os.path.isdir(path):
        file = os.open(path, os.O_RDWR)
    elif os.name == 'posix':
        file = os.open(path, os.O_RDONLY)
    else:
        return  # Windows has no such call
    try:
        os.fsync(file)
    finally:
        os.close(file)
