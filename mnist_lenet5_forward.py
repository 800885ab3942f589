"""LeNet-5, fitted to MNIST: the graph from a batch of digits to ten logits.

    x       [n, 28, 28, 1]    grey levels, 0 to 1
    pool1   [n, 14, 14, 32]   5x5 convolution, ReLU, 2x2 max pooling
    pool2   [n, 7, 7, 64]     the same again
    fc1     [n, 512]          fully connected from 7 * 7 * 64 = 3136 nodes, ReLU, dropout
    y       [n, 10]           fully connected: the logits, scores before the softmax

It has 1,663,370 parameters in eight variables. A checkpoint calls them `Variable` to `Variable_7`.
"""

import tensorflow.compat.v1 as tf  # the functions of TensorFlow 1, in 1.15 and 2

IMAGE_SIZE = 28  # pixels, both ways
NUM_CHANNELS = 1  # grey

CONV1_SIZE = 5  # pixels, both ways
CONV1_KERNEL_NUM = 32

CONV2_SIZE = 5
CONV2_KERNEL_NUM = 64

FC_SIZE = 512  # neurons
OUTPUT_NODE = 10  # classes, one for each digit


def get_weight(shape, regularizer):
    """Returns a weight of `shape`, drawn from a normal distribution with standard deviation 0.1.
    A value farther than 0.2 from zero is drawn again.

    Unless `regularizer` (a float) is None, adds regularizer * sum(w ** 2) / 2 to the collection
    'losses'. tf.contrib.layers.l2_regularizer(regularizer)(w) computed the same.
    """
    w = tf.Variable(tf.truncated_normal(shape, stddev=0.1))
    if regularizer is not None:  # against overfitting: large weights increase the loss
        tf.add_to_collection('losses', regularizer * tf.nn.l2_loss(w))
    return w


def get_bias(shape):
    """Returns a bias of `shape`, all zeros."""
    b = tf.Variable(tf.zeros(shape))
    return b


def conv2d(x, w):
    """Returns the convolution of x [n, rows, columns, channels] with w [height, width, channels,
    kernels], with a stride of one pixel. 'SAME' adds zeros around x, so the result is
    [n, rows, columns, kernels].
    """
    return tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding='SAME')


def max_pool_2x2(x):
    """Returns the largest of every 2x2 pixels. x is [n, rows, columns, channels], the result is
    [n, rows / 2, columns / 2, channels], rounded up.
    """
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='SAME')


def dropout(x, rate, seed=None):
    """Returns x with each element set to 0 with probability `rate`. Divides the others by 1 - rate,
    so that the sum stays about the same.

    seed: two integers. The same seed drops the same elements. With None, each step drops others.
    """
    if seed is None:
        return tf.nn.dropout(x, rate=rate)
    kept = tf.random.stateless_uniform(tf.shape(x), seed) >= rate
    return x / (1 - rate) * tf.cast(kept, x.dtype)


def forward(x, train, regularizer, seed=None):
    """Returns the logits [n, 10] of x [n, 28, 28, 1], float32. n may be unknown.

    train: whether dropout follows the first fully connected layer; regularizer: see get_weight;
    seed: see dropout. Every call makes new variables, so build one network per graph.
    """
    # first layer: a convolution, then a pooling that halves the rows and the columns
    conv1_w = get_weight([CONV1_SIZE, CONV1_SIZE, NUM_CHANNELS, CONV1_KERNEL_NUM], regularizer)
    conv1_b = get_bias([CONV1_KERNEL_NUM])
    conv1 = conv2d(x, conv1_w)  # [n, 28, 28, 32]
    relu1 = tf.nn.relu(tf.nn.bias_add(conv1, conv1_b))
    pool1 = max_pool_2x2(relu1)  # [n, 14, 14, 32]

    # second layer: each kernel has as many channels as the first layer has kernels
    conv2_w = get_weight([CONV2_SIZE, CONV2_SIZE, CONV1_KERNEL_NUM, CONV2_KERNEL_NUM], regularizer)
    conv2_b = get_bias([CONV2_KERNEL_NUM])
    conv2 = conv2d(pool1, conv2_w)  # [n, 14, 14, 64]
    relu2 = tf.nn.relu(tf.nn.bias_add(conv2, conv2_b))
    pool2 = max_pool_2x2(relu2)  # [n, 7, 7, 64]

    # one row per image for the fully connected layers
    pool_shape = pool2.get_shape().as_list()
    nodes = pool_shape[1] * pool_shape[2] * pool_shape[3]
    reshaped = tf.reshape(pool2, [-1, nodes])  # [n, 3136]; -1, because n may be unknown

    # third layer: fully connected
    fc1_w = get_weight([nodes, FC_SIZE], regularizer)
    fc1_b = get_bias([FC_SIZE])
    fc1 = tf.nn.relu(tf.matmul(reshaped, fc1_w) + fc1_b)  # [n, 512]
    if train:  # against overfitting: no neuron can depend on others, which may be dropped
        fc1 = dropout(fc1, 0.5, seed)

    # fourth layer: fully connected, without a ReLU
    fc2_w = get_weight([FC_SIZE, OUTPUT_NODE], regularizer)
    fc2_b = get_bias([OUTPUT_NODE])
    y = tf.matmul(fc1, fc2_w) + fc2_b  # [n, 10]
    return y
