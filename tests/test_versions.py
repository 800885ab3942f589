"""A training begun on one TensorFlow and resumed on another, with OTHER_PYTHON, which has that."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import CHECKPOINT_VARIABLES, DATA, ROOT

OTHER_PYTHON = os.environ.get('OTHER_PYTHON')
pytestmark = pytest.mark.skipif(
    not OTHER_PYTHON, reason='OTHER_PYTHON is not set, to a Python that has another TensorFlow'
)

TRAIN = """
import sys
sys.path[:0] = [%r]
import input_data, mnist_lenet5_backward
import tensorflow.compat.v1 as tf

print(tf.__version__)
mnist_lenet5_backward.MODEL_SAVE_PATH = sys.argv[1]
mnist_lenet5_backward.STEPS = int(sys.argv[2])
mnist_lenet5_backward.SAVE_STEPS = 1
mnist_lenet5_backward.backward(input_data.read_data_sets(%r, one_hot=True))
"""
TRAIN %= (ROOT, DATA)


def train(python, model, steps):
    """Trains up to a multiple of `steps`; returns TensorFlow's version and {step: loss}."""
    command = [python, '-c', TRAIN, str(model), str(steps)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=200).stdout
    version, *lines = printed.decode().splitlines()
    found = [re.fullmatch(r'After (\d+) training .* is (\S+)\.', line).groups() for line in lines]
    return version, {int(step): float(loss) for step, loss in found}


@pytest.mark.parametrize('there', [False, True])
def test_resumed_on_another_tensorflow(tmp_path, there):
    """Same batches, same dropout, and the same losses but for rounding. there: it begins there."""
    begins, resumes = (OTHER_PYTHON, sys.executable) if there else (sys.executable, OTHER_PYTHON)
    stayed, moved = tmp_path / 'stayed', tmp_path / 'moved'
    train(begins, stayed, 20)
    shutil.copytree(str(stayed), str(moved))
    old, expected = train(begins, stayed, 50)
    new, losses = train(resumes, moved, 50)
    assert old != new
    assert list(losses) == list(expected) == list(range(21, 51))
    assert losses == pytest.approx(expected, rel=1e-3)
    checkpoints = [
        tf.train.load_checkpoint(str(path / 'mnist_model-50')) for path in (stayed, moved)
    ]
    for name in CHECKPOINT_VARIABLES:
        values = [checkpoint.get_tensor(name) for checkpoint in checkpoints]
        print(name, np.abs(values[0] - values[1]).max(), np.abs(values[0]).max())
        np.testing.assert_allclose(*values, rtol=0, atol=1e-4)
