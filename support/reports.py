"""What there is to look at: the curves of a training and of its tests, the sheet of its mistakes.

    tensorboard --logdir model

Owns the numbers that are drawn and the event files, in folders `train` and `test` beside the
checkpoints. A folder that cannot be written to costs the curves from there on, and nothing else.
"""

import os
import socket
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, files, pictures


class Training:
    """The run `train` of TensorBoard: what it shows of the steps that are saved."""

    def __init__(self, model_dir, sess, start):
        """Drops what an earlier training left of the steps after `start`."""
        self._file = _EventFile(os.path.join(model_dir, 'train'))
        self._file.begin(start + 1)
        self._file.write(start, graph_def=sess.graph.as_graph_def().SerializeToString())
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
        self._file.add(step, scalars, 'conv1_kernels', kernels)


class Testing:
    """The run `test` of TensorBoard, and a picture of the digits read wrongly.

    Of several processes that watch the same folder, one writes the run.
    """

    def __init__(self, model_dir, data, mistakes=None):
        """data: `images` [n, 784], one-hot `labels` [n, 10]; mistakes: a path for the picture."""
        folder = os.path.join(model_dir, 'test')
        self._images, self._labels = data.images, np.argmax(data.labels, axis=1)
        self._mistakes, self._last = mistakes, None
        self._lock = files.Lock(os.path.join(folder, 'lock'))
        self._file = _EventFile(folder)

    def add(self, step, accuracy, logits):
        """Adds what a test of all the data has given. Raises OSError if there can be no picture.

        step: the end of the checkpoint's name, with no place on the curve if it is no number;
        logits: [n, 10].
        """
        if step.isdigit():
            self._add_to_curve(int(step), accuracy, logits)
        if self._mistakes:
            sheet = pictures.confusion(self._images, self._labels, np.argmax(logits, axis=1))
            with open(self._mistakes, 'wb') as file:
                file.write(pictures.png(sheet))

    def _add_to_curve(self, step, accuracy, logits):
        try:
            self._lock.take()
        except OSError:
            return  # then only the accuracy is printed
        if self._last is None or step <= self._last:  # of a training that went back
            self._file.begin(step)
        self._last = step
        log_sums = np.logaddexp.reduce(logits, axis=1)
        cross_entropy = np.mean(log_sums - logits[np.arange(len(logits)), self._labels])
        scalars = {'accuracy': accuracy, 'cross_entropy': cross_entropy}
        wrong = pictures.wrong(self._images, self._labels, np.argmax(logits, axis=1))
        self._file.add(step, scalars, 'wrong_digits', wrong)


class _EventFile:
    """Writes TFRecords of tf.Event, each down to the file at once.

    tf.summary.FileWriter writes them in a thread, which a full disk ends with a traceback.
    """

    def __init__(self, folder):
        self._folder, self._path, self._failed = folder, None, False

    def begin(self, step):
        """Makes TensorBoard drop what it has of `step` and later ones."""
        self.write(step, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def add(self, step, scalars, name, picture):
        """scalars: {name: number}; picture: grey levels [rows, columns], uint8."""
        values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        (height, width), png = picture.shape, pictures.png(picture)
        image = tf.Summary.Image(height=height, width=width, colorspace=1, encoded_image_string=png)
        values += [tf.Summary.Value(tag=name, image=image)]
        self.write(step, summary=tf.Summary(value=values))

    def write(self, step, **what):
        if self._failed:
            return
        try:
            if not self._path or not os.path.exists(self._path):  # nothing yet, or `rm -rf model`
                os.makedirs(self._folder, exist_ok=True)
                # sorted by name they are in the order of time, which TensorBoard relies on
                name = 'events.out.tfevents.%.6f.%s' % (time.time(), socket.gethostname())
                self._path = os.path.join(self._folder, name)
                self._file = tf.io.TFRecordWriter(self._path)
                self._write(file_version='brain.Event:2')
            self._write(step=step, **what)
        except (OSError, *checkpoints.TENSORFLOW_ERRORS) as error:
            self._failed = True
            reason = checkpoints.reason(error)
            print('%s: no more curves (%s)' % (self._folder, reason), file=sys.stderr, flush=True)

    def _write(self, **what):
        event = tf.Event(wall_time=time.time(), **what)
        self._file.write(event.SerializeToString())
        self._file.flush()
