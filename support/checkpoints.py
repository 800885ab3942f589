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
from types import SimpleNamespace

import tensorflow.compat.v1 as tf

from . import files, terminal

TENSORFLOW_ERRORS = (tf.errors.OpError, ValueError, LookupError, RuntimeError)  # of bad files
PAUSES = (0.1, 0.2, 0.4, 0.6, 0.7)  # seconds between the attempts of a save
# a line of the file `checkpoint`: the text form of TensorFlow's CheckpointState
FIELD = re.compile(r"""\s*(\w+)\s*:\s*(?:(["'])(.*)\2|[\w.+-]+)\s*|\s*(?:#.*)?""")


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; one line says which, why, and what to do."""

    exit_status = 1


class DamagedError(CheckpointError):
    """A checkpoint, or the file `checkpoint`, is missing or not as it was written."""

    def __init__(self, problem, advice):
        super().__init__('%s; %s' % (problem, advice))
        self.problem = problem


class UnknownNameError(DamagedError):
    """The file `checkpoint` names what is not there and not in its list: a slip of the pen."""


def get_checkpoint_state(model_dir):
    """Returns what the file `checkpoint` says, None if there are no checkpoints.

    That is model_checkpoint_path, the current checkpoint, is_latest: whether none was saved after
    it, and `problem`: None, or why the file has no say and model_checkpoint_path is the checkpoint
    of the highest step instead. Raises CheckpointError.
    """
    found = by_step(model_dir)
    names = listed(model_dir)
    path = os.path.join(model_dir, 'checkpoint')
    problem = None
    if not names:
        problem = '%s: %s' % (path, 'cannot be read' if os.path.exists(path) else 'missing')
        if not found and not os.path.exists(path):
            return None
        if not found:
            problem += ', and there is no checkpoint beside it'
            raise DamagedError(problem, 'delete it to train anew')
    current, *others = names or found
    path = os.path.join(model_dir, current)
    if found and current not in others and not os.path.exists(path + '.index'):
        problem = '%s: there is no %s' % (os.path.join(model_dir, 'checkpoint'), current)
        raise UnknownNameError(problem, 'name one of %s' % ', '.join(found))
    latest = names[-1] if len(names) > 1 else (found or names)[0]
    return SimpleNamespace(model_checkpoint_path=path, problem=problem, is_latest=current == latest)


def listed(model_dir):
    """Returns the names in the file `checkpoint`, the current one and then all, if any.

    tf.train.get_checkpoint_state does not read it when Notepad has put a byte order mark before it.
    """
    content = files.read(os.path.join(model_dir, 'checkpoint')) or b''
    try:
        fields = [FIELD.fullmatch(line) for line in content.decode('utf-8-sig').splitlines()]
        found = {'model_checkpoint_path': [], 'all_model_checkpoint_paths': []}
        for key, _, path in (field.groups() for field in fields):
            # A folder may have been moved or copied: its own files count, wherever the paths lead.
            path = (path or '').encode().decode('unicode_escape').encode('latin-1').decode()
            found.setdefault(key, []).append(ntpath.basename(path))
    except (UnicodeError, AttributeError):  # no text, no field
        return []
    current = found['model_checkpoint_path'][-1:]
    return current + found['all_model_checkpoint_paths'] if any(current) else []


def by_step(model_dir):
    """Returns the names of the checkpoints in a folder, the highest step first."""
    found = [re.fullmatch(r'(.+-(\d+))\.index', name) for name in check_folder(model_dir)]
    found = sorted((int(match.group(2)), match.group(1)) for match in found if match)
    return [name for _, name in reversed(found)]


def check_folder(model_dir):
    """Returns the names of the files in a folder, none if it does not exist.

    Raises CheckpointError if it can never hold checkpoints.
    """
    refused = None
    if set(model_dir) & set('*?[]'):
        refused = 'TensorFlow takes * ? [ ] for a pattern; rename it'
    elif '\\' in model_dir and os.sep != '\\':
        refused = 'TensorFlow loses checkpoints behind a \\ here; write / between folders'
    elif '://' in model_dir:
        refused = 'is no folder; checkpoints are kept on this machine only'
    elif os.path.islink(model_dir.rstrip('/')) and not os.path.exists(model_dir):
        refused = 'is a link to a folder that does not exist; make that folder, or use another'
    elif re.search('[\ud800-\udfff]', model_dir):
        refused = 'TensorFlow cannot use a name that is not UTF-8; rename it'
    try:
        names = [] if refused else os.listdir(model_dir or '.')
    except FileNotFoundError:
        names = []
    except OSError as error:
        refused = 'cannot be read (%s); use another folder' % reason(error)
    if refused:
        raise CheckpointError('%s: %s' % (model_dir, refused))
    return names


def restore(saver, sess, ckpt, variables=None, say=terminal.say):
    """Restores the current checkpoint or, if that is damaged, the highest step that is whole.

    It says so then, and points ckpt.model_checkpoint_path to it.
    variables: {name in the checkpoint: variable}; None for all of the graph, by their names.
    Raises CheckpointError, also for a checkpoint of another network.
    """
    if variables is None:
        variables = {variable.op.name: variable for variable in tf.global_variables()}
    problem, another = ckpt.problem, None
    folder, current = os.path.split(ckpt.model_checkpoint_path)
    for name in [current] + [name for name in by_step(folder) if name != current]:
        path = os.path.join(folder, name)
        try:
            restore_path(saver, sess, path, variables)
        except DamagedError as error:
            problem = problem or error.problem
        except CheckpointError as error:  # somebody's that lies there is no reason to end
            if not problem:
                raise
            another = another or error
        else:
            if problem:
                say('%s; taking %s instead' % (problem, name))
            ckpt.model_checkpoint_path = path
            return
    if another:
        raise another
    advice = 'there is no whole checkpoint beside it; empty the folder to train anew'
    raise DamagedError(problem, advice)


def restore_path(saver, sess, path, variables):
    """Restores one checkpoint. Raises DamagedError and, for another network, CheckpointError."""
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
        problem = '%s: cannot be restored (%s)' % (path, reason(error))
        raise DamagedError(problem, 'delete it') from error


class Manager:
    """Saves the checkpoints of a training; inside the `with` it has their folder to itself."""

    def __init__(self, path, notes):
        """path: of the checkpoints, without their step; notes: {name: text} for beside them."""
        self.folder, name = os.path.dirname(path) or '.', os.path.basename(path)
        self._path, self._notes = path, notes
        self._warned = set()
        self._lock_path = os.path.join(self.folder, 'lock')
        self._lock = files.Lock(self._lock_path)
        texts = '|'.join(['checkpoint', *notes])
        self._temporary = r'(%s)%s|(checkpoint|seed)\.tmp' % (texts, re.escape(files.TEMPORARY))
        self._temporary += r'|%s-\d+\.(data-\d+-of-\d+|index)\.tempstate\d+' % re.escape(name)

    def __enter__(self):
        """Raises CheckpointError if the folder is in use, or cannot be used."""
        self._patiently(self._take_folder)
        return self

    def __exit__(self, *error):
        self._remove_temporary_files()
        self._lock.release()

    def save(self, saver, sess, step):
        """Saves all variables as of `step`; deletes the oldest beyond the saver's max_to_keep.

        Raises CheckpointError if it cannot be written; those before it are then as they were.
        """
        self._patiently(self._save, saver, sess, step)

    def _patiently(self, action, *args):
        """Calls action(*args) again and again before it gives up: somebody may delete the folder,
        and on Windows a file cannot be replaced while another process reads it.
        """
        for pause in (*PAUSES, None):
            try:
                return action(*args)
            except BlockingIOError as error:
                line = '%s: process %s trains in this folder; stop it, or use another --model_dir'
                raise CheckpointError(line % (self._lock_path, error)) from error
            except (OSError, *TENSORFLOW_ERRORS) as error:
                if isinstance(error, FileExistsError) and error.filename == self._lock_path:
                    line = (
                        '%s: is not the lock of a training (%s); rename it, or use another folder'
                    )
                    raise CheckpointError(line % (self._lock_path, error.strerror)) from error
                if pause is None:
                    line = '%s: cannot be written to (%s); make room or give permission, or use '
                    line += 'another folder'
                    raise CheckpointError(line % (self.folder, reason(error))) from error
            time.sleep(pause)

    def _take_folder(self):
        if not self._lock.take():
            self._warn('has no locks: start no second training in it')
        self._remove_temporary_files()

    def _save(self, saver, sess, step):
        self._lock.take()
        self._remove_temporary_files()
        for name, text in self._notes.items():
            files.write(os.path.join(self.folder, name), text.encode())
        # no .meta file: nobody reads it, and it is a third of the time
        path = saver.save(
            sess, self._path, global_step=step, write_meta_graph=False, write_state=False
        )
        current = os.path.basename(path)
        for written in self._files(current):
            files.flush(written)
        if not files.flush(self.folder):
            self._warn('cannot flush folders: a power failure may cost the last checkpoint')
        last, *names = listed(self.folder) or [None]
        names = [name for name in names if name != current] + [current]
        # a training may have gone back to an old one
        names.sort(key=lambda name: (name == current, name == last))
        self._write_list(current, names)
        keep = saver.as_saver_def().max_to_keep
        # only what is listed is ours, so that what is not gone stays listed, for the next save
        gone = [name for name in names[:-keep] if files.remove(self._files(name))]
        if gone:
            self._write_list(current, [name for name in names if name not in gone])

    def _warn(self, missing):
        if missing not in self._warned:
            self._warned.add(missing)
            terminal.say('%s: this file system %s' % (self.folder, missing))

    def _write_list(self, current, names):
        folder = os.path.abspath(self.folder)
        state = tf.train.generate_checkpoint_state_proto(folder, current, names)
        files.write(os.path.join(self.folder, 'checkpoint'), str(state).encode())

    def _files(self, name):
        """Returns the paths of a checkpoint's files."""
        return files.matching(self.folder, re.escape(name) + r'\.(data-\d+-of-\d+|index|meta)')

    def _remove_temporary_files(self):
        """Removes what a save leaves that did not come to its end, TensorFlow's part and ours."""
        if self._lock.is_held():
            files.remove(files.matching(self.folder, self._temporary))


def reason(error):
    """Returns what matters of an error; of TensorFlow's many lines, the one before the node."""
    if isinstance(error, UnicodeDecodeError):  # of a message that Windows gave in its own encoding
        encoding = getattr(locale, 'getencoding', locale.getpreferredencoding)()  # from 3.11 on
        error = error.object.decode(encoding, 'replace')
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = re.search(r'(.+)\n\s*\[\[', str(error))
    return found.group(1) if found else str(error).split('\n')[0]
