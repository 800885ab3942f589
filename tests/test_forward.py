"""mnist_lenet5_forward: the graph against NumPy."""

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf

import mnist_lenet5_forward


def noise(n):
    # noise and not digits: no two equal pixels under a max pooling
    return np.random.RandomState(5).rand(n, 28, 28, 1)


def run(fetch, x, parameters, feed_dict):
    """fetch() in a session whose eight variables have the given values."""
    with tf.Session() as sess:
        for variable, value in zip(tf.trainable_variables(), parameters):
            variable.load(value.astype(np.float32), sess)
        return sess.run(fetch, feed_dict)


@pytest.mark.parametrize('batch', [None, 3])
def test_logits(batch):
    parameters = reference.initial_parameters()
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [batch, 28, 28, 1])
        y = mnist_lenet5_forward.forward(x, False, None)
        assert y.shape.as_list() == [batch, 10]
        assert [v.op.name for v in tf.global_variables()] == [
            'Variable', 'Variable_1', 'Variable_2', 'Variable_3',
            'Variable_4', 'Variable_5', 'Variable_6', 'Variable_7',
        ]  # fmt: skip
        assert [tuple(v.shape.as_list()) for v in tf.trainable_variables()] == reference.SHAPES
        assert tf.get_collection('losses') == []
        logits = run(y, x, parameters, {x: noise(3)})
    np.testing.assert_allclose(logits, reference.logits(noise(3), parameters), rtol=1e-4, atol=1e-5)


def test_loss_and_gradients():
    parameters = reference.initial_parameters()
    labels = np.array([3, 1, 4])
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        y = mnist_lenet5_forward.forward(x, False, reference.L2)
        cross_entropy = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=labels)
        )
        assert len(tf.get_collection('losses')) == 4
        loss = cross_entropy + tf.add_n(tf.get_collection('losses'))
        gradients = tf.gradients(loss, tf.trainable_variables())
        loss, gradients = run([loss, gradients], x, parameters, {x: noise(3)})
    expected_loss, expected_gradients = reference.loss_and_gradients(noise(3), labels, parameters)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for gradient, expected in zip(gradients, expected_gradients):
        largest = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * largest)


def test_reference_gradients_are_the_slopes():
    """The reference itself, against a difference of its loss: float64 has the digits for it."""
    parameters = reference.initial_parameters()
    labels = np.array([3, 1])
    _, gradients = reference.loss_and_gradients(noise(2), labels, parameters)
    random = np.random.RandomState(0)
    directions = [random.normal(size=gradient.shape) for gradient in gradients]
    for direction, gradient in zip(directions, gradients):
        direction /= (gradient * direction).sum()  # each of the eight is to add a slope of 1

    def loss_at(distance):
        moved = [p + distance * direction for p, direction in zip(parameters, directions)]
        return reference.loss_and_gradients(noise(2), labels, moved)[0]

    assert (loss_at(1e-9) - loss_at(-1e-9)) / 2e-9 == pytest.approx(8, rel=1e-4)


def test_l2_term_is_that_of_tf_contrib():
    with tf.Graph().as_default():
        w = mnist_lenet5_forward.get_weight([2, 3], 0.5)
        (term,) = tf.get_collection('losses')
        with tf.Session() as sess:
            w.load(np.arange(6).reshape(2, 3), sess)
            assert sess.run(term) == 0.5 * (0 + 1 + 4 + 9 + 16 + 25) / 2


def test_initial_values():
    with tf.Graph().as_default():
        w = mnist_lenet5_forward.get_weight([100, 1000], None)
        b = mnist_lenet5_forward.get_bias([7])
        assert tf.get_collection('losses') == []
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            w, b = sess.run([w, b])
    assert b.tolist() == [0] * 7
    # a normal distribution cut off at two standard deviations has 0.8796 of the deviation left
    assert abs(w.mean()) < 0.002
    assert 0.19 < np.abs(w).max() <= 0.2
    assert w.std() == pytest.approx(0.08796, rel=0.02)


def test_the_graphs_seed_decides_the_initial_values():
    """The four weights are different ones; without a seed they are always new."""

    def initial_values(seed):
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.set_random_seed(seed)
            mnist_lenet5_forward.forward(tf.placeholder(tf.float32, [1, 28, 28, 1]), True, None)
            sess.run(tf.global_variables_initializer())
            return [value.tobytes() for value in sess.run(tf.global_variables())[::2]]

    assert initial_values(0) == initial_values(0)
    values = initial_values(0) + initial_values(1) + initial_values(None) + initial_values(None)
    assert len({value[:100] for value in values}) == 16


def test_dropout_is_a_function_of_its_seed():
    with tf.Graph().as_default(), tf.Session() as sess:
        seed = tf.placeholder(tf.int32, [2])
        y = mnist_lenet5_forward.dropout(tf.ones([20, 512]), 0.25, seed)

        def dropped(*numbers):
            return sess.run(y, {seed: numbers})

        first = dropped(3, 4)
        assert sorted(set(first.ravel())) == pytest.approx([0, 1 / 0.75])
        assert 0.22 < (first == 0).mean() < 0.28  # 7 standard deviations
        assert (first == dropped(3, 4)).all()
        for other in (3, 5), (2, 4), (4, 3):
            assert 0.3 < (first != dropped(*other)).mean() < 0.45  # 2 * 0.25 * 0.75


def test_dropout_in_training_only():
    def fc1_before_and_after(train):
        """What the ReLU of the 512 gives, and what the last layer gets."""
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, [None, 28, 28, 1])
            mnist_lenet5_forward.forward(x, train, None)
            relu = [op.outputs[0] for op in graph.get_operations() if op.type == 'Relu'][-1]
            fc1 = [op.inputs[0] for op in graph.get_operations() if op.type == 'MatMul'][-1]
            parameters = reference.initial_parameters()
            parameters[5] += 10  # a bias that makes all of the 512 positive
            return run([relu, fc1], x, parameters, {x: noise(20)})

    relu, fc1 = fc1_before_and_after(train=True)
    assert relu.shape == fc1.shape == (20, 512)
    assert (relu > 0).all()
    dropped = fc1 == 0
    assert 0.47 < dropped.mean() < 0.53  # 6 standard deviations
    assert (fc1[~dropped] == 2 * relu[~dropped]).all()
    assert not (dropped == dropped[0]).all()

    relu, fc1 = fc1_before_and_after(train=False)
    assert (relu == fc1).all()
