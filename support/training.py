"""A training from its seed to its last save: what `backward` talks to.

Owns the seed, the end by a signal, the arithmetic, and that nothing is lost however a training
ends. How a folder is locked and written to or a line shown, checkpoints and command_line know.
"""

import contextlib
import os
import re
import signal

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, command_line, files, tensorboard

SIGNALS = 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'  # the last is Windows' Ctrl-Break
BFLOAT16 = 'auto_mixed_precision_onednn_bfloat16'  # of grappler, TensorFlow's optimizer


class TrainingError(Exception):
    """A training cannot go on, or not so; one line says why, and what to do."""

    exit_status = 1


class Interrupted(KeyboardInterrupt):
    """A signal has ended the training; one line says what is saved. exit_status: 128 and it."""


class Run:
    """A training up to the next multiple of its length: its session, its steps, its saves.

    seed: of all its random numbers; end: its last step, known when the steps begin.
    """

    def __init__(self, model_dir, name, default_seed, seed=None):
        """seed: in the place of the one kept in model_dir, and of default_seed, which is that of
        a new training. Raises CheckpointError and TrainingError.
        """
        checkpoints.refuse_typing_error(model_dir)
        self.seed = choose_seed(model_dir, default_seed, seed)
        self.end = None
        self._manager = checkpoints.Manager(os.path.join(model_dir, name), self.seed)

    @contextlib.contextmanager
    def session(self, saver, global_step, learning_rate, bfloat16=False):
        """A tf.Session inside which signals are deferred, and no other training uses the folder.

        Made when the graph has all its variables. Before it closes, it saves the last step unless
        that is current: the steps may end early, and a second Saver may make its own one current.
        Raises files.LockError, CheckpointError, TrainingError and, after a signal, Interrupted.
        """
        self._saver, self._global_step, self._learning_rate = saver, global_step, learning_rate
        numbers = [variable for variable in tf.global_variables() if variable.dtype.is_floating]
        self._finite = {v.op.name: tf.reduce_all(tf.is_finite(v)) for v in numbers}
        config = session_config(bfloat16)
        with tf.Session(config=config) as sess, self._manager, deferred_signals() as signals:
            self._sess, self._signals = sess, signals
            unread = None
            try:
                yield sess
            except OSError as error:  # of print, as after `| head`
                unread = error
            step = int(sess.run(global_step))
            if self.end and step and not self._manager.is_current(step):
                self.save(step)
            if signals and step != self.end:  # if unread, too: Ctrl-C in `| tee log` ends tee
                line = 'stopped; step %d is saved in %s, run the same command again to go on'
                interrupted = Interrupted(line % (step, self._manager.folder))
                interrupted.exit_status = 128 + signals[0]
                raise interrupted
            if unread:
                raise unread

    def steps(self, data, batch_size, length):
        """Yields the steps from the restored one to before `end`, or to that in which a signal
        comes. On a terminal a live line says where it is.

        data: if it has input_data's `seek`, that finds the batch of the first step.
        """
        start = int(self._sess.run(self._global_step))
        self.end = (start // length + 1) * length
        folder = os.path.abspath(self._manager.folder)
        line = 'training from step %d to step %d; checkpoints go to %s'
        command_line.say(line % (start, self.end, folder))
        if hasattr(data, 'seek'):  # others' data sets may have no such method
            data.seek(start * batch_size, self.seed)
        self._curves = tensorboard.Training(folder, start, self._sess, self._learning_rate)
        for step in command_line.live_range(start, self.end, length):
            yield step
            if self._signals:
                return

    def save(self, step, loss=None):
        """Saves a checkpoint of `step` and, given its loss, adds its numbers to the curves.

        Raises TrainingError if the loss or a variable is not finite, CheckpointError if the
        checkpoint cannot be written. In both cases those before it are as they were.
        """
        finite = self._sess.run(self._finite)
        finite['loss'] = loss is None or np.isfinite(loss)
        for name in finite:
            if not finite[name]:
                line = 'step %d: %s is not finite, at learning rate %g; it is not saved. Lower '
                line += 'LEARNING_RATE_BASE and run again, to go on from the checkpoint before it'
                raise TrainingError(line % (step, name, self._sess.run(self._learning_rate)))
        self._manager.save(self._saver, self._sess, step)
        if loss is not None:
            self._curves.add(step, loss)


def choose_seed(model_dir, default, seed=None):
    """Returns `seed`; if that is None, the one kept in model_dir beside checkpoints, or `default`.

    It says so if it is not the one kept. Raises TrainingError if that cannot be read.
    """
    if not checkpoints.by_step(model_dir):
        return default if seed is None else seed
    path = os.path.join(model_dir, 'seed')
    text = (files.read(path) or b'').decode('latin-1').strip()
    kept = int(text) if re.fullmatch(r'\d{1,10}', text) and int(text) < 2**31 else None
    if kept is None and seed is None and os.path.exists(path):
        raise TrainingError('%s: cannot be read; give the seed with --seed' % path)
    chosen = next(number for number in (seed, kept, default) if number is not None)
    if chosen != kept:
        command_line.say('%s: has %s; going on with seed %d' % (path, kept, chosen))
    return chosen


def session_config(bfloat16):
    """Returns the options of a session: with `bfloat16`, convolutions and matrix products take
    bfloat16 numbers, of 8 bits of precision, and add up in float32. Variables stay float32.

    Raises TrainingError if TensorFlow or, as far as Linux says, the processor cannot do that.
    """
    config = tf.ConfigProto()
    if bfloat16:
        options = config.graph_options.rewrite_options
        features = files.read('/proc/cpuinfo') or b'amx_bf16'  # only Linux has this file
        if not hasattr(options, BFLOAT16) or not re.search(rb'avx512_bf16|amx_bf16', features):
            line = '--bfloat16: TensorFlow %s or this processor (without avx512_bf16 and amx_bf16) '
            line += 'has no such arithmetic; train without the flag'
            raise TrainingError(line % tf.__version__)
        setattr(options, BFLOAT16, options.ON)
    return config


@contextlib.contextmanager
def deferred_signals():
    """Inside the `with`, Ctrl-C, Ctrl-Break, SIGTERM and SIGHUP only go into the list it gives.

    A second Ctrl-C does what it did before. Signals that were ignored stay ignored, and off the
    main thread all are left as they are.
    """
    received, handlers = [], {}

    def defer(signum, frame):
        received.append(signum)
        if signum == signal.SIGINT:
            signal.signal(signum, handlers[signum])

    with contextlib.suppress(ValueError):  # off the main thread
        for signum in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
            if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                handlers[signum] = signal.signal(signum, defer)
    try:
        yield received
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
