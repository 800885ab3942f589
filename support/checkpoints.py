"""The folder model/: which checkpoints there are, which is current; restoring one, saving one.

A checkpoint is two files, mnist_model-301.index and mnist_model-301.data-00000-of-00001. The text
file `checkpoint` beside them says which one is current, and lists those that later saves may
delete. When to save and when to look, others decide.
"""

import contextlib
import os
import re
import sys
import time
from types import SimpleNamespace

import tensorflow.compat.v1 as tf

from . import files

TENSORFLOW_ERRORS = (tf.errors.OpError, ValueError, LookupError, RuntimeError)  # of bad files


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; one line says which, why, and what to do."""

    exit_status = 1


class DamagedError(CheckpointError):
    """A checkpoint, or the file `checkpoint`, is missing or not as it was written."""


def get_checkpoint_state(model_dir):
    """Returns what the file `checkpoint` says, None if there are no checkpoints.

    That is model_checkpoint_path, the current checkpoint, and `problem`: None, or why the file
    has no say and model_checkpoint_path is the checkpoint of the highest step instead.
    Raises CheckpointError.
    """
    found = by_step(model_dir)
    names = listed(model_dir)
    problem = None
    if not names:
        path = os.path.join(model_dir, 'checkpoint')
        exists = os.path.exists(path)
        problem = '%s: %s' % (path, 'cannot be read' if exists else 'missing')
        if not found and not exists:
            return None
        if not found:
            line = '%s, and there is no checkpoint beside it; delete it to train anew'
            raise CheckpointError(line % problem)
    path = os.path.join(model_dir, (names or found)[0])
    return SimpleNamespace(model_checkpoint_path=path, problem=problem)


def listed(model_dir):
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


def by_step(model_dir):
    """Returns the names of the checkpoints in a folder, the highest step first."""
    if set(model_dir) & set('*?[]'):
        raise CheckpointError('%s: TensorFlow takes * ? [ ] for a pattern; rename it' % model_dir)
    try:
        names = os.listdir(model_dir or '.')
    except FileNotFoundError:
        return []
    except OSError as error:
        line = '%s: cannot be read (%s); use another folder'
        raise CheckpointError(line % (model_dir, reason(error))) from error
    found = [re.fullmatch(r'(.+-(\d+))\.index', name) for name in names]
    found = sorted((int(match.group(2)), match.group(1)) for match in found if match)
    return [name for _, name in reversed(found)]


def restore(saver, sess, ckpt, variables=None):
    """Restores the current checkpoint or, if that is damaged, the highest step that is whole.

    It says so on stderr then, and points ckpt.model_checkpoint_path to it.
    variables: {name in the checkpoint: variable}; None for all of the graph, by their names.
    Raises CheckpointError, also for a checkpoint of another network.
    """
    if variables is None:
        variables = {variable.op.name: variable for variable in tf.global_variables()}
    problem = ckpt.problem
    folder, current = os.path.split(ckpt.model_checkpoint_path)
    for name in [current] + [name for name in by_step(folder) if name != current]:
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
    line = '%s; there is no whole checkpoint beside it; empty the folder to train anew'
    raise CheckpointError(line % problem)


def restore_new(saver, sess, ckpt, variables, seen):
    """Restores like `restore`, but nothing that is in the set `seen`, which it then joins.

    Returns whether it did; it does not if the trainer replaces or deletes it meanwhile.
    """
    asked = _version(ckpt)
    if asked in seen:
        return False
    try:
        if ckpt.problem:
            raise DamagedError(ckpt.problem)
        _restore(saver, sess, ckpt.model_checkpoint_path, variables)
        if _version(ckpt) != asked:
            return False
    except DamagedError:
        for seconds in 0, 1:  # in which the trainer may delete or replace it, and end that
            time.sleep(seconds)
            now = get_checkpoint_state(os.path.dirname(ckpt.model_checkpoint_path))
            if not now or (now.problem, _version(now)) != (ckpt.problem, asked):
                return False
        restore(saver, sess, ckpt, variables)
    restored = _version(ckpt)
    new = restored not in seen
    seen |= {asked, restored}
    return new


def _version(ckpt):
    """Returns what tells the current checkpoint from a later one of the same name."""
    path = ckpt.model_checkpoint_path
    try:
        stat = os.stat(path + '.index')
    except (OSError, ValueError):  # gone, or no name for a file
        return path
    return path, stat.st_mtime_ns, stat.st_ino


def _restore(saver, sess, path, variables):
    try:
        if not os.path.isfile(path + '.index'):  # TensorFlow might take the name for a pattern
            raise ValueError('%s.index is missing' % os.path.basename(path))
        reader = tf.train.load_checkpoint(path)
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        for name in shapes:
            reader.get_tensor(name)  # has a checksum; one that is not whole is for nobody
        for name, variable in sorted(variables.items()):
            # Saver.restore would give a resource variable the shape in the checkpoint
            expected = variable.dtype.base_dtype.name, variable.shape.as_list()
            found = (types[name].name, shapes[name]) if name in shapes else ('no', 'such variable')
            if found != expected:
                line = '%s: is of another network (%s: %s %s, and not %s %s); name another one '
                line += 'in the file `checkpoint`, or use another folder'
                raise CheckpointError(line % ((path, name) + found + expected))
        saver.restore(sess, path)
    except TENSORFLOW_ERRORS as error:
        raise DamagedError('%s: cannot be restored (%s)' % (path, reason(error))) from error


class Manager:
    """Saves the checkpoints of a training; inside the `with` it has their folder to itself."""

    def __init__(self, path, notes):
        """path: of the checkpoints, without their step; notes: {name: text} for beside them."""
        self.folder = os.path.dirname(path) or '.'
        self._path, self._notes = path, notes
        self._lock = files.Lock(os.path.join(self.folder, 'lock'))

    def __enter__(self):
        """Raises CheckpointError if the folder is in use, or cannot be used."""
        try:
            self._take_lock()
        except OSError as error:
            raise self._failed(error) from error
        self._remove_temporary_files()
        return self

    def __exit__(self, *error):
        self._lock.release()

    def save(self, saver, sess, step):
        """Saves all variables as of `step`; deletes the oldest beyond the saver's max_to_keep.

        Raises CheckpointError if it cannot be written; those before it are then as they were.
        """
        for attempt in 1, 2:  # somebody may delete the folder, also in the middle of a save
            try:
                self._take_lock()
                self._save(saver, sess, step)
                break
            except (OSError, *TENSORFLOW_ERRORS) as error:
                self._remove_temporary_files()
                if attempt == 2:
                    raise self._failed(error) from error

    def _save(self, saver, sess, step):
        for name, text in self._notes.items():
            files.write(os.path.join(self.folder, name), text)
        # no .meta file: nobody reads it, and it is a third of the time
        path = saver.save(
            sess, self._path, global_step=step, write_meta_graph=False, write_state=False
        )
        current = os.path.basename(path)
        for written in [*self._files(current), self.folder]:
            files.flush(written)
        last, *names = listed(self.folder) or [None]
        names = [name for name in names if name != current] + [current]
        # a training may have gone back to an old one
        names.sort(key=lambda name: (name == current, name == last))
        keep = saver.as_saver_def().max_to_keep
        state = tf.train.generate_checkpoint_state_proto(
            os.path.abspath(self.folder), current, names[-keep:]
        )
        files.write(os.path.join(self.folder, 'checkpoint'), str(state))
        for name in names[:-keep]:
            for file in self._files(name):
                os.remove(file)

    def _files(self, name):
        """Returns the paths of a checkpoint's files."""
        return files.matching(self.folder, re.escape(name) + r'\.(data-\d+-of-\d+|index|meta)')

    def _remove_temporary_files(self):
        """Removes what a save leaves that did not come to its end, TensorFlow's part and ours."""
        pattern = r'(checkpoint|seed)\.tmp.*|.+\.(data-\d+-of-\d+|index)\.tempstate\d+'
        with contextlib.suppress(OSError):  # which will keep us from saving too, and be said there
            for file in files.matching(self.folder, pattern):
                os.remove(file)

    def _take_lock(self):
        try:
            self._lock.take()
        except BlockingIOError as error:
            line = '%s: process %s trains in this folder; stop it, or use another --model_dir'
            raise CheckpointError(line % (os.path.join(self.folder, 'lock'), error)) from error

    def _failed(self, error):
        line = '%s: cannot be written to (%s); make room or give permission, or use another folder'
        return CheckpointError(line % (self.folder, reason(error)))


def reason(error):
    """Returns what matters of an error; of TensorFlow's many lines, the one before the node."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = re.search(r'(.+)\n\s*\[\[', str(error))
    return found.group(1) if found else str(error).split('\n')[0]
