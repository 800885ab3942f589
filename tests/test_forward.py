"""mnist_lenet5_forward: the graph against NumPy."""

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf

import mnist_lenet5_forward

# noise instead of digits: a max pooling never meets two equal pixels
NOISE = np.random.RandomState(5).rand(20, 28, 28, 1)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def run(fetches, parameters, feed_dict):
    """Runs `fetches` in a session whose eight variables have the values `parameters`."""
    with tf.Session() as sess:
        for variable, value in zip(tf.trainable_variables(), parameters):
            variable.load(value.astype(np.float32), sess)
        return sess.run(fetches, feed_dict)


def test_logits_loss_and_gradients():
    """All agree with the reference, for a batch of unknown size."""
    parameters, images, labels = reference.initial_parameters(), NOISE[:3], np.array([3, 1, 4])
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    y = mnist_lenet5_forward.forward(x, False, reference.L2)
    variables, terms = tf.trainable_variables(), tf.get_collection('losses')
    assert [v.op.name for v in tf.global_variables()] == [v.op.name for v in variables]
    assert [v.op.name for v in variables] == ['Variable'] + [f'Variable_{i}' for i in range(1, 8)]
    assert [tuple(v.shape.as_list()) for v in variables] == reference.SHAPES
    assert y.shape.as_list() == [None, 10] and len(terms) == 4
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=labels)
    loss = tf.reduce_mean(ce) + tf.add_n(terms)
    logits, loss, gradients = run((y, loss, tf.gradients(loss, variables)), parameters, {x: images})
    expected = reference.logits(images, parameters)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    expected_loss, expected_gradients = reference.loss_and_gradients(images, labels, parameters)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for gradient, expected in zip(gradients, expected_gradients):
        largest = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * largest)


def test_initial_values():
    """Biases are zero. Weights are normal, cut off at two standard deviations."""
    w = mnist_lenet5_forward.get_weight([100, 1000], None)
    b = mnist_lenet5_forward.get_bias([7])
    assert tf.get_collection('losses') == []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        w, b = sess.run([w, b])
    assert b.tolist() == [0] * 7
    assert abs(w.mean()) < 0.002 and 0.19 < np.abs(w).max() <= 0.2
    assert w.std() == pytest.approx(0.08796, rel=0.02)  # the cut leaves 0.8796 of the deviation


def test_the_graphs_seed_decides_the_initial_values():
    """The four weights differ from each other. Without a seed they are always new."""

    def initial_values(seed):
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.set_random_seed(seed)
            mnist_lenet5_forward.forward(tf.placeholder(tf.float32, [1, 28, 28, 1]), True, None)
            sess.run(tf.global_variables_initializer())
            return [value.tobytes()[:100] for value in sess.run(tf.global_variables())[::2]]

    values = [initial_values(seed) for seed in (0, 0, 1, None, None)]
    assert values[0] == values[1] and len(set(sum(values, []))) == 16


def test_dropout_is_a_function_of_its_seed():
    """Both numbers of the seed count. The kept elements make up for the dropped ones."""
    seed = tf.placeholder(tf.int32, [2])
    y = mnist_lenet5_forward.dropout(tf.ones([20, 512]), 0.25, seed)
    with tf.Session() as sess:
        seeds = [3, 4], [3, 4], [3, 5], [2, 4], [4, 3]
        first, same, *others = [sess.run(y, {seed: numbers}) for numbers in seeds]
    assert sorted(set(first.ravel())) == pytest.approx([0, 1 / 0.75])
    assert 0.22 < (first == 0).mean() < 0.28  # 7 standard deviations
    assert (first == same).all()
    for other in others:
        assert 0.3 < (first != other).mean() < 0.45  # 2 * 0.25 * 0.75


@pytest.mark.parametrize('train', [True, False])
def test_dropout_in_training_only(train):
    """In training about half of the neurons become zero, others for each image."""
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    y = mnist_lenet5_forward.forward(x, train, None)
    parameters = [np.zeros(shape) for shape in reference.SHAPES]
    parameters[5] += 3  # the neurons, of which the logits are ten, plus 1
    parameters[6][:10], parameters[7] = np.eye(10), np.ones(10)
    logits = run(y, parameters, {x: NOISE.repeat(5, axis=0)})
    dropped = logits == 1
    assert (logits[~dropped] == (7 if train else 4)).all()
    assert 0.4 < dropped.mean() < 0.6 if train else not dropped.any()  # 6 standard deviations
    assert len(np.unique(dropped, axis=0)) > 70 or not train
