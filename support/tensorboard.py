"""Curves and pictures for TensorBoard, of which training and testing are two runs.

    tensorboard --logdir model

They lie in the folders `train` and `test` beside the checkpoints. A folder that cannot be written
to costs the curves from there on, and nothing else: nothing here raises.
"""

import os
import socket
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

import checkpoints
import keeping
import pictures


class Training:
    """The run `train`: what TensorBoard shows of the steps that are saved."""

    def __init__(self, model_dir, sess, start):
        """Drops what an earlier training left of the steps after `start`."""
        self._run = _Run(os.path.join(model_dir, 'train'))
        self._run.begin(start + 1)
        self._run.write(start, graph_def=sess.graph.as_graph_def().SerializeToString())
        self._sess = sess
        self._conv1_w = tf.trainable_variables()[0]
        self._last = time.monotonic(), start

    def add(self, step, loss, cross_entropy, learning_rate):
        """Adds the numbers of a step, and the kernels of the first convolution after it."""
        now = time.monotonic()
        (then, last), self._last = self._last, (now, step)
        scalars = {
            'loss': loss,
            'cross_entropy': cross_entropy,
            'l2': loss - cross_entropy,
            'learning_rate': learning_rate,
            'steps_per_second': (step - last) / (now - then),
        }
        kernels = pictures.kernels(self._sess.run(self._conv1_w))
        self._run.add(step, scalars, 'conv1_kernels', kernels)


class Testing:
    """The run `test`; of several processes that watch the same folder, one writes it."""

    def __init__(self, model_dir):
        self._folder = os.path.join(model_dir, 'test')
        self._lock = keeping.Lock(os.path.join(self._folder, 'lock'))
        self._run = _Run(self._folder)
        self._last = None

    def add(self, step, accuracy, logits, data):
        """Adds what a test of all the `data` has given.

        step: the end of the checkpoint's name; logits: [n, 10]; data: `images` [n, 784] and one-hot
        `labels` [n, 10].
        """
        if not step.isdigit():
            return
        step = int(step)
        try:
            self._lock.take()
        except (keeping.LockedError, OSError):
            return  # then only the accuracy is printed
        if self._last is None or step <= self._last:  # of a training that went back
            self._run.begin(step)
        self._last = step
        labels = np.argmax(data.labels, axis=1)
        log_sums = np.logaddexp.reduce(logits, axis=1)
        cross_entropy = np.mean(log_sums - logits[np.arange(len(labels)), labels])
        scalars = {'accuracy': accuracy, 'cross_entropy': cross_entropy}
        wrong = pictures.wrong(data.images, labels, np.argmax(logits, axis=1))
        self._run.add(step, scalars, 'wrong_digits', wrong)


class _Run:
    """Writes event files: TFRecords of tf.summary.Event, each down to the file at once.

    tf.summary.FileWriter writes them in a thread, which a full disk ends with a traceback.
    """

    def __init__(self, folder):
        self._folder = folder
        self._path = None
        self._file = None
        self._failed = False

    def begin(self, step):
        """Makes TensorBoard drop what it has of `step` and later ones."""
        start = tf.summary.SessionLog(status=tf.summary.SessionLog.START)
        self.write(step, session_log=start)

    def add(self, step, scalars, name, picture):
        """scalars: {name: number}; picture: grey levels [rows, columns], uint8."""
        Value = tf.summary.Summary.Value
        values = [Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        image = tf.summary.Summary.Image(
            height=picture.shape[0],
            width=picture.shape[1],
            colorspace=1,  # grey
            encoded_image_string=pictures.png(picture),
        )
        values.append(Value(tag=name, image=image))
        self.write(step, summary=tf.summary.Summary(value=values))

    def write(self, step, **what):
        if self._failed:
            return
        try:
            if not self._path or not os.path.exists(self._path):  # nothing yet, or `rm -rf model`
                self._open()
            self._write(step=step, **what)
        except (OSError, *checkpoints.TENSORFLOW_ERRORS) as error:
            self._failed = True
            reason = checkpoints.reason(error)
            print('%s: no more curves (%s)' % (self._folder, reason), file=sys.stderr, flush=True)

    def _open(self):
        os.makedirs(self._folder, exist_ok=True)
        # sorted by name they are in the order of time, which TensorBoard relies on
        name = 'events.out.tfevents.%.6f.%s' % (time.time(), socket.gethostname())
        self._path = os.path.join(self._folder, name)
        self._file = tf.io.TFRecordWriter(self._path)
        self._write(file_version='brain.Event:2')

    def _write(self, **what):
        event = tf.summary.Event(wall_time=time.time(), **what)
        self._file.write(event.SerializeToString())
        self._file.flush()
