"""The lecture: its constants and sizes, and its program in turn with ours."""

import os
import re
from types import SimpleNamespace

import lecture
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import CHECKPOINT_VARIABLES, ROOT

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test


def test_constants():
    names = [name for name in dir(lecture) if name.isupper()]
    assert len(names) == 17
    for name in names:
        ours = [getattr(m, name, None) for m in (mnist_lenet5_forward, mnist_lenet5_backward)]
        assert getattr(lecture, name) in ours, name


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


@pytest.mark.parametrize(
    'ours, lectures, message',
    [
        ('(x, train, regularizer, seed=None)', '(x, train, regularizer)', '3 positional arguments'),
        ('(pool2, [-1, nodes])', '(pool2, [pool_shape[0], nodes])', 'Failed to convert'),
    ],
)
def test_its_forward_beside_our_other_scripts(train, monkeypatch, ours, lectures, message):
    """What docs/inherited.md says of it: the line, the error, and the line to write instead."""
    with open(mnist_lenet5_forward.__file__, encoding='utf-8') as file:
        source = file.read()
    assert ours in source
    namespace = {}
    exec(source.replace(ours, lectures).replace(', seed)', ')'), namespace)
    monkeypatch.setattr(mnist_lenet5_forward, 'forward', namespace['forward'])
    with pytest.raises((TypeError, ValueError), match=message):
        train(1)
        mnist_lenet5_test.test(None)
    with open(os.path.join(ROOT, 'docs', 'inherited.md'), encoding='utf-8') as file:
        (row,) = [line for line in file if lectures in line]
    assert message in row and ours in row.split('|')[2]


def test_exchange_with_the_lectures_program(train, monkeypatch, capsys):
    """Each trains on and tests what the other has saved, the lecture on either network."""
    images = np.random.RandomState(5).rand(40, 784).astype(np.float32)
    data = input_data.DataSet(images, np.eye(10)[np.arange(40) % 10])
    both = SimpleNamespace(train=data, test=data)
    monkeypatch.setattr(lecture, 'MODEL_SAVE_PATH', str(train.model))
    monkeypatch.setattr(lecture, 'BATCH_SIZE', 2)
    monkeypatch.setattr(lecture, 'STEPS', 2)

    def tested():
        """The step of the current checkpoint, about which all print the same line."""
        capsys.readouterr()
        mnist_lenet5_test.test(both, once=True)
        line = capsys.readouterr().out
        for forward in lecture.forward, mnist_lenet5_forward.forward:
            lecture.test(both, forward)
            assert capsys.readouterr().out == line
        return int(re.match(r'After (\d+) training step\(s\), test accuracy = ', line).group(1))

    lecture.backward(both)  # saves the first step of every run only
    assert tested() == 1
    steps, err = train(3)
    assert steps == [3] and 'seed 1' in err
    assert tested() == 3
    lecture.backward(both)
    assert tested() == 4
    assert train(5)[0] == [5]
    lecture.backward(both, mnist_lenet5_forward.forward)
    assert tested() == 6
    saved = tf.train.load_checkpoint(str(train.model / 'mnist_model-6'))
    values = [saved.get_tensor(name) for name in CHECKPOINT_VARIABLES]
    assert values[8] == 6 and all(np.isfinite(value).all() for value in values)
