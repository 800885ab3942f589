"""layers: found in the graph of any network, read, and drawn as one picture."""

import io

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from PIL import Image, ImageFont

import mnist_lenet5_forward as lenet
from handwriting import layers

DIGIT = np.random.RandomState(5).rand(28, 28).astype(np.float32)
DIGIT[:, :9] = 0
PARAMETERS = reference.initial_parameters()
FOUND = ['conv1', 'pool1', 'conv2', 'pool2', 'fc1']
POOLS = {'pool1': 'conv1', 'pool2': 'conv2'}
UNEXPLAINED = dict(POOLS, logits='fc1')
SOURCES = dict(zip([*FOUND[:4], 'logits'], ['input', *FOUND[:3], 'fc1']))


def biased(sums):
    """Adds a bias to each map or class."""
    return sums + lenet.get_bias(sums.shape.as_list()[-1:])


def changed(x, size=5, function=tf.nn.relu, add=biased, neurons=(512,), classes=10):
    """The logits of LeNet-5 as a student might change it."""
    below = x
    for kernels in 6, 16:
        w = lenet.get_weight([size, size, int(below.shape[3]), kernels], None)
        below = lenet.max_pool_2x2(function(add(lenet.conv2d(below, w))))
    below = tf.reshape(below, [-1, int(np.prod(below.shape.as_list()[1:]))])
    for n in [*neurons, classes]:
        logits = add(tf.matmul(below, lenet.get_weight([int(below.shape[1]), n], None)))
        below = function(logits)
    return logits


def normalized(sums):
    return tf.nn.batch_normalization(biased(sums), 0.1, 2.0, None, None, 1e-3)


@pytest.fixture(scope='module')
def lecture():
    """The network of the lecture: itself, what it reads, and its weights."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        network = layers.Network(x, lenet.forward(x, False, None))
        for variable, array in zip(tf.trainable_variables(), PARAMETERS):
            variable.load(array, sess)
        return network, network.read(sess, DIGIT), network.weights(sess)


def test_layers_of_the_lecture(lecture):
    network, values, weights = lecture
    assert (network.sources, network.undrawn) == (SOURCES, [])
    names = ['conv1_w', 'conv1_b', 'conv2_w', 'conv2_b', 'logits_w', 'logits_b']
    expected = dict(zip(names, [*PARAMETERS[:4], *PARAMETERS[6:]]))
    assert weights.keys() == expected.keys()
    assert all(np.abs(weights[name] - expected[name]).max() < 1e-7 for name in names)
    assert list(values) == ['input', *FOUND, 'logits', 'probabilities']
    assert (values['input'] == DIGIT).all()
    assert all(list(values[name].shape) == shape for name, shape in network.layers.items())
    logits = reference.logits(DIGIT.reshape(1, 28, 28, 1), PARAMETERS)[0]
    assert np.abs(values['logits'] - logits).max() < 1e-3


@pytest.mark.parametrize(
    'side, changes, found, sources',
    [
        (28, {'size': 3, 'classes': 5}, FOUND, SOURCES),
        (28, {'function': tf.tanh, 'classes': 26}, FOUND, UNEXPLAINED),
        (28, {'add': normalized}, FOUND, POOLS),
        (28, {'add': lambda sums: 0.1 + sums}, FOUND, POOLS),
        (28, {'add': lambda sums: sums + 0.1}, FOUND, POOLS),
        (28, {'add': lambda sums: sums + lenet.get_bias([1])}, FOUND, POOLS),
        (28, {'add': lambda sums: sums + tf.ones(sums.shape[1:])}, FOUND, UNEXPLAINED),
        (28, {'neurons': (120, 84)}, [*FOUND, 'fc2'], dict(SOURCES, logits='fc2')),
        (28, {'neurons': ()}, FOUND[:4], dict(SOURCES, logits='pool2')),
        (30, {'size': 4}, FOUND, SOURCES),
    ],
)
def test_a_changed_network(side, changes, found, sources):
    """A changed network is read, and the layers that are found are drawn."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, side, side, 1])
        y = changed(x, **changes)
        sess.run(tf.global_variables_initializer())
        network = layers.Network(x, y)
        values = network.read(sess, DIGIT)
        logits = sess.run(y, {x: values['input'].reshape(1, side, side, 1)})[0]
        assert np.abs(logits - values['logits']).max() < 1e-5
        sums = [name for name in sources if not name.startswith('pool')]
        assert network.weights(sess).keys() == {name + end for name in sums for end in ('_w', '_b')}
    assert abs(values['input'].mean() - DIGIT.mean()) < 0.02
    assert [*network.layers] == [*found, 'logits'] and network.sources == sources
    assert network.undrawn == [] and len(values['probabilities']) == changes.get('classes', 10)
    assert Image.open(io.BytesIO(layers.drawn(values))).size[0] == layers.WIDTH + 2 * layers.MARGIN


def test_what_cannot_be_drawn():
    """A layer whose size is known only when it runs is left out, and named."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        w = lenet.get_weight([5, 5, 1, 1], None)
        second = lenet.conv2d(lenet.conv2d(x, w), w)
        third = lenet.conv2d(tf.placeholder_with_default(second, [None, None, None, 1]), w)
        network = layers.Network(x, tf.reduce_mean(third, [1, 2]))
        assert list(network.layers) == ['conv1', 'logits'] and network.sources == {}
        assert [text.split()[0] for text in network.undrawn] == ['Conv2D_2']
        with pytest.raises(layers.NetworkError, match='of 3 channels') as caught:
            layers.Network(tf.placeholder(tf.float32, [None, 28, 28, 3]), None)
        assert caught.value.exit_status == 1


@pytest.mark.parametrize('is_old', [False, True])
def test_picture(lecture, is_old, monkeypatch):
    """Each map is where its kernel is in the graph; words can be read, also by an old Pillow."""
    if is_old:
        font = ImageFont.load_default()
        monkeypatch.setattr(ImageFont, 'load_default', lambda: font)
    values = lecture[1]
    picture = np.array(Image.open(io.BytesIO(layers.drawn(values))))
    assert (picture == layers.PAPER).all(axis=2).any()
    top = left = layers.MARGIN
    for name, scale in zip(['input', *FOUND], [4, 2, 4, 4, 8, 14]):
        dark = np.argwhere((picture[top : top + layers.LINE_HEIGHT, left:] < 128).all(axis=2))
        assert np.ptp(dark[:, 0]) >= 9 and np.ptp(dark[:, 1]) >= 40  # of readable height
        top += layers.LINE_HEIGHT
        columns, gap = (64, 1) if name == 'fc1' else (16, 4)
        array = np.atleast_3d(values[name].reshape(1, 1, -1) if name == 'fc1' else values[name])
        size, _, n = array.shape
        for i in {0, n // 2, n - 1}:
            y, x = top + i // columns * (size * scale + gap), left + i % columns * (960 // columns)
            found = picture[y : y + size * scale, x : x + size * scale]
            levels = np.kron(array[:, :, i] / array.max(), np.ones((scale, scale)))[..., np.newaxis]
            expected = layers.CELL + levels * np.subtract(layers.INK, layers.CELL)
            assert np.abs(found - expected).max() <= 1.5
        top += -(-n // columns) * (size * scale + gap)
    bars = picture[-layers.MARGIN - 10 * layers.LINE_HEIGHT : -layers.MARGIN]
    rows = np.flatnonzero((bars == layers.ORANGE).all(axis=2).any(axis=1))
    assert set(rows // layers.LINE_HEIGHT) == {values['probabilities'].argmax()}
