"""mnist_lenet5_backward: the training step against NumPy, its order, and when it is saved."""

import os
import time
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import CHECKPOINT_VARIABLES, Noise, saved_steps, write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_forward


class Late(tf.train.GradientDescentOptimizer):
    """Updates that come late, so that whatever does not wait for them has the old values."""

    def compute_gradients(self, *args, **options):
        def late(gradient):
            return tf.py_func(lambda g: time.sleep(0.05) or g, [gradient], tf.float32)

        return [(late(g), v) for g, v in super().compute_gradients(*args, **options)]


def test_three_steps_against_numpy(train, monkeypatch, capsys):
    """The loss and the rate are from before the update, the average and the step from after it."""
    monkeypatch.setattr(tf.train, 'GradientDescentOptimizer', Late)
    monkeypatch.setattr(mnist_lenet5_forward, 'dropout', lambda x, rate, seed: x)
    monkeypatch.setattr(mnist_lenet5_backward, 'STEPS', 1)
    parameters, shadows = reference.initial_parameters(), reference.initial_parameters(seed=1)
    write_checkpoint(train.model, 0, parameters, shadows)
    for end in 1, 2, 3:  # a run for each step, to see every loss and every checkpoint
        data = Noise()
        data.random.seed(end)
        mnist_lenet5_backward.backward(SimpleNamespace(train=data))
        ((xs, ys),) = data.batches
        batch = xs.reshape(-1, 28, 28, 1), ys.argmax(axis=1)
        state = parameters, shadows, end - 1, 4 / 2
        loss, parameters, shadows = reference.train_step(*batch, *state)
        printed = capsys.readouterr().out
        assert printed.startswith(f'After {end} training step(s), loss on training batch is ')
        assert float(printed.split()[-1][:-1]) == pytest.approx(loss, rel=1e-5)
        reader = tf.train.NewCheckpointReader(str(train.model / f'mnist_model-{end}'))
        types = reader.get_variable_to_dtype_map()
        assert sorted(types) == sorted(CHECKPOINT_VARIABLES)
        assert types.pop('Variable_8') == tf.int32 and set(types.values()) == {tf.float32}
        values = [reader.get_tensor(name) for name in CHECKPOINT_VARIABLES]
        for value, expected in zip(values, [*parameters, end, *shadows]):
            np.testing.assert_allclose(value, expected, atol=2e-6)


def test_steps_of_runs_and_resumes(train_small, monkeypatch):
    """A run saves every SAVE_STEPS, and ends at the next multiple of STEPS."""
    start = f'training from step %d to step %d; checkpoints go to {train_small.model}\n'
    assert train_small(157) == ([1, 101, 157], start % (0, 157))
    assert train_small(300) == ([201, 300], start % (157, 300))
    assert train_small(300) == ([301, 401, 501, 600], start % (300, 600))
    assert saved_steps(train_small.model) == [300, 301, 401, 501, 600]
    endings = {name.split('.')[-1] for name in os.listdir(str(train_small.model))}
    assert endings == {'checkpoint', 'data-00000-of-00001', 'index', 'lock', 'seed', 'train'}
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 3)
    assert train_small(8)[0] == [601, 604, 607, 608] == saved_steps(train_small.model)[1:]
