"""layers: found in the graph, the picture of them, and the arithmetic of a pixel, which adds up."""

from decimal import Decimal

from support import layers, pictures

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf

import mnist_lenet5_forward

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
    assert np.abs(values['conv1_w'] - conv1_w).max() < 1e-7
    assert np.abs(values['conv1_b'] - conv1_b).max() < 1e-7
    assert (values['digit'] == DIGIT).all()
    for name, shape in layers.SHAPES.items():
        assert list(values[name].shape) == shape
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
        x, y = network(without_a_bias)
        with pytest.raises(layers.NetworkError, match='are Conv2D Relu MaxPool') as caught:
            layers.find(x, y)
        assert caught.value.exit_status == 1 and '\n' not in str(caught.value)
    monkeypatch.setattr(mnist_lenet5_forward, 'CONV2_KERNEL_NUM', 48)
    with tf.Graph().as_default():
        with pytest.raises(layers.NetworkError, match=r'conv2 .* \[14, 14, 64\], and .* 48\]'):
            layers.find(*network())


def test_picture(values):
    picture = layers.picture(values)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert {pictures.PAPER, pictures.CELL, pictures.INK, pictures.READ_INK} <= colours
    # the digit and the first map of each layer, where the labels leave them
    ink, cell = np.array(pictures.INK, float), np.array(pictures.CELL, float)
    top = pictures.MARGIN + layers.LABEL
    for name, scale, n in (
        ('digit', 4, 1),
        ('conv1', 2, 32),
        ('pool1', 4, 32),
        ('conv2', 4, 64),
        ('pool2', 8, 64),
    ):
        maps = values[name].reshape(values[name].shape[0], -1, n)
        maps = maps / (1 if name == 'digit' else maps.max())
        for i in {0, n - 1}:
            y = top + i // 16 * (maps.shape[0] * scale + layers.GAP)
            x = pictures.MARGIN + i % 16 * (layers.TILE + layers.GAP)
            found = picture[y : y + len(maps) * scale, x : x + len(maps) * scale]
            expected = cell + np.kron(maps[:, :, i], np.ones((scale, scale)))[..., None] * (
                ink - cell
            )
            assert np.abs(found - expected).max() <= 0.51
        top += -(-n // 16) * (len(maps) * scale + layers.GAP) + layers.LABEL


def numbers(lines):
    return [Decimal(number or '0') for line in lines for number in line]


PIXELS = [(0, 0), (0, 27), (27, 0), (27, 27), (1, 13), (14, 26)]
PIXELS += [tuple(pixel) for pixel in np.random.RandomState(0).randint(0, 28, (60, 2)).tolist()]


@pytest.mark.parametrize('row, column', PIXELS)
def test_conv1_pixel(values, row, column):
    """As shown, products and bias add up, to what the network gave."""
    for kernel in 0, 7, 31:
        found = layers.conv1_pixel(values, row, column, kernel)
        products = numbers(found['products'])
        assert len(products) == 25
        assert sum(products) + Decimal(found['bias']) == Decimal(found['sum'])
        assert Decimal(found['value']) == max(Decimal(found['sum']), 0)
        assert abs(float(found['value']) - values['conv1'][row, column, kernel]) <= 0.000501
        for patch, weight, product in zip(
            numbers(found['patch']), numbers(found['kernel']), products
        ):
            assert abs(patch * weight - product) < Decimal('0.003')
        for i, line in enumerate(found['patch']):
            for j, level in enumerate(line):
                y, x = row + i - 2, column + j - 2
                inside = 0 <= y < 28 and 0 <= x < 28
                assert (level is None) != inside
                assert not inside or level == '%.3f' % DIGIT[y, x]
        assert '-0.000' not in str(found)


def test_pool1_pixel(values):
    for row, column in (0, 0), (13, 13), (6, 9):
        found = layers.pool1_pixel(values, row, column, 12)
        four = values['conv1'][2 * row : 2 * row + 2, 2 * column : 2 * column + 2, 12]
        assert found['four'] == [['%.3f' % value for value in line] for line in four]
        assert found['value'] == max(number for line in found['four'] for number in line)
