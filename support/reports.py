"""What there is to look at: the curves of a training and of its tests, the sheet of its mistakes.

    tensorboard --logdir model

Owns the numbers that are drawn and the event files, in folders `train` and `test` beside the
checkpoints. A folder that cannot be written to costs the curves from there on, and nothing else.
"""

import contextlib
import operator
import os
import re
import socket
import time

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, files, pictures, terminal


class Training:
    """The run `train` of TensorBoard: what it shows of the steps that are saved."""

    def __init__(self, model_dir, sess, start):
        """Both runs go back to the step `start`, from which the training goes on."""
        self._file = _EventFile(os.path.join(model_dir, 'train'))
        for run in self._file, _EventFile(os.path.join(model_dir, 'test')):
            run.go_back(start)
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

    def add(self, step, accuracy, logits, is_latest):
        """Adds what a test of all the data has given. Raises OSError if there can be no picture.

        step: the end of the checkpoint's name; logits: [n, 10]. On the curve only numbers have a
        place, and only the latest checkpoint: an older one may be of another branch.
        """
        if step.isdigit() and is_latest:
            self._add_to_curve(int(step), accuracy, logits)
        if self._mistakes:
            sheet = pictures.confusion(self._images, self._labels, np.argmax(logits, axis=1))
            files.write(self._mistakes, pictures.png(sheet))

    def _add_to_curve(self, step, accuracy, logits):
        try:
            self._lock.take()
        except OSError:
            return  # then only the accuracy is printed
        if self._last is None or step <= self._last:  # it may have been tested by another process
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

    def go_back(self, step):
        """Makes TensorBoard show the branch that has led to `step`, and nothing after it.

        Its two loaders drop what comes after a step in different ways: the slow one at a START,
        the fast one when a step does not come after the one before. So both are given.
        """
        written, shown = [], []
        for path in self._paths():
            with contextlib.suppress(*checkpoints.TENSORFLOW_ERRORS):  # of the end of a killed run
                written.extend(e for e in tf.train.summary_iterator(path) if e.summary.value)
        for event in written:
            while shown and shown[-1].step >= event.step:
                shown.pop()
            shown.append(event)
        # from its last point, a branch is what was written before with ever lower steps
        branch = sorted((e for e in written if e.step <= step), key=lambda e: e.step)[-1:]
        earlier = written[: written.index(branch[0])] if branch else []
        for event in reversed(earlier):
            if event.step < branch[0].step:
                branch.insert(0, event)
        if branch != shown:
            same = sum(map(operator.eq, branch, shown))
            again = branch[min(same, len(branch) - 1) :] if branch else []
            self.begin(again[0].step if again else step + 1)
            for event in again:
                self.write(event.step, summary=event.summary)

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
            if [self._path] != self._paths()[-1:]:  # the first, or `rm -rf model`, or another's
                self._open()
            self._write(step=step, **what)
        except (OSError, *checkpoints.TENSORFLOW_ERRORS) as error:
            self._failed = True
            terminal.say('%s: no more curves (%s)' % (self._folder, checkpoints.reason(error)))

    def _paths(self):
        """Returns the event files, in the order in which TensorBoard reads them."""
        if not os.path.isdir(self._folder):
            return []
        return files.matching(self._folder, r'events\.out\.tfevents\.\d+.*')

    def _open(self):
        """Opens a new file, which comes after the others also if the clock was set back."""
        os.makedirs(self._folder, exist_ok=True)
        last = re.findall(r'tfevents\.(\d+(?:\.\d+)?)', ''.join(self._paths()[-1:])) or [0]
        now = max(time.time(), float(last[-1]) + 1e-5)
        name = 'events.out.tfevents.%.6f.%s' % (now, socket.gethostname())
        self._path = os.path.join(self._folder, name)
        self._file = tf.io.TFRecordWriter(self._path)
        self._write(file_version='brain.Event:2')

    def _write(self, **what):
        event = tf.Event(wall_time=time.time(), **what)
        self._file.write(event.SerializeToString())
        self._file.flush()
