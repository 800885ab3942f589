"""Checkpoints, as training and watching both need them: found, restored, saved, told apart.

A checkpoint mnist_model-301 is two files, mnist_model-301.index and
mnist_model-301.data-00000-of-00001. The text file `checkpoint` beside them says which one is
current, and lists those that later saves may delete.
"""

import os
import re
import time

import tensorflow.compat.v1 as tf


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; one line says which, why, and what to do."""


def get_checkpoint_state(model_dir):
    """Returns the CheckpointState in the file `checkpoint`, None if there is no such file.

    Raises CheckpointError if it is there and cannot be understood (training anew beside it
    would overwrite the checkpoints it lists), or if model_dir cannot be used.
    """
    path = os.path.join(model_dir, 'checkpoint')
    if set(path) & set('*?[]'):
        # Saver would delete old checkpoints in every folder that the name matches
        raise CheckpointError('%s: TensorFlow takes * ? [ ] for a pattern; rename it' % model_dir)
    if not os.path.exists(path):
        return None
    try:
        ckpt = tf.train.get_checkpoint_state(model_dir)
    except ValueError:  # empty, or not UTF-8
        ckpt = None
    if ckpt:
        # A folder may have been moved or copied: its own files count, wherever the paths lead.
        paths = [ckpt.model_checkpoint_path, *ckpt.all_model_checkpoint_paths]
        paths = [os.path.join(model_dir, os.path.basename(path)) for path in paths]
        ckpt.model_checkpoint_path, ckpt.all_model_checkpoint_paths[:] = paths[0], paths[1:]
    elif os.path.exists(path):  # still; nobody has just emptied the folder
        raise CheckpointError(
            '%s: cannot be read; write model_checkpoint_path: "mnist_model-N" into it, N being '
            'the step of a checkpoint beside it' % path
        )
    return ckpt


def resume(saver, sess, ckpt):
    """Restores the current checkpoint, and lets `saver` delete the listed ones in turn.

    Raises CheckpointError if the checkpoint is damaged or of another network.
    """
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    _restore(saver, sess, ckpt.model_checkpoint_path, variables)
    saver.recover_last_checkpoints(ckpt.all_model_checkpoint_paths)


def restore_new(saver, sess, ckpt, variables, seen):
    """Restores the current checkpoint unless it is in the set `seen`, which it then joins.

    variables: {name in the checkpoint: variable}. Returns whether it was restored; it is not
    if it is replaced or deleted meanwhile.
    Raises CheckpointError if the checkpoint is damaged or of another network.
    """
    path = ckpt.model_checkpoint_path
    version = _version(path)
    if version in seen:
        return False
    try:
        _restore(saver, sess, path, variables)
    except CheckpointError:
        time.sleep(1)  # in which the trainer ends what it was doing
        now = get_checkpoint_state(os.path.dirname(path))
        if now and _version(now.model_checkpoint_path) == version:
            raise
        return False
    if _version(path) != version:
        return False
    seen.add(version)
    return True


def _version(path):
    """Returns what tells a checkpoint from a later one of the same name, None if it is gone."""
    try:
        stat = os.stat(path + '.index')
    except OSError:
        return None
    return os.path.basename(path), stat.st_mtime_ns, stat.st_ino


def _restore(saver, sess, path, variables):
    try:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        for name in sorted(variables):
            # Saver.restore would give the variable the shape in the checkpoint
            if name in shapes and shapes[name] != variables[name].shape.as_list():
                raise ValueError(
                    '%s has the shape %s and not %s' % (name, shapes[name], variables[name].shape)
                )
        saver.restore(sess, path)
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(
            '%s: cannot be restored (%s); name another one in the file `checkpoint` beside it, '
            'or empty the folder to train anew' % (path, _reason(error))
        ) from error


def save(saver, sess, path, global_step):
    """Saves all variables as `path`-`global_step`, in a folder that is made if need be.

    Raises CheckpointError if that fails.
    """
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        # no .meta file: nobody reads it, and it is a third of the time
        saver.save(sess, path, global_step=global_step, write_meta_graph=False)
    except (OSError, tf.errors.OpError, ValueError) as error:
        raise CheckpointError(
            '%s: cannot be saved (%s); make room for it, or use another folder'
            % (path, _reason(error))
        ) from error


def _reason(error):
    """Returns the one line that matters of TensorFlow's many: the one before the failed node."""
    found = re.search(r'(.+)\n\s*\[\[', str(error))
    return found.group(1) if found else str(error).split('\n')[0]
