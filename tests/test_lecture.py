"""Every worked number in the text of the notes, out of our code or TensorFlow's."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import mnist_lenet5_forward


def evaluate(build):
    """The value of the tensor that `build` adds to a new graph."""
    with tf.Graph().as_default():
        tensor = build()
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            return sess.run(tensor)


def conv_shape(image, kernel, stride=1, padding='VALID'):
    with tf.Graph().as_default():
        convolved = tf.nn.conv2d(
            tf.zeros(image), tf.zeros(kernel), strides=[1, stride, stride, 1], padding=padding
        )
        return convolved.shape.as_list()


# 7.1, convolution: (-1)x1 + 0x0 + 1x2 + (-1)x5 + 0x4 + 1x2 + (-1)x3 + 0x4 + 1x5 + 1 = 1
def test_nine_products_and_a_bias():
    pixels = np.array([[1, 0, 2], [5, 4, 2], [3, 4, 5]], np.float32)
    kernel = np.array([[-1, 0, 1]] * 3, np.float32)

    def build():
        x = tf.constant(pixels.reshape(1, 3, 3, 1))
        w = tf.constant(kernel.reshape(3, 3, 1, 1))
        return tf.nn.bias_add(mnist_lenet5_forward.conv2d(x, w), [1.0])

    assert evaluate(build)[0, 1, 1, 0] == 1


# 7.1, padding and output sizes
@pytest.mark.parametrize(
    'image, kernel, stride, padding, size',
    [
        (5, 3, 1, 'VALID', 3),  # (5 - 3 + 1) / 1
        (5, 3, 1, 'SAME', 5),
        (7, 3, 1, 'VALID', 5),
        (7, 3, 2, 'VALID', 3),
        (28, 5, 1, 'SAME', 28),
    ],
)
def test_output_size(image, kernel, stride, padding, size):
    shape = conv_shape([1, image, image, 1], [kernel, kernel, 1, 1], stride, padding)
    assert shape == [1, size, size, 1]


@pytest.mark.parametrize('zeros, size', [(0, 28), (2, 32)])
def test_output_size_with_layers_of_zeros(zeros, size):
    """(W - F + 2P) / S + 1: 32x32x3 and 5x5x3, without zeros and with two layers."""
    assert (32 - 5 + 2 * zeros) // 1 + 1 == size
    padded = 32 + 2 * zeros
    assert conv_shape([1, padded, padded, 3], [5, 5, 3, 1]) == [1, size, size, 1]
    if zeros:
        assert conv_shape([1, 32, 32, 3], [5, 5, 3, 1], padding='SAME') == [1, size, size, 1]


def test_colour_picture():
    """5x5x3 under 16 kernels of 3x3x3: 5x5x16; a kernel has 27 weights and a bias."""
    assert conv_shape([1, 5, 5, 3], [3, 3, 3, 16], padding='SAME') == [1, 5, 5, 16]
    with tf.Graph().as_default():
        w = mnist_lenet5_forward.get_weight([3, 3, 3, 1], None)
        b = mnist_lenet5_forward.get_bias([1])
        assert (w.shape.num_elements(), b.shape.num_elements()) == (27, 1)


def test_fully_connected_net_has_nearly_400000_parameters():
    """The series' net of 784, 500 and 10 nodes, by the notes' sum: before x after + after."""
    with tf.Graph().as_default():
        for before, after in (28 * 28, 500), (500, 10):
            mnist_lenet5_forward.get_weight([before, after], None)
            mnist_lenet5_forward.get_bias([after])
        assert sum(v.shape.num_elements() for v in tf.trainable_variables()) == 397510


# 7.2, the networks
def test_sizes_along_lenet():
    """32-28-14-10-5: 5x5 without padding, pooling by two."""
    with tf.Graph().as_default():
        x = tf.zeros([1, 32, 32, 1])
        sizes = [32]
        for channels, kernels in (1, 6), (6, 16):
            w = tf.zeros([5, 5, channels, kernels])
            x = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding='VALID')
            sizes.append(x.shape.as_list()[1])
            x = mnist_lenet5_forward.max_pool_2x2(x)
            sizes.append(x.shape.as_list()[1])
        assert sizes == [32, 28, 14, 10, 5]
        assert x.shape.as_list() == [1, 5, 5, 16]


def test_sizes_along_our_network():
    """28-14-7, 32 and 64 deep, 3136 nodes, 512 and 10 neurons; 1,663,370 parameters in all."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [100, 28, 28, 1])
        mnist_lenet5_forward.forward(x, True, 0.0001)
        shapes = {}
        for op in graph.get_operations():
            if op.type in ('Conv2D', 'MaxPool', 'Reshape', 'MatMul'):
                shapes.setdefault(op.type, []).append(op.outputs[0].shape.as_list())
        parameters = sum(v.shape.num_elements() for v in tf.trainable_variables())
    assert shapes == {
        'Conv2D': [[100, 28, 28, 32], [100, 14, 14, 64]],
        'MaxPool': [[100, 14, 14, 32], [100, 7, 7, 64]],
        'Reshape': [[100, 3136]],
        'MatMul': [[100, 512], [100, 10]],
    }
    assert parameters == 1663370


def test_examples_of_conv2d_and_max_pool():
    with tf.Graph().as_default():
        x = tf.zeros([100, 28, 28, 1])
        convolved = mnist_lenet5_forward.conv2d(x, tf.zeros([5, 5, 1, 6]))
        assert convolved.shape.as_list() == [100, 28, 28, 6]
        assert mnist_lenet5_forward.max_pool_2x2(x).shape.as_list() == [100, 14, 14, 1]
        assert tf.random_normal(shape=[3, 4]).get_shape().as_list() == [3, 4]


def test_max_pool_takes_the_largest():
    x = np.array([[1, 2, 5], [4, 8, 6], [7, 0, 9]], np.float32).reshape(1, 3, 3, 1)
    pooled = evaluate(lambda: mnist_lenet5_forward.max_pool_2x2(tf.constant(x)))
    assert pooled[0, :, :, 0].tolist() == [[8, 6], [7, 9]]  # 3 / 2, rounded up


# 7.2, training
@pytest.mark.parametrize('axis, mean', [(None, 1.5), (0, [1.5, 1.5]), (1, [1.0, 2.0])])
def test_reduce_mean(axis, mean):
    x = [[1.0, 1.0], [2.0, 2.0]]
    assert evaluate(lambda: tf.reduce_mean(tf.constant(x), axis)).tolist() == mean


@pytest.mark.parametrize('staircase', [True, False])
@pytest.mark.parametrize('step', [0, 549, 550, 1374, 49999])
def test_exponential_decay(step, staircase):
    """decayed = learning_rate * decay_rate ^ (global_step / decay_steps), 550 steps an epoch."""
    rate = evaluate(
        lambda: tf.train.exponential_decay(
            0.005, tf.constant(step), 55000 / 100, 0.99, staircase=staircase
        )
    )
    assert rate == pytest.approx(
        0.005 * 0.99 ** (step // 550 if staircase else step / 550), rel=1e-5
    )


@pytest.mark.parametrize('n, decay', [(None, 0.99), (1, 2 / 11), (0, 0.1), (100000, 0.99)])
def test_moving_average(n, decay):
    """shadow = decay * shadow + (1 - decay) * variable, decay = min(0.99, (1 + n) / (10 + n))."""
    with tf.Graph().as_default(), tf.Session() as sess:
        variable = tf.Variable(5.0, use_resource=True)
        ema = tf.train.ExponentialMovingAverage(0.99, n)
        update = ema.apply([variable])
        sess.run(tf.global_variables_initializer())
        assert sess.run(ema.average(variable)) == 5  # it starts at the variable's value
        variable.load(10.0, sess)
        sess.run(update)
        shadow = sess.run(ema.average(variable))
    assert shadow == pytest.approx(decay * 5 + (1 - decay) * 10, rel=1e-6)
