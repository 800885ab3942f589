"""Manages one training, from its seed to its last save. `backward` uses it like this:

    run = training.Run('./model/', 'mnist_model', 1)       # checks the folder, chooses run.seed
    with run.session(saver, global_step, rate) as sess:    # locks the folder, defers signals
        sess.run(init_op)                                  # here, restore a checkpoint if any
        for i in run.steps(mnist.train, 100, 50000):       # moves the data to batch i, sets run.end
            ...                                            # train: step i + 1
            run.save(i + 1, loss)                          # a checkpoint, a point on the curves

Leaving the `with` saves the last step and releases the lock. If a signal ended the training early,
it raises Interrupted.
"""

import contextlib
import os
import re
import signal

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, console, files, tensorboard

SIGNALS = 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'  # the last is Windows' Ctrl-Break
BFLOAT16 = 'auto_mixed_precision_onednn_bfloat16'  # an option of grappler, TensorFlow's optimizer


class TrainingError(console.Error):
    """A training cannot continue, or cannot use a flag. The message says why, and what to do."""


class Interrupted(KeyboardInterrupt):
    """Raised after a signal ended the training. The message says which step was saved; exit_status
    is 128 plus the signal's number.
    """


class Run:
    """A training up to the next multiple of its length. `steps` sets `end`, the last step."""

    def __init__(self, model_dir, name, default_seed, seed=None):
        """seed: overrides the seed stored in model_dir. Without either, a new training uses
        default_seed. Raises CheckpointError.
        """
        checkpoints.check_current_exists(model_dir)
        self.seed = checkpoints.choose_seed(model_dir, default_seed, seed)
        self.end = None
        self._manager = checkpoints.Manager(model_dir, name, self.seed)

    @contextlib.contextmanager
    def session(self, saver, global_step, learning_rate, bfloat16=False):
        """Gives a tf.Session. Defers signals, and keeps other trainings out of the folder.

        The graph must be complete. Raises LockError, CheckpointError, TrainingError, Interrupted.
        """
        checkpoints.check_saver(saver, global_step)
        self._saver, self._global_step, self._learning_rate = saver, global_step, learning_rate
        numbers = [variable for variable in tf.global_variables() if variable.dtype.is_floating]
        self._finite = {v.op.name: tf.reduce_all(tf.is_finite(v)) for v in numbers}
        config = session_config(bfloat16)
        with tf.Session(config=config) as sess, self._manager, deferred_signals() as signals:
            self._sess, self._signals = sess, signals
            print_error = None
            try:
                yield sess
            except OSError as error:  # print failed, as after `| head`
                print_error = error
            step = int(sess.run(global_step))
            # a signal may have ended the steps, or another Saver's checkpoint may be current
            if self.end and step and not self._manager.is_current(step):
                self.save(step)
            # check this before print_error: with `| tee log`, Ctrl-C also ends tee, and print fails
            if signals and step != self.end:
                saved = f'stopped; step {step} is saved in {self._manager.folder}'
                interrupted = Interrupted(f'{saved}, run the same command again to go on')
                interrupted.exit_status = 128 + signals[0]
                raise interrupted
            if print_error:
                raise print_error

    def steps(self, data, batch_size, length):
        """Yields step numbers from the restored step up to, not including, `end`. Stops after the
        step during which a signal arrived. Also calls data.seek to go to the matching batch.
        """
        start = int(self._sess.run(self._global_step))
        self.end = (start // length + 1) * length
        folder = os.path.abspath(self._manager.folder)
        console.say(f'training from step {start} to step {self.end}; checkpoints go to {folder}')
        if hasattr(data, 'seek'):  # input_data's DataSet has it
            data.seek(start * batch_size, self.seed)
        self._curves = tensorboard.Training(folder, start, self._sess, self._learning_rate)
        for step in console.live_range(start, self.end, length):
            yield step
            if self._signals:
                return

    def save(self, step, loss=None):
        """Saves a checkpoint of `step`. If the loss is passed, adds a point to the curves.

        Raises TrainingError if the loss or a variable is not finite, CheckpointError if the folder
        cannot be written to. In both cases the earlier checkpoints are as before.
        """
        step = int(step if np.isscalar(step) else self._sess.run(step))
        finite = self._sess.run(self._finite)
        finite['loss'] = loss is None or np.isfinite(loss)
        for name in finite:
            if not finite[name]:
                rate = self._sess.run(self._learning_rate)
                problem = f'step {step}: {name} is not finite, at learning rate {rate:g}'
                advice = 'Lower LEARNING_RATE_BASE and run again, from the checkpoint before it'
                raise TrainingError(f'{problem}; it is not saved. {advice}')
        self._manager.save(self._saver, self._sess, step)
        if loss is not None:
            self._curves.add(step, loss)


def session_config(bfloat16):
    """Returns a session's options. With `bfloat16`, convolutions and matrix products multiply
    bfloat16 numbers (8 bits of precision) and add in float32. Variables stay float32.

    Raises TrainingError if TensorFlow cannot do that, or if Linux says that the processor cannot.
    """
    config = tf.ConfigProto()
    if bfloat16:
        options = config.graph_options.rewrite_options
        features = files.read('/proc/cpuinfo') or b'amx_bf16'  # only Linux has this file
        if not hasattr(options, BFLOAT16) or not re.search(rb'avx512_bf16|amx_bf16', features):
            lacking = f'TensorFlow {tf.__version__} or this processor has no such arithmetic'
            needed = 'it needs avx512_bf16 or amx_bf16'
            raise TrainingError(f'--bfloat16: {lacking} ({needed}); train without the flag')
        setattr(options, BFLOAT16, options.ON)
    return config


@contextlib.contextmanager
def deferred_signals():
    """Gives a list. Inside the `with`, Ctrl-C, Ctrl-Break, SIGTERM and SIGHUP only append to it.

    A second Ctrl-C calls the former handler. Ignored signals, and other threads, are left alone.
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
