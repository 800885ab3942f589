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
FOUND = ['conv1', 'pool1', 'conv2', 'pool2', 'fc1']
UNEXPLAINED = {'pool1': 'conv1', 'pool2': 'conv2', 'logits': 'fc1'}
SOURCES = dict(zip([*FOUND[:4], 'logits'], ['input', *FOUND[:3], 'fc1']))


def changed(x, size=5, function=tf.nn.relu, norm=lambda x: x, neurons=(512,), classes=10):
    """The logits of LeNet-5 as a student might change it."""
    below = x
    for kernels in 6, 16:
        w = lenet.get_weight([size, size, int(below.shape[3]), kernels], None)
        sums = tf.nn.bias_add(lenet.conv2d(below, w), lenet.get_bias([kernels]))
        below = lenet.max_pool_2x2(function(norm(sums)))
    below = tf.reshape(below, [-1, int(np.prod(below.shape.as_list()[1:]))])
    for n in neurons:
        w = lenet.get_weight([int(below.shape[1]), n], None)
        below = function(tf.matmul(below, w) + lenet.get_bias([n]))
    w = lenet.get_weight([int(below.shape[1]), classes], None)
    return tf.matmul(below, w) + lenet.get_bias([classes])


def normalized(x):
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3)


@pytest.fixture(scope='module')
def lecture():
    """The network of the lecture: itself, what it reads, and its weights."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        network = layers.Network(x, lenet.forward(x, False, None))
        for variable, array in zip(tf.trainable_variables(), reference.initial_parameters()):
            variable.load(array, sess)
        return network, network.read(sess, DIGIT), network.weights(sess)


def test_layers_of_the_lecture(lecture):
    network, values, weights = lecture
    assert (network.sources, network.undrawn) == (SOURCES, [])
    w1, b1, w2, b2, _, _, w4, b4 = reference.initial_parameters()
    expected = dict(conv1_w=w1, conv1_b=b1, conv2_w=w2, conv2_b=b2, logits_w=w4, logits_b=b4)
    assert weights.keys() == expected.keys()
    assert all(np.abs(weights[name] - array).max() < 1e-7 for name, array in expected.items())
    assert list(values) == ['input', *FOUND, 'logits', 'probabilities']
    assert (values['input'] == DIGIT).all()
    assert all(list(values[name].shape) == shape for name, shape in network.layers.items())
    logits = reference.logits(DIGIT.reshape(1, 28, 28, 1), reference.initial_parameters())[0]
    assert np.abs(values['logits'] - logits).max() < 1e-3
    expected = np.exp(logits - np.logaddexp.reduce(logits))
    assert np.abs(values['probabilities'] - expected).max() < 1e-4
    for conv, pool in ('conv1', 'pool1'), ('conv2', 'pool2'):
        blocks = values[conv].reshape(values[pool].shape[0], 2, -1, 2, values[pool].shape[2])
        assert (blocks.max(axis=(1, 3)) == values[pool]).all()


@pytest.mark.parametrize(
    'side, changes, found, sources',
    [
        (28, {'size': 3, 'classes': 5}, FOUND, SOURCES),
        (28, {'function': tf.tanh}, FOUND, UNEXPLAINED),
        (28, {'function': tf.sigmoid, 'classes': 26}, FOUND, UNEXPLAINED),
        (28, {'norm': normalized}, FOUND, UNEXPLAINED),
        (28, {'neurons': (120, 84)}, [*FOUND, 'fc2'], dict(SOURCES, logits='fc2')),
        (28, {'neurons': ()}, FOUND[:4], dict(SOURCES, logits='pool2')),
        (30, {'size': 4}, FOUND, SOURCES),
    ],
)
def test_a_changed_network(side, changes, found, sources):
    """It is read, and what is found of it can be drawn."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, side, side, 1])
        y = changed(x, **changes)
        sess.run(tf.global_variables_initializer())
        network = layers.Network(x, y)
        values = network.read(sess, DIGIT)
        levels = values['input'].reshape(1, side, side, 1)
        assert np.abs(sess.run(y, {x: levels})[0] - values['logits']).max() < 1e-5
        assert network.weights(sess).keys() == {
            name + end for name in sources for end in ('_w', '_b') if not name.startswith('pool')
        }
    assert abs(values['input'].mean() - DIGIT.mean()) < 0.02
    assert [*network.layers] == [*found, 'logits'] and network.sources == sources
    assert network.undrawn == [] and len(values['probabilities']) == changes.get('classes', 10)
    assert Image.open(io.BytesIO(layers.drawn(values))).size[0] == layers.WIDTH + 2 * layers.MARGIN


def test_what_cannot_be_drawn():
    """A layer whose size is known only when it runs is left out, and named."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        first = lenet.conv2d(x, lenet.get_weight([5, 5, 1, 8], None))
        second = lenet.conv2d(first, lenet.get_weight([5, 5, 8, 8], None))
        cut = tf.placeholder_with_default(second, [None, None, None, 8])
        third = lenet.conv2d(cut, lenet.get_weight([5, 5, 8, 10], None))
        network = layers.Network(x, tf.reduce_mean(third, [1, 2]))
        assert list(network.layers) == ['conv1', 'logits'] and network.sources == {}
        assert [text.split()[0] for text in network.undrawn] == ['Conv2D_2']
        with pytest.raises(layers.NetworkError, match='of 3 channels') as caught:
            layers.Network(tf.placeholder(tf.float32, [None, 28, 28, 3]), None)
        assert caught.value.exit_status == 1


@pytest.mark.parametrize('is_old', [False, True])
def test_picture(lecture, is_old, monkeypatch):
    """Each map where its kernel is in the graph; and words, also by a Pillow of one size."""
    if is_old:
        font = ImageFont.load_default()
        monkeypatch.setattr(ImageFont, 'load_default', lambda: font)
    _, values, _ = lecture
    picture = np.array(Image.open(io.BytesIO(layers.drawn(values))))
    colours = layers.PAPER, layers.CELL, layers.INK, layers.ORANGE
    paper, cell, ink, orange = colours
    assert {paper, cell, ink, orange} <= set(map(tuple, picture.reshape(-1, 3)))
    top = left = layers.MARGIN
    for name, scale in zip(['input', *FOUND], [4, 2, 4, 4, 8, 14]):
        dark = np.argwhere((picture[top : top + layers.LINE, left:] < 128).all(axis=2))
        assert np.ptp(dark[:, 0]) >= 9 and np.ptp(dark[:, 1]) >= 40  # of readable height
        top += layers.LINE
        array, columns, gap = values[name] / values[name].max(), 16, 4
        if name == 'fc1':
            array, columns, gap = array[np.newaxis, np.newaxis], 64, 1
        size, _, n = np.atleast_3d(array).shape
        for i in {0, n // 2, n - 1}:
            y, x = top + i // columns * (size * scale + gap), left + i % columns * (960 // columns)
            found = picture[y : y + size * scale, x : x + size * scale]
            levels = np.kron(np.atleast_3d(array)[:, :, i], np.ones((scale, scale)))
            expected = np.array(cell) + levels[..., np.newaxis] * (np.array(ink) - cell)
            assert np.abs(found - expected).max() <= 1.5
        top += -(-n // columns) * (size * scale + gap)
    bars = picture[-layers.MARGIN - 10 * layers.LINE : -layers.MARGIN]
    is_orange = (bars == orange).all(axis=2).any(axis=1)
    read = values['probabilities'].argmax()
    assert set(np.flatnonzero(is_orange) // layers.LINE) == {read}
