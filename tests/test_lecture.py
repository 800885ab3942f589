"""The lecture: its constants, and its program in turn with ours."""

from pathlib import Path
from types import SimpleNamespace

import lecture
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import CHECKPOINT_VARIABLES, ROOT, needs_ascii_on_windows

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test


def test_constants():
    names = [name for name in dir(lecture) if name.isupper()]
    ours = {**vars(mnist_lenet5_forward), **vars(mnist_lenet5_backward)}
    assert [ours.get(name) for name in names] == [getattr(lecture, name) for name in names]
    assert len(names) == 17


@pytest.mark.parametrize(
    'ours, lectures, message',
    [
        ('(x, train, regularizer, seed=None)', '(x, train, regularizer)', '3 positional arguments'),
        ('(pool2, [-1, nodes])', '(pool2, [pool_shape[0], nodes])', 'Failed to convert'),
    ],
)
def test_its_forward_beside_our_other_scripts(train, monkeypatch, ours, lectures, message):
    """docs/inherited.md names the line, the error, and the line to write instead."""
    source = Path(mnist_lenet5_forward.__file__).read_text(encoding='utf-8')
    assert ours in source
    namespace = {}
    exec(source.replace(ours, lectures).replace(', seed)', ')'), namespace)
    monkeypatch.setattr(mnist_lenet5_forward, 'forward', namespace['forward'])
    with pytest.raises((TypeError, ValueError), match=message):
        train(1)
        mnist_lenet5_test.test(None)
    page = Path(ROOT, 'docs', 'inherited.md').read_text(encoding='utf-8')
    (row,) = [line for line in page.splitlines() if lectures in line]
    assert message in row and ours in row.split('|')[2]


def test_exchange_with_the_lectures_program(train, monkeypatch, capsys):
    """Each program resumes and tests the other's checkpoints, the lecture with either network."""
    needs_ascii_on_windows(train.model)
    images = np.random.RandomState(5).rand(40, 784).astype(np.float32)
    data = input_data.DataSet(images, np.eye(10)[np.arange(40) % 10])
    both = SimpleNamespace(train=data, test=data)
    for name, value in ('MODEL_SAVE_PATH', str(train.model)), ('BATCH_SIZE', 2), ('STEPS', 2):
        monkeypatch.setattr(lecture, name, value)

    def tested():
        """Returns the current checkpoint's step. All three tests must print the same line."""
        capsys.readouterr()
        mnist_lenet5_test.test(both, once=True)
        line = capsys.readouterr().out
        for forward in lecture.forward, mnist_lenet5_forward.forward:
            step = lecture.test(both, forward)
            assert capsys.readouterr().out == line
        return step

    lecture.backward(both)  # saves the first step of every run only
    assert tested() == 1
    steps, err = train(3)
    assert steps == [3] and 'seed 1' in err and tested() == 3
    lecture.backward(both)
    assert tested() == 4 and train(5)[0] == [5]
    lecture.backward(both, mnist_lenet5_forward.forward)
    assert tested() == 6
    saved = tf.train.NewCheckpointReader(str(train.model / 'mnist_model-6'))
    values = [saved.get_tensor(name) for name in CHECKPOINT_VARIABLES]
    assert values[8] == 6 and all(np.isfinite(value).all() for value in values)
