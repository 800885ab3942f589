"""layers: found in the graph, and the picture of them."""

import io

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from PIL import Image, ImageColor, ImageFont

import mnist_lenet5_forward
from handwriting import layers

DIGIT = np.random.RandomState(5).rand(28, 28).astype(np.float32)
DIGIT[:, :9] = 0


def network(forward=mnist_lenet5_forward.forward):
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    return x, forward(x, False, None)


@pytest.fixture(scope='module')
def values():
    with tf.Graph().as_default(), tf.Session() as sess:
        x, y = network()
        tensors = layers.find(x, y)
        for variable, array in zip(tf.trainable_variables(), reference.initial_parameters()):
            variable.load(array, sess)
        return layers.look(sess, x, tensors, DIGIT)


def test_layers_are_the_networks(values):
    conv1_w, conv1_b = reference.initial_parameters()[:2]
    assert np.abs(values['conv1_w'] - conv1_w[:, :, 0]).max() < 1e-7
    assert np.abs(values['conv1_b'] - conv1_b).max() < 1e-7
    assert (values['digit'] == DIGIT).all()
    for name, shape in layers.SHAPES.items():
        assert list(values[name].shape) == [size for size in shape if size not in (None, 1)]
    logits = reference.logits(DIGIT.reshape(1, 28, 28, 1), reference.initial_parameters())[0]
    expected = np.exp(logits - logits.max())
    assert np.abs(values['y'] - expected / expected.sum()).max() < 1e-4
    for conv, pool in ('conv1', 'pool1'), ('conv2', 'pool2'):
        blocks = values[conv].reshape(values[pool].shape[0], 2, -1, 2, values[pool].shape[2])
        assert (blocks.max(axis=(1, 3)) == values[pool]).all()


def without_a_bias(x, train, regularizer):
    w = mnist_lenet5_forward.get_weight([5, 5, 1, 32], None)
    relu = tf.nn.relu(mnist_lenet5_forward.conv2d(x, w))
    return mnist_lenet5_forward.max_pool_2x2(relu)[:, 0, 0, :10]


def test_another_network(monkeypatch):
    """Of other layers or of other shapes: one line."""
    with tf.Graph().as_default():
        with pytest.raises(layers.NetworkError, match='are .*14, 14, 32') as caught:
            layers.find(*network(without_a_bias))
        assert caught.value.exit_status == 1 and '\n' not in str(caught.value)
    monkeypatch.setattr(mnist_lenet5_forward, 'CONV2_KERNEL_NUM', 48)
    with tf.Graph().as_default():
        with pytest.raises(layers.NetworkError, match=r'14, 14, 48.* and not .*14, 14, 64'):
            layers.find(*network())


@pytest.mark.parametrize('is_old', [False, True])
def test_picture(values, is_old, monkeypatch):
    """Each map where its kernel is in the graph; and words, also by a Pillow of one size."""
    if is_old:
        font = ImageFont.load_default()
        monkeypatch.setattr(ImageFont, 'load_default', lambda: font)
    file = layers.png(values)
    picture = np.array(Image.open(io.BytesIO(file)))
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    paper, cell, ink, orange = map(
        ImageColor.getrgb, (layers.PAPER, layers.CELL, layers.INK, layers.ORANGE)
    )
    assert {paper, cell, ink, orange} <= set(map(tuple, picture.reshape(-1, 3)))
    top = layers.MARGIN
    for name, scale in list(layers.SCALES.items())[:5]:
        label = picture[top : top + layers.LINE, layers.MARGIN :]
        dark = np.argwhere((label.astype(int) < 128).all(axis=2))
        assert np.ptp(dark[:, 0]) >= 9 and np.ptp(dark[:, 1]) >= 60  # of readable height
        top += layers.LINE
        maps = values[name].reshape(*values[name].shape[:2], -1)
        maps = maps / maps.max()
        size, _, n = maps.shape
        for i in {0, n - 1}:
            y = top + i // 16 * (size * scale + layers.GAP)
            x = layers.MARGIN + i % 16 * (layers.TILE + layers.GAP)
            found = picture[y : y + size * scale, x : x + size * scale]
            levels = np.kron(maps[:, :, i], np.ones((scale, scale)))[..., np.newaxis]
            expected = np.array(cell) + levels * (np.array(ink) - cell)
            assert np.abs(found - expected).max() <= 1.5
        top += -(-n // 16) * (size * scale + layers.GAP)
    bars = picture[-layers.MARGIN - 10 * layers.LINE : -layers.MARGIN]
    read = values['y'].argmax()
    is_orange = (bars == orange).all(axis=2).any(axis=1)
    assert set(np.flatnonzero(is_orange) // layers.LINE) == {read}
