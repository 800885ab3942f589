"""Programs of TensorFlow 1 as people have them, on input_data; and it beside the original.

What is asserted of input_data is asserted of TensorFlow 1.15.5's own module, too, where that is.
"""

import functools
import gzip
import os
import re

import numpy as np
import pytest
import tensorflow
import tensorflow.compat.v1 as tf
from helpers import DATA, ROOT, idx
from test_download import OTHER_FILES, other_data, serve  # noqa: F401, it is a fixture

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
    """The first digits of MNIST."""
    folder = tmp_path_factory.mktemp('MNIST_data')
    mnist = input_data.read_data_sets(DATA, dtype=np.uint8, validation_size=0)
    for prefix, data, n in ('train', mnist.train, TRAIN + VALIDATION), ('t10k', mnist.test, TEST):
        images, labels = data.images[:n].reshape(n, 28, 28), data.labels[:n]
        for name, array in ('images-idx3', images), ('labels-idx1', labels):
            path = folder / ('%s-%s-ubyte.gz' % (prefix, name))
            path.write_bytes(gzip.compress(idx(array)))
    return str(folder)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        np.random.seed(1)
        yield


@each_reader
def test_softmax_regression(reader, folder):
    mnist = reader.read_data_sets(folder, one_hot=True, validation_size=VALIDATION)
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
        for data in mnist.validation, mnist.test:
            assert accuracy.eval(feed_dict={x: data.images, y_: data.labels}) > 0.7
    assert mnist.train.epochs_completed == 11


@each_reader
def test_what_programs_take(reader, folder):
    """Grey levels from 0 to 1, each digit with its label: in batches, in slices of the arrays,
    and in a data set that a program makes of two classes."""
    mnist = reader.read_data_sets(folder, one_hot=True, validation_size=VALIDATION)
    assert [data.num_examples for data in mnist] == [TRAIN, VALIDATION, TEST]
    with tf.gfile.Open(os.path.join(folder, 'train-images-idx3-ubyte.gz'), 'rb') as f:
        images = reader.extract_images(f)
    with tf.gfile.Open(os.path.join(folder, 'train-labels-idx1-ubyte.gz'), 'rb') as f:
        labels = reader.extract_labels(f, one_hot=True)
    label_of = dict(zip((image.tobytes() for image in images), labels.tolist()))
    chosen = labels[:, [3, 8]].any(axis=1)
    two = reader.DataSet(images[chosen], labels[chosen], dtype=tf.float32)
    assert two.num_examples == chosen.sum() > 50
    for data in mnist.train, mnist.validation, two:
        for xs, ys in data.next_batch(64), (data.images[9:60], data.labels[9:60]):
            assert xs.dtype == np.float32 and (xs.min(), xs.max()) == (0, 1)
            greys = np.rint(xs * 255).astype(np.uint8)
            assert [label_of[grey.tobytes()] for grey in greys] == ys.tolist()


@each_reader
def test_names_with_an_underscore(reader, folder):
    """Read, and assigned to train on fewer."""
    train = reader.read_data_sets(folder, validation_size=VALIDATION).train
    assert train._images.dtype == np.float32 and train._images.max() == 1
    assert train._images.shape == (train._num_examples, 784) == (TRAIN, 784)
    number = {image.tobytes(): i for i, image in enumerate(train._images)}
    labels = train._labels.copy()

    def served(batches):
        batches = [train.next_batch(40) for _ in range(batches)]
        xs, ys = (np.concatenate(arrays) for arrays in zip(*batches))
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
    def served(seed, global_seed):
        data = reader.read_data_sets(folder, validation_size=0, seed=seed).train
        if global_seed is not None:
            np.random.seed(global_seed)
        return data.next_batch(300)[1].tolist() + data.next_batch(400)[1].tolist()

    with tf.Graph().as_default():  # the original also looked at the seed of the graph
        assert served(7, None) == served(7, None) != served(8, None)
        assert served(None, 7) == served(None, 7) != served(None, 8)
        assert served(None, None) != served(None, None)


@each_reader
def test_fake_data(reader):
    for one_hot, label in (False, 0), (True, [1] + [0] * 9):
        mnist = reader.read_data_sets('no/such/folder', True, one_hot)
        assert [data.num_examples for data in mnist] == [10000] * 3
        assert mnist.train.next_batch(3, True) == ([[1] * 784] * 3, [label] * 3)


def test_fashion_mnist_by_source_url(serve, tmp_path):  # noqa: F811
    """As its README tells people to write it; here from a server of the test."""
    url, asked = serve(other_data)
    data = input_data.read_data_sets(str(tmp_path / 'fashion'), source_url=url, one_hot=True)
    xs, ys = data.train.next_batch(1)
    assert len(asked) == 4 and ys.argmax() == 8
    with gzip.open(str(tmp_path / 'fashion' / 'train-images-idx3-ubyte.gz')) as file:
        assert file.read() == OTHER_FILES['train-images-idx3-ubyte']


def same(ours, theirs):
    """To the bit; arrays or numbers."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.tobytes() == theirs.tobytes()


def both(call):
    return [call(reader) for reader in READERS]


def same_data_sets(call):
    """Unshuffled, because the order is ours; in its pairs and numbers see the programs above."""
    ours, theirs = both(call)
    names = 'images labels num_examples epochs_completed'.split()
    names += '_images _labels _num_examples _index_in_epoch _epochs_completed'.split()
    for n in 1, 30, 99, 70:
        for our_array, their_array in zip(*[d.next_batch(n, False, False) for d in (ours, theirs)]):
            same(our_array, their_array)
        for name in names:
            same(getattr(ours, name), getattr(theirs, name))


@pytest.mark.skipif(original is None, reason='TensorFlow 2 does not have the original')
def test_beside_the_original(folder):
    """The same calls, and what they return."""

    def read(reader, **options):
        options = {'validation_size': VALIDATION, **options}
        return reader.read_data_sets(folder, **options)

    for options in (
        {},
        {'one_hot': True, 'seed': 3},
        {'dtype': tf.uint8, 'reshape': False, 'validation_size': 120},
        {'dtype': np.float32, 'reshape': False, 'source_url': ''},
    ):
        for name in 'train', 'validation', 'test':
            same_data_sets(lambda reader: getattr(read(reader, **options), name))  # noqa: B023

    def extracted(reader, name, **options):
        with open(os.path.join(folder, 'train-%s-ubyte.gz' % name), 'rb') as file:
            function = reader.extract_images if 'images' in name else reader.extract_labels
            return function(file, **options)

    images, labels = (extracted(input_data, name) for name in ('images-idx3', 'labels-idx1'))
    same(*both(lambda reader: extracted(reader, 'images-idx3')))
    for options in {}, {'one_hot': True}, {'one_hot': True, 'num_classes': 12}:
        same(*both(lambda reader: extracted(reader, 'labels-idx1', **options)))  # noqa: B023
    same(*both(lambda reader: reader.dense_to_one_hot(labels[:, np.newaxis], 11)))
    for grey in images, images.astype(float), images.astype(int), images / np.float32(255):
        same_data_sets(lambda reader: reader.DataSet(grey, labels))  # noqa: B023
    same_data_sets(
        lambda reader: reader.DataSet(images / 255, labels, False, True, 'uint8', False, 1)
    )
    same_data_sets(lambda reader: reader.DataSet(images, labels, reshape=True, dtype=tf.uint8))
    for error, call in (
        (TypeError, lambda reader: read(reader, dtype=tf.float64)),
        (ValueError, lambda reader: read(reader, validation_size=601)),
        (ValueError, lambda reader: read(reader, validation_size=-1)),
        (ValueError, lambda reader: reader.load_mnist(folder)),
    ):
        for reader in READERS:
            with pytest.raises(error):
                call(reader)


def rows(heading):
    """The rows of a table of docs/inherited.md, without its heading."""
    with open(os.path.join(ROOT, 'docs', 'inherited.md'), encoding='utf-8') as file:
        table = re.search(r'^\| *%s.*\n\|[-|]+\n((?:\|.*\n)+)' % heading, file.read(), re.MULTILINE)
    return [[cell.strip() for cell in row.split('|')[1:-1]] for row in table.group(1).splitlines()]


def has(name):
    """Whether TensorFlow has tf.<name>; as a mere name, Keras 2's may be there without Keras 2."""
    try:
        functools.reduce(getattr, name.split('.'), tensorflow if name == 'contrib' else tf)
    except (AttributeError, ImportError):
        return False
    return True


def test_which_tensorflow_has_what():
    version = tuple(int(part) for part in tf.VERSION.split('.')[:2])
    column = 1 + (version >= (2,)) + (version >= (2, 16))
    column += column == 3 and os.environ.get('TF_USE_LEGACY_KERAS') == '1'
    wrong = [
        name
        for row in rows(r'\|')
        for name in re.findall(r'`tf\.([\w.]+)`', row[0])
        if has(name) != (row[column] == 'yes')
    ]
    assert wrong == []
    names = re.findall(r'`tf\.([\w.]+)', ' '.join(row[1] for row in rows('in your program now')))
    kept = [name for name in names if column != 3 or not name.startswith(('layers', 'nn.rnn_cell'))]
    assert len(kept) > 12 and all(has(name) for name in kept)
