"""TensorFlow 1 programs, as people have them, on input_data and on the original, if installed."""

import functools
import gzip
import os
import re

import numpy as np
import pytest
import tensorflow
import tensorflow.compat.v1 as tf
from helpers import ROOT, first_digits

import input_data

try:
    from tensorflow.contrib.learn.python.learn.datasets import mnist as original
except ImportError:  # TensorFlow 2
    original = None

READERS = [input_data] if original is None else [input_data, original]
TRAIN, VALIDATION, TEST = 500, 100, 150
each_reader = pytest.mark.parametrize('reader', READERS, ids=lambda module: module.__name__[:10])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with the first digits of MNIST."""
    folder = tmp_path_factory.mktemp('MNIST_data')
    for name, content in first_digits(TRAIN + VALIDATION, TEST).items():
        (folder / (name + '.gz')).write_bytes(gzip.compress(content))
    return str(folder)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        np.random.seed(1)
        yield


def read(reader, folder, **options):
    return reader.read_data_sets(folder, **{'validation_size': VALIDATION, **options})


def extracted(reader, folder, name, **options):
    """Returns what extract_images or extract_labels makes of a training file."""
    with tf.gfile.Open(os.path.join(folder, f'train-{name}-ubyte.gz'), 'rb') as f:
        return getattr(reader, 'extract_' + name.split('-')[0])(f, **options)


@each_reader
def test_softmax_regression(reader, folder):
    """TensorFlow's tutorial for beginners reads most digits, also of a data set that it makes."""
    mnist = read(reader, folder, one_hot=True)
    x, y_ = tf.placeholder('float', [None, 784]), tf.placeholder(tf.float32, [None, 10])
    logits = tf.matmul(x, tf.Variable(tf.zeros([784, 10]))) + tf.Variable(tf.zeros([10]))
    y = tf.nn.softmax(logits)
    cross_entropy = tf.reduce_mean(-tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))
    train_step = tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)
    correct_prediction = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    accuracy = tf.reduce_mean(tf.cast(correct_prediction, 'float'))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(60):
            batch_xs, batch_ys = mnist.train.next_batch(100)
            sess.run(train_step, feed_dict={x: batch_xs, y_: batch_ys})
        images = extracted(reader, folder, 'images-idx3')
        labels = extracted(reader, folder, 'labels-idx1', one_hot=True)
        chosen = labels[:, [3, 8]].any(axis=1)
        own = reader.DataSet(images[chosen], labels[chosen], dtype=tf.float32)
        assert (own.images.min(), own.images.max()) == (0, 1)
        assert own.num_examples == chosen.sum() > 50
        for data in mnist.validation, mnist.test, own:
            assert accuracy.eval(feed_dict={x: data.images, y_: data.labels}) > 0.7
    assert mnist.train.epochs_completed == 11


@each_reader
def test_names_with_an_underscore(reader, folder):
    """Programs read them, and assign to them in order to train on fewer examples."""
    train = read(reader, folder).train
    assert train._images.shape == (train._num_examples, 784) == (TRAIN, 784)
    number = {image.tobytes(): i for i, image in enumerate(train._images)}
    labels = train._labels.copy()

    def served(batches):
        xs, ys = map(np.concatenate, zip(*[train.next_batch(40) for _ in range(batches)]))
        numbers = [number[x.tobytes()] for x in xs]
        assert (labels[numbers] == ys).all()
        return numbers

    train._num_examples = 100
    numbers = served(10)
    assert sorted(numbers[:100]) == sorted(numbers[100:200]) == list(range(100))
    assert [train._index_in_epoch, train._epochs_completed] == [100, 3]
    train._index_in_epoch = train._epochs_completed = 0
    order = np.arange(TRAIN)[::-2] if reader is input_data else np.arange(50)
    train._images, train._labels = train._images[order], train._labels[order]
    train._num_examples = len(order)
    assert len(set(served(25))) == len(order) == train.num_examples
    assert train.images is train._images and train.labels is train._labels
    served(1)
    train._num_examples = 45  # and in the middle of an epoch
    assert len(set(served(5))) == 45


@each_reader
def test_what_repeats_the_order(reader, folder):
    """A seed does, or np.random.seed between the reading and the first batch."""

    def served(seed, global_seed):
        data = read(reader, folder, seed=seed).train
        if global_seed is not None:
            np.random.seed(global_seed)
        return data.next_batch(300)[1].tolist() + data.next_batch(400)[1].tolist()

    assert served(7, None) == served(7, None) != served(8, None)
    assert served(None, 7) == served(None, 7) != served(None, 8)
    assert served(None, None) != served(None, None)


@each_reader
@pytest.mark.parametrize('one_hot, label', [(False, 0), (True, [1] + [0] * 9)])
def test_fake_data(reader, one_hot, label):
    mnist = reader.read_data_sets('no/such/folder', True, one_hot)
    assert [data.num_examples for data in mnist] == [10000] * 3
    assert mnist.train.next_batch(3, True) == ([[1] * 784] * 3, [label] * 3)


@each_reader
def test_load_mnist(reader, folder):
    with pytest.raises(ValueError, match='5000'):  # too large a validation set for these files
        reader.load_mnist(folder)


def bits(found):
    """Returns all of an array, a number, a data set, or a tuple of these, to be compared by ==."""
    if isinstance(found, tuple):
        return [bits(part) for part in found]
    if hasattr(found, 'next_batch'):
        names = 'images', 'labels', 'num_examples', 'epochs_completed', '_index_in_epoch'
        return [  # unshuffled, because the random order is ours
            bits((*found.next_batch(n, False, False), *[getattr(found, name) for name in names]))
            for n in (1, 30, 99, 70)
        ]
    array = np.asarray(found)
    return array.dtype, array.shape, hash(array.tobytes())


@pytest.mark.skipif(original is None, reason='TensorFlow 2 does not have the original')
def test_beside_the_original(folder):
    """The same calls return the same."""
    images = extracted(input_data, folder, 'images-idx3')
    labels = extracted(input_data, folder, 'labels-idx1')

    def calls(reader):
        yield read(reader, folder)
        yield read(reader, folder, one_hot=True, seed=3)
        yield read(reader, folder, dtype=tf.uint8, reshape=False, validation_size=120)
        yield read(reader, folder, dtype=np.float32, reshape=False, source_url='')
        for grey in images, images.astype(float), images.astype(int), images / np.float32(255):
            yield reader.DataSet(grey, labels)
        yield reader.DataSet(images / 255, labels, False, True, 'uint8', False, 1)
        yield reader.DataSet(images, labels, dtype=tf.uint8, reshape=True)
        yield extracted(reader, folder, 'images-idx3')
        for options in {}, {'one_hot': True}, {'one_hot': True, 'num_classes': 12}:
            yield extracted(reader, folder, 'labels-idx1', **options)
        yield reader.dense_to_one_hot(labels[:, np.newaxis], 11)

    assert bits(tuple(calls(input_data))) == bits(tuple(calls(original)))


def has(name):
    """Returns whether tf.<name> works. Some names of Keras 2 exist without Keras 2."""
    try:
        functools.reduce(getattr, name.split('.'), tensorflow if name == 'contrib' else tf)
    except (AttributeError, ImportError):
        return False
    return True


def test_which_tensorflow_has_what():
    """Both tables of docs/inherited.md agree with the installed TensorFlow."""
    version = tuple(int(part) for part in tf.VERSION.split('.')[:2])
    column = 2 + (version >= (2,)) + (version >= (2, 16))
    column += column == 4 and os.environ.get('TF_USE_LEGACY_KERAS') == '1'
    with open(os.path.join(ROOT, 'docs', 'inherited.md'), encoding='utf-8') as file:
        rows = [[cell.strip() for cell in line.split('|')] for line in file if line[0] == '|']
    expected = {}
    for _, name, *cells in rows:
        if len(cells) == 2:  # what to write here, which needs Keras 2 in places
            for name in re.findall(r'`tf\.([\w.]+)', cells[0]):
                expected[name] = column != 4 or not name.startswith(('layers', 'nn.rnn_cell'))
        else:
            names = re.findall(r'`tf\.([\w.]+)', name)
            expected.update(dict.fromkeys(names, cells[column - 2] == 'yes'))
    assert len(expected) > 30
    assert {name: has(name) for name in expected} == expected
