"""The folder model/: which checkpoints there are, which is current; restoring one, saving one.

A checkpoint is two files, mnist_model-301.index and mnist_model-301.data-00000-of-00001. The text
file `checkpoint` beside them says which one is current, and lists those that later saves may
delete. When to save and when to look, others decide.
"""

import locale
import ntpath
import os
import re
import time

import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from . import command_line, files

READ_ERRORS = (tf.errors.OpError, ValueError, LookupError, RuntimeError)  # TensorFlow's, of files
# on a Chinese Windows, TensorFlow cannot decode the message of the system
WRITE_ERRORS = (OSError, tf.errors.OpError, UnicodeDecodeError)
# the message of the file `checkpoint`, a class without a public name
CheckpointState = type(tf.train.generate_checkpoint_state_proto('.', 'name', ['name']))
PAUSES = (0.1, 0.2, 0.4, 0.6, 0.7)  # seconds between the attempts of a save


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; one line says which, why, and what to do."""

    exit_status = 1


class DamagedError(CheckpointError):
    """A checkpoint, or the file `checkpoint`, is missing or not as it was written."""


def get_checkpoint_state(model_dir):
    """Returns the CheckpointState in the file `checkpoint`, None if there are no checkpoints.

    Its model_checkpoint_path, the current one, and all_model_checkpoint_paths lead into model_dir,
    which may have been moved or copied; the first is model_dir itself if the file has no say.
    tf.train.get_checkpoint_state fails if Notepad has put a byte order mark before it.
    """
    path = os.path.join(model_dir, 'checkpoint')
    if not by_step(model_dir) and not os.path.exists(path):
        return None
    try:
        content = (files.read(path) or b'').decode('utf-8-sig')
        written = text_format.Parse(content, CheckpointState())
    except (text_format.ParseError, UnicodeDecodeError):
        written = CheckpointState()
    paths = [written.model_checkpoint_path, *written.all_model_checkpoint_paths]
    current, *others = [os.path.join(model_dir, ntpath.basename(path)) for path in paths]
    return CheckpointState(model_checkpoint_path=current, all_model_checkpoint_paths=others)


def by_step(model_dir):
    """Returns the paths of the checkpoints in a folder, the highest step first.

    Raises CheckpointError if the folder can never hold checkpoints, OSError if it cannot be read.
    """
    if set(model_dir) & set('*?[]'):
        raise CheckpointError('%s: TensorFlow takes * ? [ ] for a pattern; rename it' % model_dir)
    found = [path[: -len('.index')] for path in files.matching(model_dir, r'.+-\d+\.index')]
    return sorted(found, key=lambda path: -int(path.split('-')[-1]))


def refuse_typing_error(model_dir):
    """Raises CheckpointError if the file `checkpoint` names as current what is neither there nor
    in its list. Says that checkpoint.txt, which Notepad likes to make of it, is not read.
    """
    path, found = os.path.join(model_dir, 'checkpoint'), by_step(model_dir)
    if os.path.exists(path + '.txt'):
        line = '%s.txt: is not read; to go on from what it names, rename it to `checkpoint`'
        command_line.say(line % path)
    ckpt = get_checkpoint_state(model_dir) or CheckpointState()
    current, listed = os.path.basename(ckpt.model_checkpoint_path), ckpt.all_model_checkpoint_paths
    if current and found and ckpt.model_checkpoint_path not in [*found, *listed]:
        names = ', '.join(map(os.path.basename, found))
        raise CheckpointError('%s: there is no %s; name one of %s' % (path, current, names))


def restore(saver, sess, ckpt, variables=None, say=command_line.say):
    """Restores the current checkpoint or, if that is damaged, the newest that is whole.

    It says so then, and points ckpt.model_checkpoint_path to it.
    ckpt: what get_checkpoint_state has returned; variables: {name in the checkpoint: variable},
    None for all of the graph. Raises CheckpointError, also for a checkpoint of another network.
    """
    current, problem = ckpt.model_checkpoint_path, None
    for path in dict.fromkeys([current, *by_step(os.path.dirname(current))]):
        try:
            restore_path(saver, sess, path, variables)
        except CheckpointError as error:
            if not (problem or isinstance(error, DamagedError)):
                raise
            problem = problem or str(error)  # the error itself would hold the file open
        else:
            if problem:
                say('%s; taking %s instead' % (problem, os.path.basename(path)))
            ckpt.model_checkpoint_path = path
            return
    line = '%s; there is no whole checkpoint beside it; empty the folder to train anew'
    raise DamagedError(line % problem)


def restore_path(saver, sess, path, variables=None):
    """Restores one checkpoint. Raises DamagedError and, for another network, CheckpointError."""
    if variables is None:
        variables = {variable.op.name: variable for variable in tf.global_variables()}
    try:
        if not os.path.basename(path):
            raise ValueError('the file `checkpoint` is missing or damaged')
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
    except READ_ERRORS as error:
        raise DamagedError('%s: cannot be restored (%s)' % (path, reason(error))) from error


class Manager:
    """Saves the checkpoints of a training; inside the `with` it has their folder to itself."""

    def __init__(self, path, seed):
        """path: of the checkpoints, without their step; seed: for the file beside them."""
        self.folder, name = os.path.dirname(path) or '.', os.path.basename(path)
        self._path, self._seed = os.path.join(self.folder, name), seed
        self._name = re.escape(name) + r'-\d+'  # of our checkpoints
        self._listed = []  # the checkpoints in the file `checkpoint`, as of the last save
        self._lock = files.Lock(os.path.join(self.folder, 'lock'))
        # what a save leaves that did not come to its end, TensorFlow's part and ours
        self._temporary = self._name + r'\.(data-\d+-of-\d+|index)\.tempstate\d+'
        self._temporary += r'|(checkpoint|seed)' + re.escape(files.TEMPORARY)

    def __enter__(self):
        """Raises files.LockError if the folder is in use, CheckpointError if it cannot be used."""
        self._patiently(self._lock.take)
        files.remove(files.matching(self.folder, self._temporary))
        return self

    def __exit__(self, *error):
        self._lock.release()

    def save(self, saver, sess, step):
        """Saves all variables as of `step`; deletes the oldest beyond the saver's max_to_keep.

        Raises CheckpointError if it cannot be written; those before it are then as they were.
        Raises files.LockError if the folder was deleted and another training has begun there.
        """
        self._patiently(self._save, saver, sess, step)

    def is_current(self, step):
        """Returns whether the file `checkpoint` names our checkpoint of `step` as current."""
        ckpt = get_checkpoint_state(self.folder)
        return ckpt is not None and ckpt.model_checkpoint_path == '%s-%d' % (self._path, step)

    def _patiently(self, action, *args):
        """Calls action(*args) again and again before it gives up: somebody may delete the folder,
        and on Windows a file cannot be replaced while another process reads it.
        """
        for pause in (*PAUSES, None):
            try:
                return action(*args)
            except WRITE_ERRORS as error:
                if pause is None:
                    line = '%s: cannot be written to (%s); make room or give permission, or use '
                    line += 'another folder'
                    raise CheckpointError(line % (self.folder, reason(error))) from error
            time.sleep(pause)

    def _save(self, saver, sess, step):
        self._lock.take()
        files.write(os.path.join(self.folder, 'seed'), b'%d\n' % self._seed)
        try:
            # no .meta file: nobody reads it, and it is a third of the time
            saver.save(sess, self._path, step, write_meta_graph=False, write_state=False)
        except ValueError as error:  # of a folder that has vanished
            raise OSError(reason(error)) from error
        path = '%s-%d' % (self._path, step)
        for written in [*self._files(path), self.folder]:
            files.flush(written)
        last, found = get_checkpoint_state(self.folder), by_step(self.folder)
        if not last or path not in found:
            raise OSError('somebody deletes the files in it')
        # a second Saver in this folder replaces the list by its own
        listed = [other for other in self._listed if other in found]
        paths = list(dict.fromkeys([*listed, *last.all_model_checkpoint_paths, path]))
        # a training may have gone back to an old one
        paths.sort(key=lambda other: (other == path, other == last.model_checkpoint_path))
        ours = [other for other in paths if re.fullmatch(self._name, os.path.basename(other))]
        old = ours[: -saver.as_saver_def().max_to_keep]
        # a checkpoint that cannot be deleted stays listed, for the next save
        self._listed = [p for p in paths if not (p in old and files.remove(self._files(p)))]
        names = [os.path.basename(other) for other in self._listed]
        state = CheckpointState(model_checkpoint_path=names[-1], all_model_checkpoint_paths=names)
        files.write(os.path.join(self.folder, 'checkpoint'), str(state).encode())

    def _files(self, path):
        """Returns the paths of a checkpoint's files."""
        name = re.escape(os.path.basename(path))
        return files.matching(self.folder, name + r'\.(data-\d+-of-\d+|index|meta)')


def reason(error):
    """Returns what matters of an error; of TensorFlow's many lines, the one before the node."""
    if isinstance(error, UnicodeDecodeError):  # of a message that Windows gave in its own encoding
        error = error.object.decode(locale.getpreferredencoding(False), 'replace')
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = re.search(r'(.+)\n\s*\[\[', str(error))
    return found.group(1) if found else str(error).split('\n')[0]
