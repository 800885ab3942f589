"""The curves and pictures that TensorBoard shows: tensorboard --logdir model

The event files are in the folders `train` and `test` beside the checkpoints. If a folder cannot be
written to, its curves stop, but the script goes on.
"""

import os
import re
import time

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, console, files, pictures


class Training:
    """TensorBoard's run `train`: a point for each saved step."""

    def __init__(self, model_dir, start, sess, learning_rate):
        """start: the step from which the training goes on; learning_rate: number or tensor."""
        self._file = _EventFile(os.path.join(model_dir, 'train'))
        self._file.begin(start + 1)
        tests = os.path.join(model_dir, 'test')
        if os.path.isdir(tests):  # later points may come from abandoned steps
            _EventFile(tests).begin(start + 1)
        self._sess, rate = sess, tf.convert_to_tensor(learning_rate)
        first, losses = tf.trainable_variables()[0], tf.get_collection('losses')
        kernels = [first] if len(first.shape) == 4 else []  # of a convolution
        self._fetches = {'learning_rate': rate, 'l2': tf.add_n(losses or [0.0])}, kernels
        self._last = time.perf_counter(), start

    def add(self, step, loss):
        """Adds a step's numbers, and the first convolution's kernels after the step. The cross
        entropy is the loss (before the update) minus the L2 terms (after the update).
        """
        try:
            values, kernels = self._sess.run(self._fetches)
        except tf.errors.OpError as error:  # the rate, or one of the losses, has to be fed
            return self._file.stop(files.reason(error))
        now = time.perf_counter()
        (then, last), self._last = self._last, (now, step)
        speed = (step - last) / (now - then)
        values.update(loss=loss, cross_entropy=loss - values['l2'], steps_per_second=speed)
        self._file.add(step, values, 'conv1_kernels', map(pictures.kernels, kernels))


class Testing:
    """TensorBoard's run `test`: a point for each tested checkpoint."""

    def __init__(self, model_dir, data):
        """data: `images`, as pictures.wrong takes them, and one-hot `labels` [n, classes]."""
        self._file, self._data = _EventFile(os.path.join(model_dir, 'test')), data
        self._last = float('inf')  # so the first `add` calls `begin`

    def add(self, step, accuracy, logits, ckpt):
        """Adds accuracy, cross entropy and misread digits of a test of all the data.

        step: the end of the checkpoint's name; logits: [n, classes]; ckpt: its CheckpointState.
        Adds nothing for a step that is no number. Adds nothing for a checkpoint older than the one
        saved last, because TensorBoard would then drop all later points.
        """
        paths = [ckpt.model_checkpoint_path, *ckpt.all_model_checkpoint_paths]
        if not step.isdigit() or os.path.basename(paths[0]) != os.path.basename(paths[-1]):
            return
        labels = np.asarray(self._data.labels)
        if labels.shape != logits.shape:
            return self._file.stop(f'labels {labels.shape} for logits {logits.shape}')
        if int(step) <= self._last:
            self._file.begin(int(step))
        self._last = int(step)
        log_sums = np.logaddexp.reduce(logits, axis=1)
        labels = np.argmax(labels, axis=1)
        cross_entropy = np.mean(log_sums - logits[np.arange(len(logits)), labels])
        scalars = {'accuracy': accuracy, 'cross_entropy': cross_entropy}
        wrong = pictures.wrong(self._data.images, labels, np.argmax(logits, axis=1))
        self._file.add(self._last, scalars, 'wrong_digits', [wrong])


class _EventFile:
    """Writes events to an event file of its own, and begins another one when a newer file is in the
    folder: TensorBoard follows only the newest.

    tf.summary.FileWriter would write in a thread, and a full disk would end it with a traceback.
    """

    def __init__(self, folder):
        self._folder, self._path, self._stopped = folder, None, False

    def stop(self, reason):
        """Writes nothing more, and says why."""
        if not self._stopped:
            console.say(f'{self._folder}: no more curves ({reason})')
        self._stopped = True

    def begin(self, step):
        """Makes TensorBoard drop all points from `step` on, those of abandoned steps."""
        self._add(step, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def add(self, step, scalars, name, images):
        """Adds scalars {name: number} and images of one name, arrays as in `pictures`."""
        values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        for picture in images:
            image = tf.Summary.Image(encoded_image_string=pictures.png(picture))
            image.height, image.width, image.colorspace = picture.shape
            values.append(tf.Summary.Value(tag=name, image=image))
        self._add(step, summary=tf.Summary(value=values))

    def _add(self, step, **what):
        if self._stopped:
            return
        try:
            os.makedirs(self._folder, exist_ok=True)
            paths = files.matching(self._folder, r'events\.out\.tfevents\..*')
            if self._path not in paths[-1:]:
                # this name sorts last even if the clock was set back; no two processes share it
                times = [1 + int(then) for then in re.findall(r'tfevents\.(\d+)', str(paths))]
                name = f'events.out.tfevents.{int(max([time.time(), *times]))}.{os.getpid()}'
                self._path = os.path.join(self._folder, name)
                self._file = tf.io.TFRecordWriter(self._path)
                self._write(file_version='brain.Event:2')
            self._write(step=step, **what)
            self._file.flush()
        except checkpoints.WRITE_ERRORS as error:
            self.stop(files.reason(error))

    def _write(self, **what):
        self._file.write(tf.Event(wall_time=time.time(), **what).SerializeToString())
