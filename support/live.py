"""The checkpoint of a training that goes on, and what the page asks of it.

Owns which checkpoint answers: the newest that could be restored. Each has a session of its own, so
that an answer that has begun is by one checkpoint to its end, and a restore that fails costs none.
"""

import json
import struct
import threading
import time

import numpy as np
import tensorflow.compat.v1 as tf

from . import checkpoints, handwriting, images, layers, terminal, watching

WATCH_SECS = 1  # between two looks for a new checkpoint
SIDE = 280  # pixels of a drawing, both ways
MAX_BYTES = images.MAX_BYTES  # of a picture


class BadRequest(ValueError):
    """The page would not ask so."""


class Live:
    """The newest checkpoint: its step, its session; None before the first."""

    def __init__(self, model_dir, x, tensors, saver, variables):
        """tensors: layers.find's; saver, variables: as for checkpoints.restore."""
        self._model_dir, self._x, self._tensors = model_dir, x, tensors
        self._saver, self._watcher = saver, watching.Watcher(variables, wait=True, once=False)
        self._problem = None
        self._current = None, None  # step and session, always replaced together
        self._next = None  # the session into which the next checkpoint is restored
        self._decoding = threading.Lock()  # a picture takes much memory; one at a time

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
                terminal.say('error: %s' % error)
            self._problem = str(error)

    def _take_new(self):
        ckpt = self._watcher.get_checkpoint_state(self._model_dir)
        if not (ckpt and ckpt.model_checkpoint_path):
            return
        if not self._next:  # one core is enough for a digit, and leaves the others to the training
            self._next = tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=1))
        if self._watcher.restore_new(self._saver, self._next, ckpt):
            # the first run of a session takes longer, and nobody need wait for it
            layers.look(self._next, self._x, self._tensors, np.zeros((28, 28), np.float32))
            step = ckpt.model_checkpoint_path.split('/')[-1].split('-')[-1]
            self._current, self._next = (step, self._next), None

    def answers(self):
        """Returns {path: (content type of the request, most bytes of it, function)}.

        A function takes the bytes of a request and returns those of the answer, of the same type.
        """
        octets, text = 'application/octet-stream', 'application/json'
        return {
            '/drawing': (octets, SIDE * SIDE, self.drawing),
            '/picture': (octets, MAX_BYTES, self.picture),
            '/digit': (octets, 4 * handwriting.DIGIT**2, self.digit),
            '/pixel': (text, 40000, self.pixel),
            '/step': (text, 1000, self.step),
        }

    def drawing(self, body):
        """SIDE * SIDE bytes, the levels of a drawing; see `_look`."""
        if len(body) != SIDE * SIDE:
            raise BadRequest('a drawing has %d bytes' % SIDE**2)
        return self._prepared(lambda: np.frombuffer(body, np.uint8).reshape(SIDE, SIDE))

    def picture(self, body):
        """The bytes of a file; see `_look`."""
        with self._decoding:
            return self._prepared(lambda: images.decode(body))

    def digit(self, body):
        """A digit, as `_look` returned it, that a newer checkpoint is to read."""
        if len(body) != 4 * handwriting.DIGIT**2:
            raise BadRequest('a digit has %d bytes' % (4 * handwriting.DIGIT**2))
        return self._look(_checked(np.frombuffer(body, '<f4')))

    def _prepared(self, picture):
        try:
            return self._look(handwriting.digit(picture()))
        except images.PictureError as error:
            return _packed({'step': self._current[0], 'error': error.key, 'text': str(error)})

    def _look(self, digit):
        """Returns JSON of the step and, behind it, the digit and its layers, as little-endian
        float32; of no checkpoint, the step is null and there is the digit alone.
        """
        step, sess = self._current
        values = {'digit': digit}
        if sess:
            values = layers.look(sess, self._x, self._tensors, digit)
        arrays = [values[name] for name in ('digit', *layers.SHAPES) if name in values]
        return _packed({'step': step}, arrays)

    def pixel(self, body):
        """{digit, layer, row, column, kernel} gives layers.conv1_pixel's or pool1_pixel's, and
        the step.
        """
        asked = _json(body)
        try:
            digit = _checked(np.array(asked['digit'], np.float32))
            row, column, kernel = (int(asked[name]) for name in ('row', 'column', 'kernel'))
            shape = layers.SHAPES[asked['layer']]
            find = {'conv1': layers.conv1_pixel, 'pool1': layers.pool1_pixel}[asked['layer']]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadRequest('no such pixel') from error
        if not all(0 <= i < n for i, n in zip((row, column, kernel), shape)):
            raise BadRequest('no such pixel')
        step, sess = self._current
        found = {'step': step}
        if sess:
            values = layers.look(sess, self._x, self._tensors, digit)
            found.update(find(values, row, column, kernel))
        return json.dumps(found).encode()

    def step(self, body):
        """{} gives {step}: of the checkpoint that answers now."""
        _json(body)
        return json.dumps({'step': self._current[0]}).encode()


def _json(body):
    try:
        asked = json.loads(body.decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise BadRequest('no JSON') from error
    if not isinstance(asked, dict):
        raise BadRequest('no JSON object')
    return asked


def _checked(digit):
    """Returns levels as a digit [28, 28], float32. Raises BadRequest if they are none."""
    if digit.size != handwriting.DIGIT**2 or not ((digit >= 0) & (digit <= 1)).all():
        raise BadRequest('a digit has %d levels from 0 to 1' % handwriting.DIGIT**2)
    return digit.reshape(handwriting.DIGIT, handwriting.DIGIT).astype(np.float32)


def _packed(head, arrays=()):
    """Returns the length of the JSON, the JSON (a multiple of four bytes), the arrays."""
    head = json.dumps(head).encode()
    head += b' ' * (-len(head) % 4)
    numbers = [np.ascontiguousarray(array, '<f4').tobytes() for array in arrays]
    return b''.join([struct.pack('<I', len(head)), head, *numbers])
