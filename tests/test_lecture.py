"""The lecture: its sizes of the network, and its own programs in turn with ours."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import CHECKPOINT_VARIABLES

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test

BATCH_SIZE = 2  # as in the fixture `train`
IMAGES = np.random.RandomState(5).rand(40, 784).astype(np.float32)
LABELS = np.eye(10)[np.arange(40) % 10]


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
    """As the app of the series does it, too: code written against the lecture's modules."""
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
        step, accuracy = lectures_test(data.images, LABELS)
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
