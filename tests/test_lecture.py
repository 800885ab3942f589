"""The lecture: its worked numbers, out of our code or TensorFlow's, and its own programs.

They go on where ours have stopped, and ours where they have.
"""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import CHECKPOINT_VARIABLES, write_checkpoint

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test

BATCH_SIZE = 2  # as in the fixture `train`
IMAGES = np.random.RandomState(5).rand(40, 784).astype(np.float32)
LABELS = np.eye(10)[np.arange(40) % 10]


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


# Its programs, as printed, apart from their imports; and with fewer steps and digits
def lectures_backward(mnist, steps):
    x = tf.placeholder(tf.float32, [BATCH_SIZE, 28, 28, 1])
    y_ = tf.placeholder(tf.float32, [None, mnist_lenet5_forward.OUTPUT_NODE])
    y = mnist_lenet5_forward.forward(x, True, mnist_lenet5_backward.REGULARIZER)
    global_step = tf.Variable(0, trainable=False)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(y_, 1))
    cem = tf.reduce_mean(ce)
    loss = cem + tf.add_n(tf.get_collection('losses'))
    learning_rate = tf.train.exponential_decay(
        mnist_lenet5_backward.LEARNING_RATE_BASE,
        global_step,
        mnist.train.num_examples / BATCH_SIZE,
        mnist_lenet5_backward.LEARNING_RATE_DECAY,
        staircase=True,
    )
    train_step = tf.train.GradientDescentOptimizer(learning_rate).minimize(
        loss, global_step=global_step
    )
    ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY, global_step)
    ema_op = ema.apply(tf.trainable_variables())
    with tf.control_dependencies([train_step, ema_op]):
        train_op = tf.no_op(name='train')
    saver = tf.train.Saver()
    with tf.Session() as sess:
        init_op = tf.global_variables_initializer()
        sess.run(init_op)
        ckpt = tf.train.get_checkpoint_state(mnist_lenet5_backward.MODEL_SAVE_PATH)
        if ckpt and ckpt.model_checkpoint_path:
            saver.restore(sess, ckpt.model_checkpoint_path)
        for i in range(steps):
            xs, ys = mnist.train.next_batch(BATCH_SIZE)
            reshaped_xs = np.reshape(xs, (BATCH_SIZE, 28, 28, 1))
            sess.run([train_op, loss, global_step], feed_dict={x: reshaped_xs, y_: ys})
            if i % 100 == 0:
                path = os.path.join(
                    mnist_lenet5_backward.MODEL_SAVE_PATH, mnist_lenet5_backward.MODEL_NAME
                )
                saver.save(sess, path, global_step=global_step)


def lectures_test(images, labels):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [len(images), 28, 28, 1])
        y_ = tf.placeholder(tf.float32, [None, mnist_lenet5_forward.OUTPUT_NODE])
        y = mnist_lenet5_forward.forward(x, False, None)
        ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
        ema_restore = ema.variables_to_restore()
        saver = tf.train.Saver(ema_restore)
        correct_prediction = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
        accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))
        with tf.Session() as sess:
            ckpt = tf.train.get_checkpoint_state(mnist_lenet5_backward.MODEL_SAVE_PATH)
            saver.restore(sess, ckpt.model_checkpoint_path)
            global_step = ckpt.model_checkpoint_path.split('/')[-1].split('-')[-1]
            reshaped_x = np.reshape(images, (len(images), 28, 28, 1))
            accuracy_score = sess.run(accuracy, feed_dict={x: reshaped_x, y_: labels})
            return global_step, accuracy_score


def test_exchange_with_the_lectures_programs(train, capsys):
    """Each trains on and tests what the other has saved."""
    data = input_data.DataSet(IMAGES, LABELS)
    both = SimpleNamespace(train=data, test=data)

    def lecture(steps):
        with tf.Graph().as_default():
            lectures_backward(both, steps)

    def tested():
        """The step of the current checkpoint, of which both have the same to say."""
        step, accuracy = lectures_test(IMAGES, LABELS)
        assert mnist_lenet5_test.test(both, once=True) == pytest.approx(accuracy)
        line = 'After %s training step(s), test accuracy = %g' % (step, accuracy)
        assert capsys.readouterr().out == line + '\n'
        return int(step)

    lecture(2)  # it saves the first step of every run only
    assert tested() == 1
    steps, err = train(3)
    assert steps == [3] and 'seed: has None; going on with seed 1' in err
    assert tested() == 3
    lecture(2)
    assert tested() == 4
    assert train(5)[0] == [5]
    values = [
        tf.train.load_checkpoint(str(train.model / 'mnist_model-5')).get_tensor(name)
        for name in CHECKPOINT_VARIABLES
    ]
    assert values[8] == 5 and all(np.isfinite(value).all() for value in values)


def test_app_of_the_series(train):
    """Code as others wrote it against the lecture's modules, apart from its imports."""
    parameters, shadows = reference.initial_parameters(), reference.initial_parameters(seed=1)
    write_checkpoint(train.model, 3, parameters, shadows)

    def restore_model(testPicArr):
        with tf.Graph().as_default():
            x = tf.placeholder(tf.float32, [1, 28, 28, 1])
            y = mnist_lenet5_forward.forward(x, False, None)
            preValue = tf.argmax(y, 1)
            variable_averages = tf.train.ExponentialMovingAverage(
                mnist_lenet5_backward.MOVING_AVERAGE_DECAY
            )
            variables_to_restore = variable_averages.variables_to_restore()
            saver = tf.train.Saver(variables_to_restore)
            with tf.Session() as sess:
                ckpt = tf.train.get_checkpoint_state(mnist_lenet5_backward.MODEL_SAVE_PATH)
                assert ckpt and ckpt.model_checkpoint_path
                saver.restore(sess, ckpt.model_checkpoint_path)
                return sess.run(preValue, feed_dict={x: testPicArr})

    pictures = np.random.RandomState(0).rand(8, 1, 28, 28, 1)
    expected = [reference.logits(picture, shadows).argmax() for picture in pictures]
    assert [restore_model(picture)[0] for picture in pictures] == expected
