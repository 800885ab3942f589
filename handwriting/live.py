"""The current checkpoint of a training, and the answers that it gives to the page.

If a restore fails, the previous checkpoint keeps answering. Each checkpoint has its own session, so
a whole answer comes from one checkpoint.
"""

import json
import time

from support import checkpoints, console, files, watching

import numpy as np
import tensorflow.compat.v1 as tf

from . import digit, layers, photo

WATCH_SECS = 1  # between two looks for a new checkpoint
SIDE = 280  # pixels of a drawing, both ways
NETWORK = 'size', 'layers', 'sources', 'undrawn'  # attributes that the page knows


class NewestCheckpoint:
    """Answers the page. `update` and `watch` look for a newer checkpoint in the folder.

    answers: {path of the server: (maximal bytes of a request, function from bytes to bytes)}
    """

    def __init__(self, model_dir, network, saver):
        """network: a layers.Network; saver: a tf.train.Saver of its weights."""
        self._model_dir, self._network = model_dir, network
        self._description = {name: getattr(network, name) for name in NETWORK}
        self._saver, self._watcher = saver, watching.Watcher(wait=True)
        self._problem = None
        self._current = None, None  # step and session, always replaced together
        self._next = None  # the session into which the next checkpoint is restored
        self._blank = np.zeros(network.size, np.float32)
        self.answers = {
            '/drawing': (SIDE * SIDE, self.read_drawing),
            '/picture': (photo.MAX_BYTES, self.read_picture),
            '/input': (self._blank.nbytes, self.read_input),
            '/weights': (0, self.weights),
            '/step': (0, self.step),
            '/settings.js': (0, self.settings),
        }

    def watch(self):
        """Takes each new checkpoint. Never returns."""
        while True:
            self.update()
            time.sleep(WATCH_SECS)

    def update(self):
        """Takes the current checkpoint if it is new. If that fails, says why, once."""
        problem = None
        try:
            with self._network.graph.as_default():  # each thread has a default graph of its own
                self._take_new()
        except checkpoints.CheckpointError as error:
            problem = str(error)
        except (OSError, tf.errors.OpError) as error:  # somebody moves the folder, for example
            problem = f'{self._model_dir}: cannot be used ({files.reason(error)})'
        if problem and problem != self._problem:
            console.say(f'error: {problem}')
        self._problem = problem

    def _take_new(self):
        ckpt = checkpoints.get_checkpoint_state(self._model_dir)
        if not (ckpt and ckpt.model_checkpoint_path):
            return
        if not self._next:
            # TensorFlow runs in the calling thread, on one core. While a training runs, a hand-over
            # to another thread would have to wait.
            config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
            self._next = tf.Session(config=config)
        if self._watcher.restore_new(self._saver, self._next, ckpt):
            # a session's first run takes longer, and here nobody waits for it
            self._network.read(self._next, self._blank)
            self._network.weights(self._next)
            step = checkpoints.step_of(ckpt.model_checkpoint_path)
            self._current, self._next = (step, self._next), None

    def settings(self, body):
        """Returns what the page needs before its first answer, as a JavaScript module."""
        settings = dict(side=SIDE, maxBytes=photo.MAX_BYTES, tiles=layers.TILES)
        return b'export default ' + json.dumps(dict(settings, network=self._description)).encode()

    def read_drawing(self, body):
        """Returns the answer to a drawing. body: its levels [SIDE, SIDE], 0 to 255."""
        return self._read(lambda: np.frombuffer(body, np.uint8).reshape(SIDE, SIDE))

    def read_picture(self, body):
        """Returns the answer to a picture. body: the bytes of its file."""
        return self._read(lambda: photo.decode(body))

    def read_input(self, body):
        """Reads the input of an earlier answer again, with the current checkpoint."""
        return self._look(np.frombuffer(body, '<f4').reshape(self._blank.shape))

    def weights(self, body):
        """Returns the weights from which the page computes the layers."""
        step, sess = self._current
        return self._packed(step, self._network.weights(sess) if sess else {})

    def step(self, body):
        """Returns the step alone."""
        return self._packed(self._current[0], {})

    def _read(self, picture):
        try:
            return self._look(digit.digit(picture()))
        except photo.PictureError as error:
            return self._packed(self._current[0], {}, error=error.key, text=str(error))

    def _look(self, levels):
        step, sess = self._current
        if sess:
            return self._packed(step, self._network.read(sess, levels))
        return self._packed(step, {'input': self._network.scaled(levels)})

    def _packed(self, step, arrays, **more):
        """Returns a line of JSON on network and arrays, then the arrays: little-endian float32."""
        shapes = {name: array.shape for name, array in arrays.items()}
        head = dict(more, step=step, network=self._description, shapes=shapes)
        numbers = [array.astype('<f4').tobytes() for array in arrays.values()]
        return b'\n'.join([json.dumps(head).encode(), b''.join(numbers)])
