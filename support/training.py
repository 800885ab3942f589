"""Manages one training, from its seed to its last save. `backward` uses it like this:

    run = training.Run('./model/', 'mnist_model', 1)       # checks the folder, chooses run.seed
    with run.session(saver, global_step, rate) as sess:    # locks the folder, defers signals
        sess.run(init_op)                                  # here, restore a checkpoint if any
        for i in run.steps(mnist.train, 100, 50000):       # moves the data to batch i, sets run.end
            ...                                            # train: step i + 1
            run.save(i + 1, loss)                          # a checkpoint, a point on the curves

Leaving the `with` saves the last step and releases the lock. After a signal it raises Interrupted.
"""

import contextlib
import os
import re
import signal

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, console, files, tensorboard

SIGNALS = 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'  # the last is Windows' Ctrl-Break
BFLOAT16 = 'auto_mixed_precision_onednn_bfloat16'  # of grappler, which optimizes graphs


class TrainingError(console.Error):
    """A training cannot continue, or cannot use a flag. The message says why, and what to do."""


class Interrupted(KeyboardInterrupt):
    """Raised after a signal ended the training. The message says which step was saved."""

    def __init__(self, message, signum):
        super().__init__(message)
        self.exit_status = 128 + signum  # as shells report it


class Run:
    """One training. The method `steps` sets `end`, the last step: the next multiple of `length`."""

    def __init__(self, model_dir, name, default_seed, seed=None):
        """seed: overrides the stored seed; default_seed: without either. Raises CheckpointError."""
        checkpoints.check_current_exists(model_dir)
        self.seed = checkpoints.choose_seed(model_dir, default_seed, seed)
        self._manager = checkpoints.Manager(model_dir, name, self.seed)
        self.end = self._sess = self._curves = self._global_step = self._finite = None
        self._signals, self._counts = [], True  # whether global_step counts the steps

    @contextlib.contextmanager
    def session(self, saver, global_step, learning_rate, config=None):
        """Gives a tf.Session, and saves the last step. Defers signals, and locks the folder.

        The graph must be complete. learning_rate: a number or a tensor, for the curves; config: a
        tf.ConfigProto. Raises LockError, CheckpointError, TrainingError, Interrupted.
        """
        checkpoints.check_saver(saver, global_step)
        self._saver, self._global_step, self._learning_rate = saver, global_step, learning_rate
        numbers = [variable for variable in tf.global_variables() if variable.dtype.is_floating]
        self._finite = {v.op.name: tf.reduce_all(tf.is_finite(v)) for v in numbers}
        with tf.Session(config=config) as sess, self._manager, deferred_signals() as signals:
            self._sess, self._signals = sess, signals
            try:
                yield sess
            except OSError:  # a print into a closed pipe, as after `| head`
                self._finish()  # raises Interrupted if Ctrl-C ended `| tee log`, too
                raise
            self._finish()

    def steps(self, data, batch_size, length):
        """Sets `end`, begins the curves, and moves the data to the matching batch. Then yields the
        numbers from the restored step up to, not including, `end`, or until a signal arrives.
        """
        start, length = int(self._evaluate(self._global_step)), int(length)  # 1e4 is a float
        self.end = (start // length + 1) * length
        folder = os.path.abspath(self._manager.folder)
        console.say(f'training from step {start} to step {self.end}; checkpoints go to {folder}')
        if hasattr(data, 'seek'):  # input_data's DataSet has it
            data.seek(start * batch_size, self.seed)
        self._curves = tensorboard.Training(folder, start, self._sess, self._learning_rate)
        for step in console.live_range(start, self.end, length):
            yield step
            if step == start and self._evaluate(self._global_step) == start:
                self._counts = False
                console.say(f'global_step is still {start} after a step; is it passed to minimize?')
            if self._signals:
                return

    def save(self, step, loss=None):
        """Saves a checkpoint of `step`. If the loss is passed, adds a point to the curves.

        Raises TrainingError if the loss or a variable is not finite, or the errors of Manager.save.
        The earlier checkpoints do not change then. Without `steps`, raises Interrupted at a signal.
        """
        step = int(step if np.isscalar(step) else self._evaluate(step))
        finite = {'loss': loss is None or np.isfinite(loss), **self._evaluate(self._finite)}
        for name in finite:
            if not finite[name]:
                problem = f'step {step}: {name} is not finite; it is not saved'
                advice = 'Lower LEARNING_RATE_BASE, or look for a log or a division in the loss'
                raise TrainingError(f'{problem}. {advice}; then run again')
        self._manager.save(self._saver, self._sess, step)
        if self._curves and loss is not None:
            self._curves.add(step, loss)
        if self._signals and self.end is None:
            self._finish()

    def _finish(self):
        """Saves the last step. If a signal ended the training early, raises Interrupted."""
        step = int(self._evaluate(self._global_step))
        # a saved step is saved again if the current checkpoint is another Saver's
        if not self._counts or (step and not self._manager.is_current(step)):
            self.save(step)
        if not self._curves:
            console.say(f'{self._manager.folder}: no curves, because run.steps was not used')
        if self._signals and step != self.end:
            saved = f'stopped; step {step} is saved in {self._manager.folder}'
            raise Interrupted(f'{saved}, run the same command again to go on', self._signals[0])

    def _evaluate(self, fetches):
        if self._sess is None:
            raise TrainingError('run.steps and run.save need run.session in place of tf.Session')
        return self._sess.run(fetches)


def config(bfloat16):
    """Returns a session's options. With `bfloat16`, convolutions and matrix products multiply
    bfloat16 numbers (8 bits of precision) and add in float32. Variables stay float32.

    Raises TrainingError if TensorFlow cannot do that, or if Linux says that the processor cannot.
    """
    result = tf.ConfigProto()
    if bfloat16:
        options = result.graph_options.rewrite_options
        features = files.read('/proc/cpuinfo') or b'amx_bf16'  # only Linux has this file
        if not hasattr(options, BFLOAT16) or not re.search(rb'avx512_bf16|amx_bf16', features):
            problem = 'this TensorFlow or processor cannot (it needs avx512_bf16 or amx_bf16)'
            raise TrainingError(f'--bfloat16: {problem}; train without the flag')
        setattr(options, BFLOAT16, options.ON)
    return result


@contextlib.contextmanager
def deferred_signals():
    """Gives a list. Inside the `with`, SIGNALS only append to it, but a second Ctrl-C calls the
    former handler. Ignored signals, and other threads, are left alone.
    """
    received, former = [], signal.getsignal(signal.SIGINT)

    def defer(signum, frame):
        received.append(signum)
        if signum == signal.SIGINT:
            signal.signal(signum, former)

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ValueError):  # off the main thread
            for signum in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                    stack.callback(signal.signal, signum, signal.signal(signum, defer))
        yield received
