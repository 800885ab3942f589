"""What several test files share, apart from fixtures."""

import functools
import itertools
import os
import signal
import struct
from pathlib import Path

import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, 'data')
SIGNALS = [signum for signum in signal.Signals if signum.name in ('SIGINT', 'SIGTERM', 'SIGHUP')]


def idx(array):
    """The bytes of an IDX file that holds a uint8 array."""
    magic = 2048 + array.ndim
    return struct.pack('>%dI' % (1 + array.ndim), magic, *array.shape) + array.tobytes()


def small_mnist(train=20, test=10):
    """The four files of a data set of noise: {name: uncompressed bytes}."""
    random = np.random.RandomState(0)
    return _files([(random.randint(0, 256, (n, 784)), np.arange(n) % 10) for n in (train, test)])


def first_digits(train, test):
    """Like small_mnist, but with MNIST's own first digits."""
    import input_data

    mnist = input_data.read_data_sets(DATA, dtype=np.uint8, validation_size=0)
    pairs = (mnist.train, train), (mnist.test, test)
    return _files([(data.images[:n], data.labels[:n]) for data, n in pairs])


def _files(pairs):
    files = {}
    for prefix, (images, labels) in zip(('train', 't10k'), pairs):
        images = images.reshape(len(images), 28, 28).astype(np.uint8)
        files[prefix + '-images-idx3-ubyte'] = idx(images)
        files[prefix + '-labels-idx1-ubyte'] = idx(labels.astype(np.uint8))
    return files


def write(folder, files):
    """Writes {name: content} into a folder, and makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def small_data_set(n, seed=None):
    """A DataSet of input_data, of noise."""
    import input_data

    noise = np.random.RandomState(0)
    images, labels = 255 * noise.rand(n, 784).astype(np.float32), np.eye(10)[np.arange(n) % 10]
    return input_data.DataSet(images, labels, seed=seed)


CHECKPOINT_VARIABLES = ['Variable'] + ['Variable_%d' % i for i in range(1, 9)]
CHECKPOINT_VARIABLES += [name + '/ExponentialMovingAverage' for name in CHECKPOINT_VARIABLES[:8]]


def write_checkpoint(folder, step, parameters, shadows):
    """A checkpoint as training writes them, made of NumPy arrays."""
    import tensorflow.compat.v1 as tf  # not above: some of the tests run without it

    arrays = map(np.asarray, [*parameters, step, *shadows])
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = {}
        for name, array in zip(CHECKPOINT_VARIABLES, arrays):
            variables[name] = tf.Variable(array.astype('i4' if array.dtype.kind == 'i' else 'f4'))
        sess.run(tf.global_variables_initializer())
        folder.mkdir(exist_ok=True)
        path = str(folder / 'mnist_model')
        tf.train.Saver(variables).save(sess, path, step, write_meta_graph=False)


def needs_ascii_on_windows(folder):
    """Skips the test if TensorFlow cannot find the folder, see docs/troubleshooting.md."""
    if os.name == 'nt' and not str(folder).isascii():
        pytest.skip('TensorFlow for Windows needs an ASCII path here')


class Noise:
    """A foreign training set: nothing but next_batch and num_examples."""

    num_examples = 4

    def __init__(self):
        self.random = np.random.RandomState(7)
        self.batches = []

    def next_batch(self, batch_size):
        labels = self.random.randint(0, 10, batch_size)
        self.batches.append((self.random.rand(batch_size, 784), np.eye(10)[labels]))
        return self.batches[-1]


class Happening(Noise):
    """Noise. Something happens during its n-th batch, counted from 1."""

    def __init__(self, n, happening):
        super().__init__()
        self.happenings = {n: happening}

    def next_batch(self, batch_size):
        self.happenings.get(len(self.batches) + 1, bool)()
        return super().next_batch(batch_size)


def send(*signums):
    return lambda: [os.kill(os.getpid(), signum) for signum in signums]


def at_first_call(monkeypatch, name, happening, owner=os):
    """Something happens before the first call of os.<name>, or of another owner's."""
    calls = itertools.count()
    before_calls(monkeypatch, owner, name, lambda *args: next(calls) == 0 and happening())


def before_calls(monkeypatch, owner, name, happening):
    """happening(*args) is called before each call of owner.<name>."""
    function = getattr(owner, name)

    def call(*args, **options):
        happening(*args)
        return function(*args, **options)

    monkeypatch.setattr(owner, name, call)


def saved_steps(model):
    return sorted(int(path.stem.split('-')[1]) for path in Path(model).glob('mnist_model-*.index'))


def checkpoint_bytes(model, step):
    files = [model / ('mnist_model-%d' % step + end) for end in ('.index', '.data-00000-of-00001')]
    return [file.read_bytes() for file in files]


def screen(text):
    """The lines that a terminal shows of a text."""
    lines = []
    for line in text.split('\n'):
        parts = line.split('\r')
        lines.append(functools.reduce(lambda old, new: new + old[len(new) :], parts).rstrip())
    return lines


class Folder:
    """A folder of checkpoints of two small variables. One of them is the step."""

    def __init__(self, path):
        from support import checkpoints  # not above: some of the tests run without TensorFlow

        import tensorflow.compat.v1 as tf

        self.path, self.checkpoints = path, checkpoints
        self.weight = tf.Variable(tf.zeros([1000]))
        self.step = tf.Variable(0)
        self.saver, self.sess = tf.train.Saver(), tf.Session()
        self.new = tf.placeholder(tf.int32)
        weight = tf.fill([1000], tf.cast(self.new, tf.float32))
        self.assign = [tf.assign(self.weight, weight), tf.assign(self.step, self.new)]

    def __getitem__(self, name):
        return self.path / name

    def manager(self, name='mnist_model'):
        return self.checkpoints.Manager(str(self.path), name, 7)

    def save(self, *steps, name='mnist_model'):
        """Saves each step with a new Manager, as a training that is stopped and resumed."""
        for step in steps:
            with self.manager(name) as manager:
                self.sess.run(self.assign, {self.new: step})
                manager.save(self.saver, self.sess, step)

    def restore(self):
        """Restores, checks the values, and returns the name of the checkpoint."""
        self.sess.run(self.assign, {self.new: -1})
        ckpt = self.checkpoints.get_checkpoint_state(str(self.path))
        self.checkpoints.restore(self.saver, self.sess, ckpt)
        weight, step = self.sess.run([self.weight, self.step])
        assert (weight == step).all()
        name = os.path.basename(ckpt.model_checkpoint_path)
        assert name.endswith('-%d' % step)
        return name

    def edit(self, old, new):
        """Replaces a text once, in the first line of `checkpoint` that has it."""
        text = self['checkpoint'].read_text(encoding='utf-8')
        assert old in text
        self['checkpoint'].write_text(text.replace(old, new, 1), encoding='utf-8')

    def damage(self, step, suffix='.data-00000-of-00001', content=b''):
        """Replaces the content of a checkpoint's file. Returns the function that puts it back."""
        path = self['mnist_model-%d%s' % (step, suffix)]
        whole = path.read_bytes()
        path.write_bytes(content)
        return lambda: path.write_bytes(whole)

    def steps(self):
        return saved_steps(self.path)
