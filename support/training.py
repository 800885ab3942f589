"""A training from its seed to its last save: what `backward` talks to.

Owns the seed, and that nothing is lost however a training ends. How a folder is locked and written
to, a signal deferred or a line shown, checkpoints, signals and terminal know.
"""

import contextlib
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, processor, reports, signals, terminal


class NotFiniteError(Exception):
    """The loss or a variable has become infinite or nan; one line says which, and what to do."""

    exit_status = 1


class Run:
    """A training up to the next multiple of its length: its session, its steps, its saves.

    seed: of all its random numbers; end: its last step, known when the steps begin.
    """

    def __init__(self, model_dir, name, seed, default_seed):
        """seed: None for that of the training resumed, or default_seed. Raises CheckpointError."""
        self.seed, self._said = choose_seed(model_dir, seed, default_seed)
        self.end = None
        self._saved = None  # the step, or that of the start
        path = os.path.join(model_dir, name)
        self._manager = checkpoints.Manager(path, {'seed': '%d\n' % self.seed})

    @contextlib.contextmanager
    def session(self, saver, global_step, learning_rate, bfloat16):
        """A tf.Session inside which signals are deferred, and no other training uses the folder.

        Made when the graph has all its variables. If a signal, or a reader of stdout that went
        away, has ended the steps early, the last one is saved before the session is closed.
        Raises CheckpointError, NotFiniteError and, after a signal, signals.Interrupted.
        """
        config = processor.session_config(bfloat16)
        with tf.Session(config=config) as sess, self._manager, signals.Deferred() as self._asked:
            if self._said:
                print(self._said, file=sys.stderr, flush=True)
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
        print('training from step %d to step %d' % (start, self.end), file=sys.stderr, flush=True)
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
    """Returns `seed`, or if it is None the one kept in model_dir, or else `default`.

    With it comes what to say, or None: a line for when it is not the one kept. Raises
    checkpoints.CheckpointError if it is to be the one kept, and that is no seed.
    """
    if not checkpoints.by_step(model_dir):
        return default if seed is None else seed, None
    path = os.path.join(model_dir, 'seed')
    kept, found = None, 'cannot be read' if os.path.exists(path) else 'missing'
    with contextlib.suppress(OSError, ValueError), open(path, 'rb') as file:
        number = int(file.read(100))
        if 0 <= number < 2**31:
            kept, found = number, 'has %d' % number
    if seed is None and found == 'cannot be read':
        raise checkpoints.CheckpointError('%s: %s; give one with --seed' % (path, found))
    seed = next(number for number in (seed, kept, default) if number is not None)
    return seed, None if seed == kept else '%s: %s; going on with seed %d' % (path, found, seed)


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
