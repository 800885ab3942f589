"""Checkpoints, as training and watching both need them: found, restored, told apart.

A checkpoint mnist_model-301 is two files, mnist_model-301.index and
mnist_model-301.data-00000-of-00001. The text file `checkpoint` beside them says which one is
current, and lists those that later saves may delete.
"""

import os
import re
import sys
import time
from types import SimpleNamespace

import tensorflow.compat.v1 as tf

# what TensorFlow raises on a damaged checkpoint, a full disk, ...
TENSORFLOW_ERRORS = (tf.errors.OpError, ValueError, LookupError, RuntimeError)


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; one line says which, why, and what to do."""


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
    path = os.path.join(model_dir, 'checkpoint')
    problem = None
    if not names:
        problem = '%s: %s' % (path, 'cannot be read' if os.path.exists(path) else 'missing')
    if not names and not found:
        if not os.path.exists(path):
            return None
        raise CheckpointError(
            '%s, and there is no checkpoint beside it; delete it to train anew' % problem
        )
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
        files = os.listdir(model_dir or '.')
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(
            '%s: cannot be read (%s); use another folder' % (model_dir, reason(error))
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
    raise CheckpointError(
        '%s; there is no whole checkpoint beside it; empty the folder to train anew' % problem
    )


def restore_new(saver, sess, ckpt, variables, seen):
    """Restores like `restore`, but nothing that is in the set `seen`, which it then joins.

    Returns whether it did; it does not if the trainer replaces or deletes it meanwhile.
    """
    asked = version = _version(ckpt)
    if asked in seen:
        return False
    try:
        if ckpt.problem:
            raise DamagedError(ckpt.problem)
        _restore(saver, sess, ckpt.model_checkpoint_path, variables)
    except DamagedError:
        for seconds in 0, 1:  # in which the trainer may delete or replace it, and end that
            time.sleep(seconds)
            now = get_checkpoint_state(os.path.dirname(ckpt.model_checkpoint_path))
            if not now or (now.problem, _version(now)) != (ckpt.problem, asked):
                return False
        restore(saver, sess, ckpt, variables)
        version = _version(ckpt)
    if _version(ckpt) != version:
        return False
    new = version not in seen
    seen |= {asked, version}
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
    return DamagedError('%s: cannot be restored (%s)' % (path, reason(error)))


def reason(error):
    """Returns what matters of an error; of TensorFlow's many lines, the one before the node."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = re.search(r'(.+)\n\s*\[\[', str(error))
    return found.group(1) if found else str(error).split('\n')[0]
