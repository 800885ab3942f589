"""Checkpoints: found, restored, told apart, and saved so that nothing that happens costs one.

A checkpoint mnist_model-301 is two files, mnist_model-301.index and
mnist_model-301.data-00000-of-00001. Beside it are three small text files: `checkpoint` says which
one is current, and lists those that later saves may delete; `seed` is the training's; `lock` has
the process that trains.
"""

import os
import re
import signal
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf

# what TensorFlow raises on a damaged checkpoint, a full disk, ...
TENSORFLOW_ERRORS = (tf.errors.OpError, ValueError, LookupError, RuntimeError)


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; one line says which, why, and what to do."""


class DamagedError(CheckpointError):
    """A checkpoint, or the file `checkpoint`, is missing or not as it was written."""


class NotFiniteError(Exception):
    """The loss or a variable has become infinite or nan; one line says which, and what to do."""


class Interrupted(KeyboardInterrupt):
    """The signal `signum` has ended the training; one line says what is saved."""


def get_checkpoint_state(model_dir):
    """Returns what the file `checkpoint` says, None if there are no checkpoints.

    That is model_checkpoint_path, the current checkpoint, and `problem`: None, or why the file
    has no say and model_checkpoint_path is the checkpoint of the highest step instead.
    Raises CheckpointError.
    """
    found = _by_step(model_dir)
    path = os.path.join(model_dir, 'checkpoint')
    listed = _listed(model_dir)
    problem = None
    if not listed and found:
        problem = '%s: %s' % (path, 'cannot be read' if os.path.exists(path) else 'missing')
    elif not listed and os.path.exists(path):
        raise CheckpointError(
            '%s: cannot be read, and there is no checkpoint beside it; delete it to train anew'
            % path
        )
    elif not listed:
        return None
    current = os.path.join(model_dir, (listed or found)[0])
    return SimpleNamespace(model_checkpoint_path=current, problem=problem)


def _listed(model_dir):
    """Returns the names in the file `checkpoint`, the current one and then all, if any."""
    try:
        state = tf.train.get_checkpoint_state(model_dir)
    except ValueError:  # empty, or not UTF-8
        return []
    if not (state and os.path.basename(state.model_checkpoint_path)):
        return []
    paths = [state.model_checkpoint_path, *state.all_model_checkpoint_paths]
    # A folder may have been moved or copied: its own files count, wherever the paths lead.
    return [os.path.basename(path) for path in paths]


def _by_step(model_dir):
    """Returns the names of the checkpoints in a folder, the highest step first."""
    if set(model_dir) & set('*?[]'):
        raise CheckpointError('%s: TensorFlow takes * ? [ ] for a pattern; rename it' % model_dir)
    try:
        files = os.listdir(model_dir or '.')
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(
            '%s: cannot be read (%s); use another folder' % (model_dir, error.strerror)
        ) from error
    found = [re.fullmatch(r'(.+-(\d+))\.index', name) for name in files]
    found = sorted((int(match.group(2)), match.group(1)) for match in found if match)
    return [name for _, name in reversed(found)]


def restore(saver, sess, ckpt, variables=None):
    """Restores the current checkpoint or, if that is damaged, the highest step that is whole.

    It says so on stderr then, and points ckpt.model_checkpoint_path to it.
    variables: {name in the checkpoint: variable}; None for all of the graph, by their names.
    Raises CheckpointError, also for a checkpoint of another network.
    """
    problem = ckpt.problem
    folder, current = os.path.split(ckpt.model_checkpoint_path)
    for name in [current] + [name for name in _by_step(folder) if name != current]:
        path = os.path.join(folder, name)
        try:
            _restore(saver, sess, path, variables)
        except DamagedError as error:
            problem = problem or str(error)
        else:
            if problem:
                print('%s; taking %s instead' % (problem, name), file=sys.stderr, flush=True)
            ckpt.model_checkpoint_path = path
            return
    raise CheckpointError(
        '%s; there is no whole checkpoint beside it; empty the folder to train anew' % problem
    )


def restore_new(saver, sess, ckpt, variables, seen):
    """Restores like `restore`, but nothing that is in the set `seen`, which it then joins.

    Returns whether it did; it does not if the trainer replaces or deletes it meanwhile.
    """
    version = _version(ckpt)
    if version in seen:
        return False
    try:
        if ckpt.problem:
            raise DamagedError(ckpt.problem)
        _restore(saver, sess, ckpt.model_checkpoint_path, variables)
    except DamagedError:
        time.sleep(1)  # in which the trainer ends what it was doing
        now = get_checkpoint_state(os.path.dirname(ckpt.model_checkpoint_path))
        if not now or (now.problem, _version(now)) != (ckpt.problem, version):
            return False
        restore(saver, sess, ckpt, variables)
        damaged, version = version, _version(ckpt)
        known = version in seen
        seen.add(damaged)
        if known:
            return False
    if _version(ckpt) != version:
        return False
    seen.add(version)
    return True


def _version(ckpt):
    """Returns what tells the current checkpoint from a later one of the same name."""
    path = ckpt.model_checkpoint_path
    try:
        stat = os.stat(path + '.index')
    except (OSError, ValueError):  # gone, or no name for a file
        return path
    return path, stat.st_mtime_ns, stat.st_ino


def _restore(saver, sess, path, variables):
    if variables is None:
        variables = {variable.op.name: variable for variable in tf.global_variables()}
    try:
        if not os.path.isfile(path + '.index'):  # TensorFlow might take the name for a pattern
            raise ValueError('%s.index is missing' % os.path.basename(path))
        reader = tf.train.load_checkpoint(path)
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    except TENSORFLOW_ERRORS as error:
        raise _damaged(path, error) from error
    for name, variable in sorted(variables.items()):
        # Saver.restore would give the variable the shape in the checkpoint
        expected = variable.dtype.base_dtype.name, variable.shape.as_list()
        found = (types[name].name, shapes[name]) if name in shapes else ('no', 'such variable')
        if found != expected:
            raise CheckpointError(
                '%s: is of another network (%s: %s %s, and not %s %s); name another one in the '
                'file `checkpoint`, or use another folder' % ((path, name) + found + expected)
            )
    try:
        saver.restore(sess, path)
    except TENSORFLOW_ERRORS as error:
        raise _damaged(path, error) from error


def _damaged(path, error):
    return DamagedError('%s: cannot be restored (%s)' % (path, _reason(error)))


def _reason(error):
    """Returns the one line that matters of TensorFlow's many: the one before the failed node."""
    found = re.search(r'(.+)\n\s*\[\[', str(error))
    return found.group(1) if found else str(error).split('\n')[0]


def choose_seed(model_dir, seed, default):
    """Returns `seed`, or if it is None the one kept in model_dir, or else `default`.

    Says on stderr if a training changes its seed. Raises CheckpointError.
    """
    if not _by_step(model_dir):
        return default if seed is None else seed
    path = os.path.join(model_dir, 'seed')
    try:
        with open(path, 'rb') as file:
            kept = int(file.read(100))
        if not 0 <= kept < 2**31:
            raise ValueError
    except FileNotFoundError:
        kept = default
    except (OSError, ValueError) as error:
        if seed is None:
            raise CheckpointError('%s: holds no seed; give one with --seed' % path) from error
        kept = None
    if seed in (None, kept):
        return kept
    print('%s: going on with seed %d, not %s' % (path, seed, kept), file=sys.stderr)
    return seed


class Keeper:
    """Keeps a training from losing anything, from its first step to its last.

        with Keeper('./model/mnist_model', 5, seed, saver, sess, learning_rate) as keeper:
            ...
            keeper.save(step, loss)
            keeper.stop_if_asked(step, loss)

    Inside the `with` no other training can use the folder, and Ctrl-C, SIGTERM and SIGHUP wait
    for stop_if_asked. A second Ctrl-C ends the process at once. Signals that were ignored stay
    ignored, and off the main thread all are left as they are.
    """

    def __init__(self, path, keep, seed, saver, sess, learning_rate):
        """path: of the checkpoints, without their step; keep: how many of them to keep.

        seed: to be kept beside them; learning_rate: the tensor, for the message of save.
        """
        self._folder, self._name = os.path.dirname(path) or '.', os.path.basename(path)
        self._keep = keep
        self._seed = seed
        self._saver = saver
        self._sess = sess
        self._learning_rate = learning_rate
        self._lock_file = None
        self._signum = None
        self._saved_step = None
        self._handlers = {}

    def __enter__(self):
        """Raises CheckpointError if the folder is in use, or cannot be used."""
        try:
            self._lock()
        except OSError as error:
            raise self._failed(error) from error
        self._remove_temporary_files()
        if threading.current_thread() is threading.main_thread():
            for name in 'SIGINT', 'SIGTERM', 'SIGHUP':
                signum = getattr(signal, name, None)  # Windows has no SIGHUP
                if signum and signal.getsignal(signum) not in (signal.SIG_IGN, None):
                    self._handlers[signum] = signal.signal(signum, self._ask_to_stop)
        return self

    def __exit__(self, exception_type, *_):
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._lock_file.close()
        # asked after the last step, or when nobody reads stdout any more
        if self._signum and self._saved_step and issubclass(exception_type or OSError, OSError):
            self._interrupt()

    def save(self, step, loss):
        """Saves all variables as of `step`, and deletes the oldest checkpoint beyond `keep`.

        Raises NotFiniteError if the loss or a variable is not finite, CheckpointError if the
        checkpoint cannot be written. In both cases those before it are as they were.
        """
        self._check_finite(step, loss)
        for attempt in 1, 2:  # somebody may delete the folder, also in the middle of a save
            try:
                self._lock()
                self._save(step)
                break
            except (OSError, *TENSORFLOW_ERRORS) as error:
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
        values = {variable.op.name: variable for variable in tf.global_variables()}
        values = dict(self._sess.run(values), loss=loss)
        for name in ['loss', *values]:
            if not np.isfinite(values[name]).all():
                raise NotFiniteError(
                    'step %d: %s is not finite, at learning rate %g; not saved, the checkpoints '
                    'before it are. Lower LEARNING_RATE_BASE and run the command again'
                    % (step, name, self._sess.run(self._learning_rate))
                )

    def _save(self, step):
        listed = [name for name in _listed(self._folder)[1:] if self._files(name)]
        path = os.path.join(self._folder, self._name)
        # no .meta file: nobody reads it, and it is a third of the time
        path = self._saver.save(
            self._sess, path, global_step=step, write_meta_graph=False, write_state=False
        )
        current = os.path.basename(path)
        for name in self._files(current):
            _flush(os.path.join(self._folder, name))
        self._write('seed', '%d\n' % self._seed)
        names = [name for name in listed if name != current] + [current]
        state = tf.train.generate_checkpoint_state_proto(
            os.path.abspath(self._folder), current, names[-self._keep :]
        )
        self._write('checkpoint', str(state))
        for name in names[: -self._keep]:
            for file in self._files(name):
                os.remove(os.path.join(self._folder, file))

    def _write(self, name, text):
        """Writes a text file of the folder in one step and down to the disk, if it is to change."""
        path = os.path.join(self._folder, name)
        if os.path.exists(path):
            with open(path, 'rb') as file:
                if file.read() == text.encode():
                    return
        with open(path + '.tmp', 'w') as file:
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

    def _lock(self):
        """Makes the folder, and locks it until the process ends, unless it holds the lock."""
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, 'lock')
        if self._lock_file:
            try:
                if os.path.samestat(os.stat(path), os.fstat(self._lock_file.fileno())):
                    return
            except FileNotFoundError:
                pass
            self._lock_file.close()
        self._lock_file = open(path, 'a+')  # it may have the pid of another process
        try:
            _lock(self._lock_file)
        except (BlockingIOError, PermissionError) as error:
            self._lock_file.seek(0)
            raise CheckpointError(
                '%s: process %s trains in this folder; stop it, or use another --model_dir'
                % (path, self._lock_file.read().strip())
            ) from error
        self._lock_file.truncate(0)
        self._lock_file.write('%d\n' % os.getpid())
        self._lock_file.flush()

    def _failed(self, error):
        return CheckpointError(
            '%s: cannot be saved in (%s); make room or give permission, or use another folder'
            % (self._folder, _reason(error))
        )


def _lock(file):
    """Locks an open file until it is closed. Raises OSError if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(1 << 30)  # far from the pid, which would be locked too
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
