"""The folder model/: its checkpoints, which of them is current, and the training's seed.

A checkpoint is two files, mnist_model-301.index and mnist_model-301.data-00000-of-00001. The text
file `checkpoint` beside them names the current checkpoint, and lists those that later saves may
delete.
"""

import ntpath
import os
import re
import time

import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from . import console, files

# TensorFlow cannot decode a message of a Chinese Windows, nor encode a path that is not UTF-8
WRITE_ERRORS = (OSError, tf.errors.OpError, UnicodeError)
# the protobuf class of the file `checkpoint`, which TensorFlow does not export
CheckpointState = type(tf.train.generate_checkpoint_state_proto('.', 'name', ['name']))
PAUSES = (0.1, 0.2, 0.4, 0.6, 0.7)  # seconds between the attempts to write
PATTERN = '*?[]' if os.name == 'nt' else '*?[]\\'  # TensorFlow takes these for a pattern


class CheckpointError(console.Error):
    """A checkpoint, or its folder, cannot be used. The message says why, and what to do."""


class DamagedError(CheckpointError):
    """A checkpoint, or the file `checkpoint`, is missing or damaged, or cannot be read."""


def get_checkpoint_state(model_dir):
    """Returns the CheckpointState in the file `checkpoint`. Returns None if there is neither that
    file nor a checkpoint.

    The result's paths all point into model_dir, so a moved or copied folder works. If the file is
    missing or damaged, model_checkpoint_path is model_dir itself, never ''. May raise DamagedError.
    """
    path = os.path.join(model_dir, 'checkpoint')
    if not newest_first(model_dir) and not os.path.exists(path):
        return None
    try:
        with open(path, 'rb') as file:
            content = file.read().decode('utf-8-sig')  # Notepad's byte order mark
        written = text_format.Parse(content, CheckpointState())
    except (FileNotFoundError, text_format.ParseError, UnicodeDecodeError):
        written = CheckpointState()
    except OSError as error:
        raise DamagedError(f'{path}: give permission to read it ({files.reason(error)})') from error
    paths = [written.model_checkpoint_path, *written.all_model_checkpoint_paths]
    current, *others = [os.path.join(model_dir, ntpath.basename(path)) for path in paths]
    return CheckpointState(model_checkpoint_path=current or './', all_model_checkpoint_paths=others)


def step_of(path):
    """Returns the step at the end of a checkpoint's name, as a string."""
    return os.path.basename(path).split('-')[-1]


def newest_first(model_dir):
    """Returns checkpoint paths, the highest step first. Raises OSError and CheckpointError."""
    if set(os.fspath(model_dir)) & set(PATTERN):
        raise CheckpointError(f'{model_dir}: TensorFlow reads {PATTERN} as a pattern; rename it')
    paths = [path[: -len('.index')] for path in files.matching(model_dir, r'.+-\d+\.index')]
    return sorted(paths, key=lambda path: -int(step_of(path)))


def check_current_exists(model_dir):
    """Raises CheckpointError if the current checkpoint is neither in the folder nor in the list."""
    path, saved = os.path.join(model_dir, 'checkpoint'), newest_first(model_dir)
    if os.path.exists(path + '.txt'):  # as Notepad makes it
        console.say(f'{path}.txt: is not read; to use this file, replace `checkpoint` with it')
    ckpt = get_checkpoint_state(model_dir) or CheckpointState()
    current, listed = os.path.basename(ckpt.model_checkpoint_path), ckpt.all_model_checkpoint_paths
    if current and saved and ckpt.model_checkpoint_path not in [*saved, *listed]:
        names = ', '.join(map(os.path.basename, saved))
        raise CheckpointError(f'{path}: there is no {current}; name one of {names}')


def choose_seed(model_dir, default, seed=None):
    """Returns `seed`. If that is None, returns the seed stored beside checkpoints, or `default`.
    Says so if that is another seed than the stored one. May raise CheckpointError.
    """
    if not newest_first(model_dir):
        return default if seed is None else seed
    path = os.path.join(model_dir, 'seed')
    text = (files.read(path) or b'').decode('latin-1').strip()
    stored = int(text) if re.fullmatch(r'\d{1,10}', text) and int(text) < 2**31 else None
    if stored is None and seed is None and os.path.exists(path):
        raise CheckpointError(f'{path}: cannot be read; pass the seed with --seed')
    chosen = next(number for number in (seed, stored, default) if number is not None)
    if chosen != stored:
        problem = 'no seed is stored' if stored is None else f'contains {stored}'
        console.say(f'{path}: {problem}; continuing with seed {chosen}')
    return chosen


def restore(saver, sess, ckpt, say=console.say):
    """Restores the current checkpoint. If that is damaged, restores the highest good step, says so,
    and names it in ckpt, a CheckpointState. Raises CheckpointError, also for another network.
    """
    current, problem = ckpt.model_checkpoint_path, None
    for path in dict.fromkeys([current, *newest_first(os.path.dirname(current))]):
        try:
            restore_path(saver, sess, path)
        except CheckpointError as error:
            if not (problem or isinstance(error, DamagedError)):
                raise
            problem = problem or str(error)  # the error object would keep the file open
        else:
            if problem:
                say(f'{problem}; taking {os.path.basename(path)} instead')
            ckpt.model_checkpoint_path = path
            return
    raise DamagedError(f'{problem}; nor can any other in the folder; to train anew, move it away')


def restore_path(saver, sess, path):
    """Restores one checkpoint. Raises DamagedError and, for another network, CheckpointError."""
    folder, name = os.path.split(path)
    if not files.matching(folder, re.escape(name) + r'\.index'):  # TensorFlow would take a pattern
        why = f'{name}.index is missing' if name else 'the file `checkpoint` is missing or damaged'
        raise DamagedError(f'{path}: cannot be restored ({why})')
    variables = _saved(saver, sess.graph)  # an error of this Saver is no damage
    try:
        # load_checkpoint first looks for a folder of this name, which Windows' TensorFlow garbles
        reader = tf.train.NewCheckpointReader(path)
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        for stored in shapes:
            reader.get_tensor(stored)  # compares a checksum, also of variables that nobody restores
        for name, variable in sorted(variables.items()):
            # Saver.restore would give a resource variable the shape in the checkpoint
            wanted = f'{variable.dtype.base_dtype.name} {variable.shape.as_list()}'
            stored = f'{types[name].name} {shapes[name]}' if name in shapes else 'no such variable'
            if stored != wanted:
                problem = f'{path}: is of another network, optimizer, average or scope'
                advice = 'name another one in the file `checkpoint`, or use another folder'
                raise CheckpointError(f'{problem} ({name}: {stored}, and not {wanted}); {advice}')
        saver.restore(sess, path)
    except (tf.errors.OpError, ValueError, LookupError) as error:  # of a damaged file
        raise DamagedError(f'{path}: cannot be restored ({files.reason(error)})') from error


def check_saver(saver, global_step):
    """Raises CheckpointError if a Saver leaves out the step. Says what else it leaves out."""
    names = {variable.op.name for variable in tf.global_variables()}
    left_out = sorted(names.difference(_saved(saver, global_step.graph)))
    if global_step.op.name in left_out:
        raise CheckpointError(f'the Saver has no {global_step.op.name}, the step; pass it, too')
    if left_out:
        console.say(f'the Saver has no {", ".join(left_out)}; what it lacks begins anew')


def _saved(saver, graph):
    """Returns {name in the checkpoint: tensor} of what a Saver saves and restores."""
    scope = saver.as_saver_def().save_tensor_name.rpartition('/')[0]
    save = graph.get_operation_by_name(f'{scope}/SaveV2')
    names = tf.make_ndarray(save.inputs[1].op.get_attr('value'))
    return dict(zip(map(bytes.decode, names), save.inputs[3:]))


def rotate(listed, current, new, number, pattern):
    """Returns which checkpoints stay listed, the new one last, and which are too old.

    listed: paths, oldest first; current: it becomes the last but one; number: how many of those
    whose names match the pattern stay, 0 for all.
    """
    order = sorted(dict.fromkeys([*listed, new]), key=lambda path: (path == new, path == current))
    old = [path for path in order if re.fullmatch(pattern, os.path.basename(path))][:-number]
    return [path for path in order if path not in old], old


class Manager:
    """Saves a training's checkpoints. Inside the `with`, no other training has the folder."""

    def __init__(self, folder, name, seed):
        """name: of its checkpoints, without the step; seed: stored in the file `seed`."""
        if not name or set(name) & set('*?[]/\\'):
            raise CheckpointError(f'MODEL_NAME {name!r}: write a name without any of *?[]/\\')
        self.folder = os.path.dirname(os.path.join(folder, name)) or '.'
        self._path, self._seed = os.path.join(self.folder, name), seed
        self._name = re.escape(name) + r'-\d+'  # of our checkpoints; we delete no other Saver's
        self._listed = []  # the checkpoints in the file `checkpoint`, as of the last save
        self._lock = files.Lock(os.path.join(self.folder, 'lock'))
        # what an interrupted save leaves: TensorFlow's files, and ours
        self._temporary = self._name + r'\.(data-\d+-of-\d+|index)\.tempstate\d+'
        self._temporary += r'|(checkpoint|seed)' + re.escape(files.TEMPORARY)

    def __enter__(self):
        """Raises files.LockError if the folder is in use, CheckpointError if it cannot be used."""
        self._try_repeatedly(self._lock.take)
        files.remove(files.matching(self.folder, self._temporary))
        return self

    def __exit__(self, *error):
        self._lock.release()

    def save(self, saver, sess, step):
        """Saves the variables as of `step`. Keeps the saver's max_to_keep checkpoints.

        Raises CheckpointError if the folder cannot be written to, and files.LockError if the folder
        was deleted and another training now uses it. The earlier checkpoints do not change then.
        """
        self._try_repeatedly(self._save, saver, sess, step)

    def is_current(self, step):
        """Returns whether the file `checkpoint` names our checkpoint of `step` as current."""
        ckpt = get_checkpoint_state(self.folder) or CheckpointState()
        return ckpt.model_checkpoint_path == f'{self._path}-{step}'

    def _try_repeatedly(self, action, *args):
        # somebody may delete the folder, and Windows cannot replace a file that is being read
        for pause in (*PAUSES, None):
            try:
                return action(*args)
            except (*WRITE_ERRORS, ValueError, DamagedError) as error:  # ValueError: no folder
                if pause is None:
                    problem = f'{self.folder}: cannot be written to ({files.reason(error)})'
                    advice = 'make room or give permission, or use another folder'
                    raise CheckpointError(f'{problem}; {advice}') from error
            time.sleep(pause)

    def _save(self, saver, sess, step):
        self._lock.take()
        files.write(os.path.join(self.folder, 'seed'), b'%d\n' % self._seed)
        new = f'{self._path}-{step}'
        # no .meta file: nobody reads it, and writing it takes a third of the time
        saver.save(sess, self._path, step, write_meta_graph=False, write_state=False)
        for path in self._files(new):  # a power failure must not damage all the kept checkpoints
            with open(path, 'r+b') as file:
                os.fsync(file.fileno())
        last = get_checkpoint_state(self.folder)
        if not last or new not in newest_first(self.folder):
            raise OSError('somebody deletes the files in it')
        # a second Saver in this folder replaces the list by its own
        there = {path.rsplit('.', 1)[0] for path in self._files()}
        listed = filter(there.__contains__, [*self._listed, *last.all_model_checkpoint_paths])
        number = saver.as_saver_def().max_to_keep
        kept, old = rotate(listed, last.model_checkpoint_path, new, number, self._name)
        # a checkpoint that cannot be deleted stays listed, for the next save
        self._listed = [path for path in old if not files.remove(self._files(path))] + kept
        names = [os.path.basename(path) for path in self._listed]
        state = CheckpointState(model_checkpoint_path=names[-1], all_model_checkpoint_paths=names)
        files.write(os.path.join(self.folder, 'checkpoint'), str(state).encode())

    def _files(self, path=None):
        """Returns the paths of a checkpoint's files, or of the files of all checkpoints."""
        name = re.escape(os.path.basename(path)) if path else '.+'
        return files.matching(self.folder, name + r'\.(data-\d+-of-\d+|index|meta)')
