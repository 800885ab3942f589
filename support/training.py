"""A training from its seed to its last save: what `backward` talks to.

Owns the seed, and that nothing is lost however a training ends. How a folder is locked and written
to, a signal deferred or a line shown, checkpoints, signals and terminal know.
"""

import contextlib
import os
import re

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, files, processor, reports, signals, terminal


class NotFiniteError(Exception):
    """The loss or a variable has become infinite or nan; one line says which, and what to do."""

    exit_status = 1


class Run:
    """A training up to the next multiple of its length: its session, its steps, its saves.

    seed: of all its random numbers; end: its last step, known when the steps begin.
    """

    def __init__(self, model_dir, name, seed, default_seed, bfloat16):
        """seed: None for that of the training resumed, or default_seed. Raises CheckpointError."""
        if not name or set(name) & set('/\\*?[]'):
            raise checkpoints.CheckpointError('MODEL_NAME: %r is no name for a file' % name)
        self.seed, said = choose_seed(model_dir, seed, default_seed)
        arithmetic = 'bfloat16' if bfloat16 else 'float32'
        self._said = said + check_arithmetic(model_dir, arithmetic)
        self.end = None
        self._bfloat16 = bfloat16
        self._saved = None  # the step, or that of the start
        notes = {'seed': '%d\n' % self.seed, 'arithmetic': arithmetic + '\n'}
        self._manager = checkpoints.Manager(os.path.join(model_dir, name), notes)

    @contextlib.contextmanager
    def session(self, saver, global_step, learning_rate):
        """A tf.Session inside which signals are deferred, and no other training uses the folder.

        Made when the graph has all its variables. If a signal, or a reader of stdout that went
        away, has ended the steps early, the last one is saved before the session is closed.
        Raises CheckpointError, NotFiniteError and, after a signal, signals.Interrupted.
        """
        config = processor.session_config(self._bfloat16)
        with tf.Session(config=config) as sess, self._manager, signals.Deferred() as self._asked:
            for line in self._said:
                terminal.say(line)
            self._saver, self._sess, self._global_step = saver, sess, global_step
            self._finite = _Finite(sess, learning_rate)
            unread = None
            try:
                yield sess
            except OSError as error:  # of print
                unread = error
            step = int(sess.run(global_step))
            if self._saved is not None and (unread or self._asked.signum and step < self.end):
                if step != self._saved:
                    self._save(step)
                if self._asked.signum:  # also if unread: Ctrl-C in `| tee log` ends tee, too
                    line = 'stopped; step %d is saved in %s, run the same command again to go on'
                    line %= step, self._manager.folder
                    raise signals.Interrupted(self._asked.signum, line)
            if unread:
                raise unread

    def steps(self, data, batch_size, length, save_steps):
        """Yields the steps from the restored one to before `end`, or to that in which a signal
        comes. On a terminal a live line says where it is, between the lines of every save_steps.

        data: if it has input_data's `seek`, that finds the batch of the first step.
        """
        start = int(self._sess.run(self._global_step))
        self.end = (start // length + 1) * length
        terminal.say('training from step %d to step %d' % (start, self.end))
        if hasattr(data, 'seek'):  # others' data sets may have no such method
            data.seek(start * batch_size, self.seed)
        self._saved = start
        self._report = reports.Training(self._manager.folder, self._sess, start)
        for i in terminal.live_range(start, self.end, length, save_steps):
            yield i
            if self._asked.signum:
                return

    def save(self, step, loss, cross_entropy, learning_rate):
        """Saves a checkpoint of `step` and adds its numbers to the curves.

        Raises NotFiniteError if the loss or a variable is not finite, CheckpointError if the
        checkpoint cannot be written. In both cases those before it are as they were.
        """
        self._save(step, loss)
        self._report.add(step, loss, cross_entropy, learning_rate)

    def _save(self, step, loss=None):
        self._finite.check(step, loss)
        self._manager.save(self._saver, self._sess, step)
        self._saved = step


def choose_seed(model_dir, seed, default):
    """Returns `seed`, or if it is None the one kept in model_dir, or else `default`; and what there
    is to say: a list of a line if it is not the one kept.

    Raises checkpoints.CheckpointError if what is kept is no seed, and is not to be replaced.
    """
    path, kept = _note(model_dir, 'seed', r'\d{1,10}')
    found = 'missing'
    if kept is not None:
        kept = int(kept) if kept and int(kept) < 2**31 else None
        found = 'cannot be read' if kept is None else 'has %d' % kept
    is_resumed = bool(checkpoints.by_step(model_dir))
    if found == 'cannot be read' and not is_resumed:
        _refuse(path)
    if found == 'cannot be read' and seed is None:
        raise checkpoints.CheckpointError('%s: %s; give one with --seed' % (path, found))
    if not is_resumed:
        return default if seed is None else seed, []
    seed = next(number for number in (seed, kept, default) if number is not None)
    line = '%s: %s; going on with seed %d' % (path, found, seed)
    return seed, [] if seed == kept else [line]


def check_arithmetic(model_dir, arithmetic):
    """Returns what there is to say: a list of a line if another arithmetic is kept in model_dir.

    Raises checkpoints.CheckpointError if what is kept is none.
    """
    path, kept = _note(model_dir, 'arithmetic', 'float32|bfloat16')
    if kept == '':
        _refuse(path)
    if kept in (None, arithmetic) or not checkpoints.by_step(model_dir):
        return []
    return ['%s: has %s; going on with %s' % (path, kept, arithmetic)]


def _note(model_dir, name, pattern):
    """Returns the path of a text file beside the checkpoints and what it says: None if there is no
    such file, '' if it is of another form.
    """
    path = os.path.join(model_dir, name)
    if not os.path.lexists(path):
        return path, None
    text = (files.read(path) or b'').decode('utf-8', 'replace').strip()
    return path, text if re.fullmatch(pattern, text) else ''


def _refuse(path):
    line = '%s: is not a file of a training; rename it, or use another folder' % path
    raise checkpoints.CheckpointError(line)


class _Finite:
    """Whether the numbers of a training are finite, without which they are not saved."""

    def __init__(self, sess, learning_rate):
        numbers = {'loss': tf.add_n(tf.get_collection('losses'))}  # the part that needs no batch
        numbers.update((v.op.name, v) for v in tf.global_variables() if v.dtype.is_floating)
        self._finite = {name: tf.reduce_all(tf.is_finite(n)) for name, n in numbers.items()}
        self._sess, self._learning_rate = sess, learning_rate

    def check(self, step, loss):
        """Raises NotFiniteError. loss: that of the step, or None where it is not known."""
        finite = self._sess.run(self._finite)
        if loss is not None:
            finite['loss'] = np.isfinite(loss)
        for name in finite:
            if not finite[name]:
                line = 'step %d: %s is not finite, at learning rate %g; it is not saved. Lower '
                line += 'LEARNING_RATE_BASE and run again, to go on from the checkpoint before it'
                raise NotFiniteError(line % (step, name, self._sess.run(self._learning_rate)))
