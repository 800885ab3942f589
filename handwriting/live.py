"""The checkpoint of a training that goes on, and what the page asks of it.

Owns which checkpoint answers: the newest that could be restored. Each has a session of its own, so
that an answer that has begun is by one checkpoint to its end, and a restore that fails costs none.
"""

import json
import time

from support import checkpoints, command_line, watching

import numpy as np
import tensorflow.compat.v1 as tf

from . import digit, layers, photo

WATCH_SECS = 1  # between two looks for a new checkpoint
SIDE = 280  # pixels of a drawing, both ways


class Live:
    """The newest checkpoint, and the answers by it.

    answers: {path of the server: (most bytes of a request, function from bytes to bytes)}
    """

    def __init__(self, model_dir, x, tensors, saver, variables):
        """tensors: layers.find's; saver, variables: as for checkpoints.restore."""
        self._model_dir, self._x, self._tensors = model_dir, x, tensors
        self._saver, self._watcher = saver, watching.Watcher(variables, wait=True)
        self._problem = None
        self._current = None, None  # step and session, always replaced together
        self._next = None  # the session into which the next checkpoint is restored
        self.answers = {
            '/drawing': (SIDE * SIDE, self.drawing),
            '/picture': (photo.MAX_BYTES, self.picture),
            '/digit': (4 * 28 * 28, self.digit),
            '/step': (0, self.step),
        }

    def watch(self):
        """Takes each new checkpoint, for ever."""
        while True:
            self.update()
            time.sleep(WATCH_SECS)

    def update(self):
        """Takes the current checkpoint if it is new; if it cannot, says why, once."""
        try:
            with self._x.graph.as_default():  # each thread has a default of its own
                self._take_new()
            self._problem = None
        except checkpoints.CheckpointError as error:
            if str(error) != self._problem:
                command_line.say('error: %s' % error)
            self._problem = str(error)

    def _take_new(self):
        ckpt = checkpoints.get_checkpoint_state(self._model_dir)
        if not (ckpt and ckpt.model_checkpoint_path):
            return
        if not self._next:
            # In the thread that asks, and on one core: beside a training each hand-over to another
            # thread waits for its turn, and the other cores are the training's.
            config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
            self._next = tf.Session(config=config)
        if self._watcher.restore_new(self._saver, self._next, ckpt):
            # the first run of a session takes longer, and nobody need wait for it
            layers.look(self._next, self._x, self._tensors, np.zeros((28, 28), np.float32))
            step = ckpt.model_checkpoint_path.split('/')[-1].split('-')[-1]
            self._current, self._next = (step, self._next), None

    def drawing(self, body):
        """The levels of a drawing, a byte each."""
        return self._read(lambda: np.frombuffer(body, np.uint8).reshape(SIDE, SIDE))

    def picture(self, body):
        """A file."""
        return self._read(lambda: photo.decode(body))

    def digit(self, body):
        """A digit, as an answer had it, that a newer checkpoint is to read."""
        return self._look(np.frombuffer(body, '<f4').reshape(28, 28))

    def step(self, body):
        """Nothing; the answer is the step alone."""
        return _packed(self._current[0])

    def _read(self, picture):
        try:
            return self._look(digit.digit(picture()))
        except photo.PictureError as error:
            return _packed(self._current[0], error=error.key, text=str(error))

    def _look(self, levels):
        step, sess = self._current
        values = {'digit': levels}
        if sess:
            values = layers.look(sess, self._x, self._tensors, levels)
        return _packed(step, [values[name] for name in ('digit', *layers.SHAPES) if name in values])


def _packed(step, arrays=(), **more):
    """Returns a line of JSON and, behind it, the arrays as little-endian float32."""
    head = json.dumps(dict(more, step=step)).encode()
    return b'\n'.join([head, b''.join(array.astype('<f4').tobytes() for array in arrays)])
