"""Checks each entry of errata.md in TensorFlow, under the same number.

    python docs/errata.py

Runs on TensorFlow 1.15 and 2; where they differ, each is held to its own truth. What it cannot
check it says, as the page does.
"""

import glob
import inspect
import os
import sys
import tempfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow
import tensorflow.compat.v1 as tf

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import input_data
import mnist_lenet5_forward

ROOT = sys.path[0]
HISTORY = 'not checked: history'
ARITHMETIC = 'ok (the arithmetic; not checked: history)'
CODE = 'ok (the names in code; not checked: spelling)'
checks = []


def entry(number):
    """Decorates the check of entry `number`; the numbers must come in order."""

    def add(check):
        checks.append(check)
        assert number == len(checks), number
        return check

    return add


def value(tensors):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tensors)


def raises(errors, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except errors:
        return True
    return False


def shape(tensor):
    return tensor.shape.as_list()[1:]


def count(variables):
    return sum(np.prod(v.shape.as_list()) for v in variables)


def conv(size, kernel, stride, padding, channels=1, kernels=1):
    """The shape [rows, columns, channels] of a square convolution's result."""
    x = tf.zeros([1, size, size, channels])
    w = tf.zeros([kernel, kernel, channels, kernels])
    return shape(tf.nn.conv2d(x, w, strides=[1, stride, stride, 1], padding=padding))


def pool(x, stride):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, stride, stride, 1], padding='SAME')


def ancestors(op):
    """All that must have run before op: what it reads, and its control inputs."""
    found, todo = set(), [op]
    while todo:
        op = todo.pop()
        before = set(op.control_inputs) | {t.op for t in op.inputs}
        todo.extend(before - found)
        found |= before
    return found


def updates(ops, kind):
    return {op for op in ops if kind in op.type}


def lecture_network(use_resource):
    """The lecture's network on a batch of noise: global_step, train_step, and the trainable
    variables with their average and its ema_op."""
    tf.get_variable_scope().set_use_resource(use_resource)
    noise = np.random.RandomState(1).uniform(size=[100, 28, 28, 1]).astype(np.float32)
    y = mnist_lenet5_forward.forward(tf.constant(noise), True, 0.0001)
    global_step = tf.Variable(0, trainable=False)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=np.arange(100) % 10)
    loss = tf.reduce_mean(ce) + tf.add_n(tf.get_collection('losses'))
    train_step = tf.train.GradientDescentOptimizer(0.005).minimize(loss, global_step=global_step)
    ema = tf.train.ExponentialMovingAverage(0.5)
    ema_op = ema.apply(tf.trainable_variables())
    return global_step, train_step, tf.trainable_variables(), ema, ema_op


def lecture_run(folder, steps):
    """The lecture's loop around a toy network with dropout, as a process of its own runs it.

    Returns the steps printed, the last step trained, and the first three dropout masks.
    """
    printed, masks = [], []
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        w = tf.Variable(tf.ones([64]))
        dropped = tf.nn.dropout(w, rate=0.5)
        global_step = tf.Variable(0, trainable=False)
        loss = tf.reduce_mean(dropped**2)
        train_op = tf.train.GradientDescentOptimizer(0.001).minimize(loss, global_step=global_step)
        saver = tf.train.Saver()
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            ckpt = tf.train.get_checkpoint_state(folder)
            if ckpt and ckpt.model_checkpoint_path:
                saver.restore(sess, ckpt.model_checkpoint_path)
            for i in range(steps):
                _, values = sess.run([train_op, dropped])
                step = sess.run(global_step)  # by itself: see step_read_beside_its_update
                if i < 3:
                    masks.append((values == 0).tolist())
                if i % 100 == 0:
                    printed.append(step)
                    saver.save(sess, os.path.join(folder, 'm'), global_step=global_step)
    return printed, step, masks


@entry(1)
def depth():
    assert conv(32, 5, 1, 'SAME', channels=3) == [32, 32, 1]
    assert conv(32, 5, 1, 'SAME', channels=3, kernels=3) == [32, 32, 3]


@entry(2)
def order_of_strides():
    x, w = tf.zeros([1, 28, 28, 1]), tf.zeros([5, 5, 1, 1])
    assert shape(tf.nn.conv2d(x, w, strides=[1, 2, 1, 1], padding='SAME')) == [14, 28, 1]
    rows = tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 1, 1], padding='SAME')
    assert shape(rows) == [14, 28, 1]


@entry(3)
def dropout_second_argument():
    x = tf.ones([100000])

    def dropped(result):
        return round(float(np.mean(value(result) == 0)), 1)

    assert dropped(tf.nn.dropout(x, 0.9)) == 0.1
    two = tensorflow.__version__.startswith('2.')
    assert dropped(tensorflow.nn.dropout(x, 0.9)) == (0.9 if two else 0.1)
    assert dropped(tf.nn.dropout(x, 0.5)) == dropped(tensorflow.nn.dropout(x, 0.5)) == 0.5
    assert dropped(tf.nn.dropout(x, rate=0.9)) == 0.9


@entry(4)
def pooling_stride():
    sizes = {}
    for stride in (1, 2):
        x = tf.zeros([1, 32, 32, 1])
        for kernels in (6, 16):
            w = tf.zeros([5, 5, x.shape.as_list()[3], kernels])
            x = pool(tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding='VALID'), stride)
        sizes[stride] = shape(x)
    assert sizes == {1: [24, 24, 16], 2: [5, 5, 16]}


@entry(5)
def fc2_input():
    reshaped, fc1, fc2_w = tf.zeros([100, 3136]), tf.zeros([100, 512]), tf.zeros([512, 10])
    assert raises(ValueError, tf.matmul, reshaped, fc2_w)
    assert tf.matmul(fc1, fc2_w).shape.as_list() == [100, 10]


@entry(6)
def steps_per_process():
    with tempfile.TemporaryDirectory() as folder:
        assert lecture_run(folder, 250)[:2] == ([1, 101, 201], 250)
        assert lecture_run(folder, 250)[:2] == ([202, 302, 402], 451)


@entry(7)
def shape_of_labels():
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
    y, one_hot = tf.random_normal([4, 10], seed=1), tf.one_hot([3, 1, 4, 1], 10)
    assert raises(ValueError, sparse, logits=y, labels=tf.cast(one_hot, tf.int64))
    dense = tf.nn.softmax_cross_entropy_with_logits_v2(logits=y, labels=one_hot)
    assert np.allclose(*value([sparse(logits=y, labels=tf.argmax(one_hot, 1)), dense]))


@entry(8)
def decay_of_the_average():
    assert (1 + 889) * 100 < 99 * (10 + 889) and (1 + 890) * 100 == 99 * (10 + 890)
    w, n = tf.Variable(0.0), tf.Variable(0, trainable=False)
    ema = tf.train.ExponentialMovingAverage(0.99, n)
    ema_op = ema.apply([w])
    for step in (0, 1, 100, 889, 890, 50000):
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            sess.run([w.assign(1.0), n.assign(step)])
            sess.run(ema_op)
            decay = 1 - sess.run(ema.average(w))
            assert np.isclose(decay, min(0.99, (1 + step) / (10 + step)))
    w = tf.Variable(1.0)
    plain = tf.train.ExponentialMovingAverage(0.99, name='plain')
    ops = [ema.apply([w]), plain.apply([w])]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(w.assign(0.0))
        for step in range(100):
            sess.run(n.assign(step))
            sess.run(ops)
        shares = sess.run([ema.average(w), plain.average(w)])  # of the initial value
    assert shares[0] < 1e-9 and round(float(shares[1]), 2) == 0.37


@entry(9)
def step_read_beside_its_update():
    after = []
    for use_resource in (False, True):
        with tf.Graph().as_default(), tf.Session() as sess:
            global_step, train_step, _, _, ema_op = lecture_network(use_resource)
            read = tf.convert_to_tensor(global_step).op
            assert 'AssignAdd' in train_step.type
            assert train_step not in ancestors(read) and read not in ancestors(train_step)
            sess.run(tf.global_variables_initializer())
            steps = [sess.run([train_step, ema_op, global_step])[2] for _ in range(20)]
            assert set(np.array(steps) - np.arange(20)) <= {0, 1}
            after.append(sum(np.array(steps) - np.arange(20)))
    return 'ok (read after the update in %d of 20 steps, with resource variables in %d)' % tuple(
        after
    )


@entry(10)
def every_hundredth():
    saved = [i + 1 for i in range(50000) if i % 100 == 0]
    assert saved[:2] == [1, 101] and saved[-1] == 49901 and 50000 - saved[-1] == 99
    with tempfile.TemporaryDirectory() as folder:
        assert lecture_run(folder, 200)[:2] == ([1, 101], 200)
        assert tf.train.latest_checkpoint(folder).endswith('m-101')


@entry(11)
def resuming():
    with tempfile.TemporaryDirectory() as folder:
        masks = []
        for run in (1, 2, 3):
            masks.append(lecture_run(folder, 650)[2])
            assert len(glob.glob(os.path.join(folder, 'm-*.index'))) == 5 * run
        assert masks[0] == masks[1] == masks[2]  # the dropout does not go on, it begins anew
        stored = tf.train.list_variables(tf.train.latest_checkpoint(folder))
        assert [name for name, _ in stored] == ['Variable', 'Variable_1']  # weight and step only


@entry(12)
def parameters():
    assert 784 * 500 + 500 + 500 * 10 + 10 == 397510
    mnist_lenet5_forward.forward(tf.zeros([1, 28, 28, 1]), False, None)
    sizes = [count([v]) for v in tf.trainable_variables()]
    assert sum(sizes) == 1663370 and sizes[4] == 1605632  # fc1_w


@entry(13)
def rounding():
    assert conv(7, 3, 2, 'VALID')[0] == 3
    assert conv(8, 3, 2, 'VALID')[0] == 3  # 3.5 by the formula with P
    for size in range(3, 20):
        for kernel in range(1, min(size, 6)):
            for stride in range(1, 4):
                valid = conv(size, kernel, stride, 'VALID')[0]
                assert valid == -((kernel - size - 1) // stride)  # rounded up
                assert valid == (size - kernel) // stride + 1  # rounded down
                assert conv(size, kernel, stride, 'SAME')[0] == -(-size // stride)


@entry(14)
def capital_letters():
    assert raises(ValueError, conv, 5, 3, 1, 'same', 3, 16)
    x, two = tf.zeros([1, 28, 28, 1]), [1, 2, 2, 1]
    assert raises(ValueError, tf.nn.max_pool, x, ksize=two, strides=two, padding='same')
    assert conv(5, 3, 1, 'SAME', 3, 16) == [5, 5, 16]


@entry(15)
def pooling_takes_no_zeros():
    x = -tf.ones([1, 3, 3, 1])
    window = dict(ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='SAME')
    assert (value(tf.nn.max_pool(x, **window)) == -1).all()  # a zero would be the maximum
    assert (value(tf.nn.avg_pool(x, **window)) == -1).all()  # zeros would give -1/2 and -1/4


@entry(16)
def dropout_keeps_parameters():
    for train in (True, False):
        with tf.Graph().as_default():
            mnist_lenet5_forward.forward(tf.zeros([1, 28, 28, 1]), train, None)
            assert count(tf.trainable_variables()) == 1663370


@entry(17)
def dropout_scales():
    values = value(tf.nn.dropout(tf.ones([100000]), rate=0.2))
    assert np.allclose(np.unique(values), [0, 1 / (1 - 0.2)])
    assert abs(values.mean() - 1) < 0.02
    assert np.unique(value(tf.nn.dropout(tf.ones([1000]), rate=0.5))).tolist() == [0, 2]


@entry(18)
def dropout_and_speed():
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)

    def steps_to_loss(seed, with_dropout):
        with tf.Graph().as_default():
            tf.set_random_seed(seed)
            order = np.random.RandomState(seed).permutation(mnist.train.num_examples)
            x, y_ = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.float32, [None, 10])
            w1 = tf.Variable(tf.truncated_normal([784, 512], stddev=0.1, seed=1))
            w2 = tf.Variable(tf.truncated_normal([512, 10], stddev=0.1, seed=2))

            def mean_loss(rate):
                fc1 = tf.nn.relu(tf.matmul(x, w1))
                if rate:
                    fc1 = tf.nn.dropout(fc1, rate=rate, seed=3)
                assert fc1.shape.as_list() == [None, 512]  # as many numbers as ever
                return tf.reduce_mean(
                    tf.nn.softmax_cross_entropy_with_logits_v2(labels=y_, logits=tf.matmul(fc1, w2))
                )

            train = tf.train.GradientDescentOptimizer(0.05).minimize(
                mean_loss(0.5 if with_dropout else 0)
            )
            loss = mean_loss(0)
            test = {x: mnist.test.images[:2000], y_: mnist.test.labels[:2000]}
            with tf.Session() as sess:
                sess.run(tf.global_variables_initializer())
                for step in range(5, 500, 5):
                    for i in range(step - 5, step):
                        batch = order[100 * i : 100 * (i + 1)]
                        feed = {x: mnist.train.images[batch], y_: mnist.train.labels[batch]}
                        sess.run(train, feed_dict=feed)
                    if sess.run(loss, feed_dict=test) < 0.4:
                        return step
        raise AssertionError('the loss did not come down')

    steps = [[steps_to_loss(seed, dropout) for seed in (1, 2, 3)] for dropout in (False, True)]
    assert all(b > a for a, b in zip(*steps)), steps
    return 'ok (to the same loss without dropout in %s steps, with it in %s)' % tuple(steps)


@entry(19)
def dropped_neurons_learn():
    w = tf.Variable(tf.ones([20, 512]))
    fc1 = tf.nn.dropout(tf.matmul(tf.ones([100, 20]), w), rate=0.5)
    dropped, gradient = value([fc1, tf.gradients(tf.reduce_mean(fc1), w)[0]])
    dropped = dropped == 0
    assert not dropped.all(axis=0).any()  # no neuron is zero for all the digits of the batch
    assert (gradient > 0).all()
    (l2,) = tf.gradients(tf.nn.l2_loss(w), w)
    assert (value(l2) == 1).all()


@entry(20)
def first_network():
    return HISTORY


@entry(21)
def lenet_1998_layers():
    c1, s2, s4 = 6 * (25 + 1), 6 * 2, 16 * 2
    c3 = 6 * (3 * 25 + 1) + 9 * (4 * 25 + 1) + 6 * 25 + 1
    c5, f6 = 120 * (16 * 25 + 1), 84 * (120 + 1)
    assert c3 == 1516 and c1 + s2 + c3 + s4 + c5 + f6 == 60000  # the paper's number
    full = [tf.Variable(tf.zeros([5, 5, 6, 16])), tf.Variable(tf.zeros([16]))]
    assert count(full) == 2416
    return ARITHMETIC


@entry(22)
def subsampling():
    return HISTORY


@entry(23)
def what_is_sparse():
    pool1, w = tf.zeros([1, 14, 14, 32]), tf.ones([5, 5, 32, 64])
    reshaped, fc1_w = tf.zeros([1, 3136]), tf.ones([3136, 512])
    conv2 = mnist_lenet5_forward.conv2d(pool1, w)[0, 7, 7, 0]
    fc1 = tf.matmul(reshaped, fc1_w)[0, 0]
    gradients = [tf.gradients(conv2, pool1)[0], tf.gradients(fc1, reshaped)[0]]
    seen = [np.count_nonzero(gradient) for gradient in value(gradients)]
    assert seen == [5 * 5 * 32, 3136] == [800, 3136] and 14 * 14 * 32 == 6272


@entry(24)
def what_28_needs():
    x, w = tf.random_normal([1, 28, 28, 1], seed=1), tf.random_normal([5, 5, 1, 6], seed=2)
    frame = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]])  # 32 x 32
    same = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding='SAME')
    valid = tf.nn.conv2d(frame, w, strides=[1, 1, 1, 1], padding='VALID')
    assert np.allclose(*value([same, valid]), atol=1e-5)
    second = tf.nn.conv2d(
        pool(same, 2), tf.zeros([5, 5, 6, 16]), strides=[1, 1, 1, 1], padding='VALID'
    )
    assert shape(pool(second, 2)) == [5, 5, 16]


@entry(25)
def conv2d_call():
    rest = dict(strides=[1, 1, 1, 1], padding='SAME')
    x, w = [100, 28, 28, 1], [5, 5, 1, 6]
    assert raises(TypeError, tf.nn.conv2d, x=x, w=w, **rest)
    assert raises(TypeError, tf.nn.max_pool, x=x, ksize=[1, 2, 2, 1], **rest)
    # lists are taken for values, here 4 numbers in a row
    assert raises((TypeError, ValueError, AttributeError), tf.nn.conv2d, x, w, **rest)
    assert shape(tf.nn.conv2d(tf.zeros(x), tf.zeros(w), **rest)) == [28, 28, 6]


@entry(26)
def max_pool_call():
    x, rest = [100, 28, 28, 1], dict(ksize=[1, 2, 2, 1], padding='SAME')
    assert shape(tf.nn.max_pool(tf.zeros(x), strides=[1, 2, 2, 1], **rest)) == [14, 14, 1]
    assert shape(tf.nn.max_pool(tf.zeros(x), strides=[1, 1, 1, 1], **rest)) == [28, 28, 1]


@entry(27)
def get_shape():
    a = tf.random_normal(shape=[3, 4])
    assert str(a.get_shape()) == '(3, 4)'
    assert raises(SyntaxError, compile, 'print A.get_shape()', 'lecture', 'exec')
    unknown = tf.placeholder(tf.float32, [None, 4])
    assert unknown.get_shape().as_list() == [None, 4]
    assert raises((TypeError, ValueError), tf.reshape, unknown, [None, 4])
    with tf.Session() as sess:
        feed = {unknown: np.zeros([3, 4])}
        assert sess.run(tf.shape(unknown), feed_dict=feed).tolist() == [3, 4]
    assert tf.reshape(unknown, [-1, 4]).shape.as_list() == [None, 4]


@entry(28)
def shape_of_y():
    y = mnist_lenet5_forward.forward(tf.zeros([100, 28, 28, 1]), False, None)
    assert y.shape.as_list() == tf.nn.softmax(y).shape.as_list() == [100, 10]
    labels = tf.zeros([100], tf.int64)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=labels)
    assert ce.shape.as_list() == [100]


@entry(29)
def reduce_mean():
    x = tf.constant([[1.0, 1.0], [2.0, 2.0]])
    assert value(tf.reduce_mean(x, 0)).tolist() == [1.5, 1.5]
    assert value(tf.reduce_mean(x, 0, keepdims=True)).tolist() == [[1.5, 1.5]]
    old = tf.reduce_mean(x, reduction_indices=0, keep_dims=True)
    assert value(old).tolist() == [[1.5, 1.5]]
    for name in (dict(reduction_indices=0), dict(keep_dims=True)):
        assert raises(TypeError, tensorflow.compat.v2.reduce_mean, x, **name)


@entry(30)
def learning_rate():
    mnist = input_data.read_data_sets(os.path.join(ROOT, 'data'), one_hot=True)
    assert mnist.train.num_examples == 55000 and mnist.validation.num_examples == 5000
    for step in (0, 549, 550, 825, 49999):
        stairs, curve = value(
            [
                tf.convert_to_tensor(
                    tf.train.exponential_decay(0.005, step, 55000 / 100, 0.99, staircase=staircase)
                )
                for staircase in (True, False)
            ]
        )
        assert np.isclose(stairs, 0.005 * 0.99 ** (step // 550))
        assert np.isclose(curve, 0.005 * 0.99 ** (step / 550))


@entry(31)
def average_leaves_parameters():
    ends = {}
    for decay in (0.5, 0.9, 0.99):
        with tf.Graph().as_default(), tf.Session() as sess:
            w = tf.Variable(1.0)
            train_step = tf.train.GradientDescentOptimizer(0.1).minimize(w * w)
            ema = tf.train.ExponentialMovingAverage(decay)
            ema_op = ema.apply([w])
            sess.run(tf.global_variables_initializer())
            sess.run(train_step)
            assert sess.run(w) != 1 and sess.run(ema.average(w)) == 1  # not without ema_op
            for _ in range(5):
                sess.run(ema_op)
                sess.run(train_step)
            ends[decay] = sess.run([w, ema.average(w)])
    weights, shadows = zip(*(ends[decay] for decay in sorted(ends)))
    assert len(set(weights)) == 1
    assert weights[0] < shadows[0] < shadows[1] < shadows[2] < 1


@entry(32)
def bound_is_not_ordered():
    before = []
    for use_resource in (False, True):
        with tf.Graph().as_default(), tf.Session() as sess:
            _, train_step, variables, ema, ema_op = lecture_network(use_resource)
            before_train, before_ema = ancestors(train_step), ancestors(ema_op)
            assert updates(before_train, 'ApplyGradientDescent')
            assert not updates(before_ema, 'ApplyGradientDescent')
            assert updates(before_ema, 'AssignSub') and not updates(before_train, 'AssignSub')
            assert train_step not in before_ema and ema_op not in before_train
            with tf.control_dependencies([train_step, ema_op]):
                train_op = tf.no_op(name='train')
            assert ancestors(ema_op) == before_ema and ancestors(train_step) == before_train
            shadows = [ema.average(v) for v in variables]
            sess.run(tf.global_variables_initializer())
            before.append(0)
            for _ in range(10):
                old, shadows_before = sess.run([variables, shadows])
                sess.run(train_op)
                new, shadows_after = sess.run([variables, shadows])
                for w_old, w_new, s_old, s_new in zip(old, new, shadows_before, shadows_after):
                    taken = 2 * s_new - s_old  # the average's decay is 0.5
                    distances = abs(taken - w_old).max(), abs(taken - w_new).max()
                    assert min(distances) < 1e-6
                    before[-1] += distances[0] < distances[1]
    return (
        'ok (average of the weights from before the step in %d of 80 cases, '
        'with resource variables in %d)' % tuple(before)
    )


@entry(33)
def file_named_is_not_file_there():
    saver = tf.train.Saver([tf.Variable(1.0)])
    with tempfile.TemporaryDirectory() as folder, tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        saver.save(sess, os.path.join(folder, 'm'), global_step=7)
        for name in glob.glob(os.path.join(folder, 'm-7*')):
            os.remove(name)
        ckpt = tf.train.get_checkpoint_state(folder)
        assert ckpt and ckpt.model_checkpoint_path
        assert raises(ValueError, saver.restore, sess, ckpt.model_checkpoint_path)


@entry(34)
def weights_tested():
    w = tf.Variable(1.0)
    ema = tf.train.ExponentialMovingAverage(0.99)
    ema_op = ema.apply([w])
    with tempfile.TemporaryDirectory() as folder, tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(w.assign(5.0))
        sess.run(ema_op)
        path = tf.train.Saver().save(sess, os.path.join(folder, 'm'))
        tf.train.Saver(ema.variables_to_restore()).restore(sess, path)
        assert np.isclose(sess.run(w), 1.04)  # the average, and not 5


@entry(35)
def cut_normal():
    drawn = value(tf.truncated_normal([1000000], stddev=0.1, seed=1))
    assert abs(drawn.std() - 0.088) < 0.0005 and abs(drawn).max() <= 0.2


@entry(36)
def looking_for_a_new_model():
    saver = tf.train.Saver([tf.Variable(1.0)])
    with tempfile.TemporaryDirectory() as folder, tf.Session() as sess:
        assert tf.train.get_checkpoint_state(folder) is None  # here the lecture's test returns
        sess.run(tf.global_variables_initializer())
        saver.save(sess, os.path.join(folder, 'm'), global_step=1)
        looks = [tf.train.get_checkpoint_state(folder) for _ in range(2)]
        assert looks[0].model_checkpoint_path == looks[1].model_checkpoint_path  # tested twice


@entry(37)
def slips_of_the_pen():
    assert os.path.exists(os.path.join(ROOT, 'mnist_lenet5_backward.py'))
    assert not hasattr(tf, 'equaf') and hasattr(tf, 'equal')
    assert raises(TypeError, tf.placeholder, tf.float32, [1], namen='x')
    assert tf.placeholder(tf.float32, [1], name='x').dtype == tf.float32
    assert 'learning_rate' in inspect.signature(tf.train.exponential_decay).parameters
    w, fixed = tf.Variable(1.0), tf.Variable(1.0)
    train_step = tf.train.GradientDescentOptimizer(0.1).minimize(w * fixed, var_list=[w])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train_step)
        assert sess.run(w) != 1 and sess.run(fixed) == 1
    return CODE


def main():
    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)
    for number, check in enumerate(checks, 1):
        with tf.Graph().as_default():
            print('%d. %s' % (number, check() or 'ok'), flush=True)


if __name__ == '__main__':
    main()
