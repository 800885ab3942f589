"""The lecture's program in our own words: the network, the training, the test.

test_lecture.py exchanges checkpoints with it, docs/errata.py shows what the lecture leaves open,
and benchmarks/step_time.py times its training. It has the lecture's operations in the lecture's
order, without our changes: the batch has a fixed size, the random numbers have no seed, and the
average may be taken before or after the step. To run on TensorFlow 2, too, it imports `compat.v1`
and writes out the L2 term, for which the lecture calls `tf.contrib`. `test` looks only once.
"""

import os
from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf

IMAGE_SIZE, NUM_CHANNELS = 28, 1
CONV1_SIZE, CONV1_KERNEL_NUM, CONV2_SIZE, CONV2_KERNEL_NUM = 5, 32, 5, 64
FC_SIZE, OUTPUT_NODE = 512, 10
BATCH_SIZE, STEPS, REGULARIZER = 100, 50000, 0.0001
LEARNING_RATE_BASE, LEARNING_RATE_DECAY, MOVING_AVERAGE_DECAY = 0.005, 0.99, 0.99
MODEL_SAVE_PATH, MODEL_NAME = './model/', 'mnist_model'
SAVE_STEPS = 100  # the lecture writes the number itself


def weight(shape, regularizer):
    w = tf.Variable(tf.truncated_normal(shape, stddev=0.1))
    if regularizer is not None:
        tf.add_to_collection('losses', regularizer * tf.nn.l2_loss(w))
    return w


def bias(size):
    return tf.Variable(tf.zeros([size]))


def conv_relu_pool(x, size, kernels, regularizer):
    w = weight([size, size, x.get_shape().as_list()[3], kernels], regularizer)
    conv = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding='SAME')
    relu = tf.nn.relu(tf.nn.bias_add(conv, bias(kernels)))
    return tf.nn.max_pool(relu, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='SAME')


def forward(x, train, regularizer):
    """Returns the logits of a batch x, whose size must be known."""
    x = conv_relu_pool(x, CONV1_SIZE, CONV1_KERNEL_NUM, regularizer)
    x = conv_relu_pool(x, CONV2_SIZE, CONV2_KERNEL_NUM, regularizer)
    batch, rows, columns, channels = x.get_shape().as_list()
    nodes = rows * columns * channels
    x = tf.reshape(x, [batch, nodes])
    w = weight([nodes, FC_SIZE], regularizer)
    x = tf.nn.relu(tf.matmul(x, w) + bias(FC_SIZE))
    if train:
        x = tf.nn.dropout(x, 0.5)
    w = weight([FC_SIZE, OUTPUT_NODE], regularizer)
    return tf.matmul(x, w) + bias(OUTPUT_NODE)


def images(x):
    """Returns grey levels [n, 784] in the shape that the network takes."""
    return np.reshape(x, [len(x), IMAGE_SIZE, IMAGE_SIZE, NUM_CHANNELS])


def placeholders(n):
    shape = [n, IMAGE_SIZE, IMAGE_SIZE, NUM_CHANNELS]
    return tf.placeholder(tf.float32, shape), tf.placeholder(tf.float32, [None, OUTPUT_NODE])


def training_graph(num_examples, forward=forward):
    """Returns the training's placeholders and operations, under the lecture's names."""
    g = SimpleNamespace()
    g.x, g.y_ = placeholders(BATCH_SIZE)
    y = forward(g.x, True, REGULARIZER)
    g.global_step = tf.Variable(0, trainable=False)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(g.y_, 1))
    g.loss = tf.reduce_mean(ce) + tf.add_n(tf.get_collection('losses'))
    decay_steps = num_examples / BATCH_SIZE
    learning_rate = tf.train.exponential_decay(
        LEARNING_RATE_BASE, g.global_step, decay_steps, LEARNING_RATE_DECAY, staircase=True
    )
    optimizer = tf.train.GradientDescentOptimizer(learning_rate)
    g.train_step = optimizer.minimize(g.loss, global_step=g.global_step)
    ema = tf.train.ExponentialMovingAverage(MOVING_AVERAGE_DECAY, g.global_step)
    g.ema_op = ema.apply(tf.trainable_variables())
    with tf.control_dependencies([g.train_step, g.ema_op]):
        g.train_op = tf.no_op(name='train')
    return g


def backward(mnist, forward=forward):
    """Trains STEPS more steps. `forward`: another function with the same interface, if passed."""
    with tf.Graph().as_default():
        g = training_graph(mnist.train.num_examples, forward)
        saver = tf.train.Saver()
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            ckpt = tf.train.get_checkpoint_state(MODEL_SAVE_PATH)
            if ckpt and ckpt.model_checkpoint_path:
                saver.restore(sess, ckpt.model_checkpoint_path)
            for i in range(STEPS):
                xs, ys = mnist.train.next_batch(BATCH_SIZE)
                fetches, feed = [g.train_op, g.loss, g.global_step], {g.x: images(xs), g.y_: ys}
                _, loss_value, step = sess.run(fetches, feed_dict=feed)
                if i % SAVE_STEPS == 0:
                    line = 'After %d training step(s), loss on training batch is %g.'
                    print(line % (step, loss_value))
                    saver.save(sess, os.path.join(MODEL_SAVE_PATH, MODEL_NAME), g.global_step)


def test(mnist, forward=forward):
    """Prints the accuracy of the current checkpoint and returns its step. Without one: None."""
    with tf.Graph().as_default():
        x, y_ = placeholders(mnist.test.num_examples)
        y = forward(x, False, None)
        ema = tf.train.ExponentialMovingAverage(MOVING_AVERAGE_DECAY)
        saver = tf.train.Saver(ema.variables_to_restore())
        correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
        accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        with tf.Session() as sess:
            ckpt = tf.train.get_checkpoint_state(MODEL_SAVE_PATH)
            if not (ckpt and ckpt.model_checkpoint_path):
                print('No checkpoint file found')
                return None
            saver.restore(sess, ckpt.model_checkpoint_path)
            step = ckpt.model_checkpoint_path.split('/')[-1].split('-')[-1]
            feed = {x: images(mnist.test.images), y_: mnist.test.labels}
            score = sess.run(accuracy, feed_dict=feed)
            print(f'After {step} training step(s), test accuracy = {score:g}')
            return int(step)
