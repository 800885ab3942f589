"""Proves each entry of errata.md in TensorFlow, under the same number.

    python docs/errata.py

Needs what requirements.txt lists, and runs on TensorFlow 1.15 and 2. Where the two differ, each is
held to what the entry says of it. Ends with an AssertionError if an entry is wrong.
"""

import contextlib
import glob
import os
import re
import sys
import tempfile
from types import SimpleNamespace

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow
import tensorflow.compat.v1 as tf

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(1, os.path.join(sys.path[0], 'tests'))
import lecture  # the lecture's program in our own words

import input_data

ROOT = sys.path[0]

proofs = []


def entry(number):
    """Decorates the proof of entry `number`; the numbers must come in order."""

    def add(proof):
        proofs.append(proof)
        assert number == len(proofs), number
        return proof

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


def conv(x, kernel, stride, padding, kernels=1):
    """Convolves zeros: x is the shape [rows, columns, channels], the kernels are square."""
    w = tf.zeros([kernel, kernel, x[2], kernels])
    strides = [1, stride, stride, 1]
    return shape(tf.nn.conv2d(tf.zeros([1] + x), w, strides=strides, padding=padding))


def pool(x, rows, columns, padding='SAME'):
    """Takes the largest of 2x2 zeros, in steps of so many rows and columns."""
    strides = [1, rows, columns, 1]
    x = tf.zeros([1] + x)
    return shape(tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=strides, padding=padding))


@contextlib.contextmanager
def small_lecture(steps, save_steps):
    """Yields an empty folder for the lecture's program, and 40 digits of noise.

    The program takes `steps` and `save_steps` instead of 50,000 and 100, and two digits a step.
    """
    noise = np.random.RandomState(1).rand(40, 784).astype(np.float32)
    digits = input_data.DataSet(noise, np.eye(10)[np.arange(40) % 10])
    lecture.BATCH_SIZE, lecture.STEPS, lecture.SAVE_STEPS = 2, steps, save_steps
    with tempfile.TemporaryDirectory() as folder:
        lecture.MODEL_SAVE_PATH = folder
        with open(os.devnull, 'w', encoding='utf-8') as devnull:
            with contextlib.redirect_stdout(devnull):
                yield folder, SimpleNamespace(train=digits, test=digits)


def saved_steps(folder):
    names = glob.glob(os.path.join(folder, '*.index'))
    return sorted(int(re.search(r'-(\d+)\.index$', name).group(1)) for name in names)


@entry(1)
def rounding():
    for size in range(3, 20):
        for kernel in range(1, min(size, 6)):
            for stride in range(1, 4):
                side = conv([size, size, 1], kernel, stride, 'VALID')[0]
                assert side == (size - kernel) // stride + 1  # W, F, P = 0: rounded down
                assert side == -(-(size - kernel + 1) // stride)  # the other: rounded up
                assert conv([size, size, 1], kernel, stride, 'SAME')[0] == -(-size // stride)
    assert conv([8, 8, 1], 3, 2, 'VALID')[0] == 3 and (8 - 3) / 2 + 1 == 3.5


@entry(2)
def depth():
    assert conv([32, 32, 3], 5, 1, 'SAME') == conv([36, 36, 3], 5, 1, 'VALID') == [32, 32, 1]
    assert conv([32, 32, 3], 5, 1, 'SAME', kernels=3) == [32, 32, 3]


@entry(3)
def order_of_strides():
    w = tf.zeros([5, 5, 1, 1])
    rows = tf.nn.conv2d(tf.zeros([1, 28, 28, 1]), w, strides=[1, 2, 1, 1], padding='SAME')
    assert shape(rows) == pool([28, 28, 1], 2, 1) == [14, 28, 1]


@entry(4)
def capital_letters():
    assert raises(ValueError, conv, [5, 5, 3], 3, 1, 'same')
    assert raises(ValueError, pool, [28, 28, 1], 2, 2, 'same')


@entry(5)
def dropout():
    x = tf.ones([100000])

    def dropped(result):
        return round(float(np.mean(value(result) == 0)), 1)

    two = tensorflow.__version__.startswith('2.')
    assert dropped(tf.nn.dropout(x, 0.9)) == 0.1
    assert dropped(tensorflow.nn.dropout(x, 0.9)) == (0.9 if two else 0.1)
    assert dropped(tf.nn.dropout(x, 0.5)) == dropped(tensorflow.nn.dropout(x, 0.5)) == 0.5
    assert dropped(tf.nn.dropout(x, rate=0.9)) == dropped(tensorflow.nn.dropout(x, rate=0.9)) == 0.9
    shapes = []
    for train in True, False:
        with tf.Graph().as_default():
            lecture.forward(tf.zeros([100, 28, 28, 1]), train, None)
            shapes.append([v.shape.as_list() for v in tf.trainable_variables()])
    assert shapes[0] == shapes[1]  # of the parameters


@entry(6)
def pooling_stride():
    for stride, result in (1, [24, 24, 16]), (2, [5, 5, 16]):
        x = [32, 32, 1]
        for kernels in 6, 16:
            x = pool(conv(x, 5, 1, 'VALID', kernels), stride, stride)
        assert x == result
    assert pool([28, 28, 1], 2, 2) == [14, 14, 1] and pool([28, 28, 1], 1, 1) == [28, 28, 1]


@entry(7)
def typed_as_printed():
    x, w, rest = [100, 28, 28, 1], [5, 5, 1, 6], dict(strides=[1, 1, 1, 1], padding='SAME')
    assert raises(TypeError, tf.nn.conv2d, x=x, w=w, **rest)
    assert raises(TypeError, tf.nn.max_pool, x=x, ksize=[1, 2, 2, 1], **rest)
    assert shape(tf.nn.conv2d(tf.zeros(x), tf.zeros(w), **rest)) == [28, 28, 6]
    assert raises(TypeError, tf.placeholder, tf.float32, [1], namen='x')
    assert raises(NameError, eval, 'tf.placeholder(tf,float32, [1])', {'tf': tf})
    assert not hasattr(tf, 'equaf') and hasattr(tf, 'equal')
    assert raises(ImportError, __import__, 'mnist_lenet5_backword')
    assert os.path.exists(os.path.join(ROOT, 'mnist_lenet5_backward.py'))


@entry(8)
def get_shape():
    assert raises(SyntaxError, compile, 'print A.get_shape()', 'the lecture', 'exec')
    pool2 = tf.placeholder(tf.float32, [None, 7, 7, 64])
    batch = pool2.get_shape().as_list()[0]
    assert batch is None and raises((TypeError, ValueError), tf.reshape, pool2, [batch, 3136])
    assert shape(tf.reshape(pool2, [-1, 3136])) == [3136]


@entry(9)
def fc2_input():
    reshaped, fc1, fc2_w = tf.zeros([100, 3136]), tf.zeros([100, 512]), tf.zeros([512, 10])
    assert raises(ValueError, tf.matmul, reshaped, fc2_w)
    assert shape(tf.matmul(fc1, fc2_w)) == [10]


@entry(10)
def shape_of_labels():
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
    y, one_hot = tf.random_normal([4, 10], seed=1), tf.one_hot([3, 1, 4, 1], 10)
    assert raises(ValueError, sparse, logits=y, labels=tf.cast(one_hot, tf.int64))
    dense = tf.nn.softmax_cross_entropy_with_logits_v2(logits=y, labels=one_hot)
    found, expected = value([sparse(logits=y, labels=tf.argmax(one_hot, 1)), dense])
    assert found.shape == (4,) and np.allclose(found, expected)


@entry(11)
def average():
    w, n = tf.Variable(1.0), tf.Variable(0, trainable=False)
    ema = tf.train.ExponentialMovingAverage(0.99, n)
    fixed = tf.train.ExponentialMovingAverage(0.99, name='without_n')
    ops = ema.apply([w]), fixed.apply([w])
    init, averages = tf.global_variables_initializer(), [ema.average(w), fixed.average(w)]

    def after(steps):
        """Returns what the averages hold of the initial 1 once the weight is 0."""
        with tf.Session() as sess:
            sess.run(init)
            sess.run(w.assign(0.0))
            for step in steps:
                sess.run(n.assign(step))
                sess.run(ops)
            assert sess.run(w) == 0  # the averages change no weight
            return sess.run(averages)

    for step in 0, 1, 100, 889, 890, 50000:
        assert np.allclose(after([step]), [min(0.99, (1 + step) / (10 + step)), 0.99])
    shares = after(range(100))
    assert shares[0] < 1e-9 and round(float(shares[1]), 2) == 0.37
    assert (1 + 889) / (10 + 889) < 0.99 <= (1 + 890) / (10 + 890)


def before(op):
    """Returns the operations that must have run before `op`: its inputs and its dependencies."""
    found, todo = set(), [op]
    while todo:
        op = todo.pop()
        new = (set(op.control_inputs) | {tensor.op for tensor in op.inputs}) - found
        todo.extend(new)
        found |= new
    return found


@entry(12)
def open_order():
    late = []
    for use_resource in False, True:
        with small_lecture(20, 1) as (_, mnist), tf.Graph().as_default(), tf.Session() as sess:
            tf.get_variable_scope().set_use_resource(use_resource)
            g = lecture.training_graph(mnist.train.num_examples)
            pairs = [(g.train_step, g.ema_op)]
            if use_resource:
                read = tf.get_default_graph().as_graph_element(g.global_step).op
                pairs.append((g.train_step, read))
            for one, other in pairs:
                assert one not in before(other) and other not in before(one)
            assert {g.train_step, g.ema_op} <= before(g.train_op)
            weight_updates = {op for op in before(g.train_step) if 'GradientDescent' in op.type}
            assert len(weight_updates) == 8 and not weight_updates & before(g.ema_op)
            sess.run(tf.global_variables_initializer())
            xs, ys = mnist.train.next_batch(2)
            feed = {g.x: lecture.images(xs), g.y_: ys}
            steps = [sess.run([g.train_op, g.global_step], feed)[1] for _ in range(20)]
            late.append(sum(np.array(steps) - range(20)))
            assert set(steps - np.arange(20)) <= {0, 1}
    return 'ok (step read after its update in %d of 20 runs, resource variables: %d)' % tuple(late)


@entry(13)
def steps_and_saves():
    assert [1 + i for i in range(50000) if i % 100 == 0][-1] == 49901
    with small_lecture(20, 10) as (folder, mnist):
        lecture.backward(mnist)
        assert saved_steps(folder) == [1, 11]  # and 20 are trained
        lecture.backward(mnist)
        assert saved_steps(folder) == [1, 11, 12, 22]  # 11 + 20 are trained


@entry(14)
def resuming():
    dropped = tf.nn.dropout(tf.ones([100]), rate=0.5, seed=1)
    assert (value(dropped) == value(dropped)).all()  # even with a seed, a new session begins anew
    with small_lecture(7, 1) as (folder, mnist):
        for run in 1, 2, 3:
            lecture.backward(mnist)
            assert len(saved_steps(folder)) == 5 * run
        ckpt = tf.train.get_checkpoint_state(folder)
        names = [name for name, _ in tf.train.list_variables(ckpt.model_checkpoint_path)]
        assert len(names) == 17  # eight weights and biases, as many averages, the step
        for name in glob.glob(ckpt.model_checkpoint_path + '.*'):
            os.remove(name)
        assert raises(ValueError, lecture.backward, mnist)


@entry(15)
def testing():
    with small_lecture(1, 1) as (folder, mnist):
        assert lecture.test(mnist) is None  # no checkpoint: the lecture's loop ends here
        lecture.backward(mnist)
        assert lecture.test(mnist) == lecture.test(mnist) == 1


def main():
    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)
    with open(os.path.join(ROOT, 'docs', 'errata.md'), encoding='utf-8') as page:
        assert len(proofs) == len(re.findall(r'^\d+\. ', page.read(), re.MULTILINE))
    for number, proof in enumerate(proofs, 1):
        with tf.Graph().as_default():
            print('%d. %s' % (number, proof() or 'ok'), flush=True)


if __name__ == '__main__':
    main()
