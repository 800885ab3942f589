"""The lecture's training as it is printed there, on the TensorFlow it is for: step_time.py runs it.

Every operation is the lecture's, and in its order; the wording is ours. What this project does in
another way is therefore here as the lecture has it: a fixed batch size, variables that are not
resource variables, an average that may be taken before the step. Needs TensorFlow 1.15.5.
"""

import os

import numpy as np
import tensorflow as tf

IMAGE_SIZE, NUM_CHANNELS = 28, 1
CONV1_SIZE, CONV1_KERNEL_NUM = 5, 32
CONV2_SIZE, CONV2_KERNEL_NUM = 5, 64
FC_SIZE, OUTPUT_NODE = 512, 10

BATCH_SIZE = 100
LEARNING_RATE_BASE, LEARNING_RATE_DECAY = 0.005, 0.99
REGULARIZER = 0.0001
STEPS = 50000
SAVE_STEPS = 100  # a literal there
MOVING_AVERAGE_DECAY = 0.99
MODEL_SAVE_PATH, MODEL_NAME = './model/', 'mnist_model'


def get_weight(shape, regularizer):
    w = tf.Variable(tf.truncated_normal(shape, stddev=0.1))
    if regularizer is not None:
        tf.add_to_collection('losses', tf.contrib.layers.l2_regularizer(regularizer)(w))
    return w


def get_bias(shape):
    return tf.Variable(tf.zeros(shape))


def conv2d(x, w):
    return tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding='SAME')


def max_pool_2x2(x):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='SAME')


def forward(x, train, regularizer):
    conv1_w = get_weight([CONV1_SIZE, CONV1_SIZE, NUM_CHANNELS, CONV1_KERNEL_NUM], regularizer)
    conv1_b = get_bias([CONV1_KERNEL_NUM])
    pool1 = max_pool_2x2(tf.nn.relu(tf.nn.bias_add(conv2d(x, conv1_w), conv1_b)))

    conv2_w = get_weight([CONV2_SIZE, CONV2_SIZE, CONV1_KERNEL_NUM, CONV2_KERNEL_NUM], regularizer)
    conv2_b = get_bias([CONV2_KERNEL_NUM])
    pool2 = max_pool_2x2(tf.nn.relu(tf.nn.bias_add(conv2d(pool1, conv2_w), conv2_b)))

    shape = pool2.get_shape().as_list()
    nodes = shape[1] * shape[2] * shape[3]
    reshaped = tf.reshape(pool2, [shape[0], nodes])

    fc1_w = get_weight([nodes, FC_SIZE], regularizer)
    fc1_b = get_bias([FC_SIZE])
    fc1 = tf.nn.relu(tf.matmul(reshaped, fc1_w) + fc1_b)
    if train:
        fc1 = tf.nn.dropout(fc1, 0.5)

    fc2_w = get_weight([FC_SIZE, OUTPUT_NODE], regularizer)
    fc2_b = get_bias([OUTPUT_NODE])
    return tf.matmul(fc1, fc2_w) + fc2_b


def backward(mnist):
    image_shape = [BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, NUM_CHANNELS]
    x = tf.placeholder(tf.float32, image_shape)
    y_ = tf.placeholder(tf.float32, [None, OUTPUT_NODE])
    y = forward(x, True, REGULARIZER)
    global_step = tf.Variable(0, trainable=False)

    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(y_, 1))
    loss = tf.reduce_mean(ce) + tf.add_n(tf.get_collection('losses'))
    learning_rate = tf.train.exponential_decay(
        LEARNING_RATE_BASE,
        global_step,
        mnist.train.num_examples / BATCH_SIZE,
        LEARNING_RATE_DECAY,
        staircase=True,
    )
    optimizer = tf.train.GradientDescentOptimizer(learning_rate)
    train_step = optimizer.minimize(loss, global_step=global_step)
    ema = tf.train.ExponentialMovingAverage(MOVING_AVERAGE_DECAY, global_step)
    with tf.control_dependencies([train_step, ema.apply(tf.trainable_variables())]):
        train_op = tf.no_op(name='train')

    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        ckpt = tf.train.get_checkpoint_state(MODEL_SAVE_PATH)
        if ckpt and ckpt.model_checkpoint_path:
            saver.restore(sess, ckpt.model_checkpoint_path)
        for i in range(STEPS):
            xs, ys = mnist.train.next_batch(BATCH_SIZE)
            feed = {x: np.reshape(xs, image_shape), y_: ys}
            _, loss_value, step = sess.run([train_op, loss, global_step], feed_dict=feed)
            if i % SAVE_STEPS == 0:
                print(
                    'After %d training step(s), loss on training batch is %g.' % (step, loss_value)
                )
                path = os.path.join(MODEL_SAVE_PATH, MODEL_NAME)
                saver.save(sess, path, global_step=global_step)
