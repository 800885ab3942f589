"""mnist_lenet5_backward: the training step against NumPy, its order, and when it is saved."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import CHECKPOINT_VARIABLES, Happening, Noise, saved_steps, write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_forward


def test_three_steps_against_numpy(train, monkeypatch, capsys):
    """SGD, decay after two steps, the average of what each step leaves; without dropout."""
    monkeypatch.setattr(mnist_lenet5_forward, 'dropout', lambda x, rate, seed: x)
    monkeypatch.setattr(mnist_lenet5_backward, 'STEPS', 1)
    parameters, shadows = reference.initial_parameters(), reference.initial_parameters(seed=1)
    write_checkpoint(train.model, 0, parameters, shadows)
    for end in 1, 2, 3:  # a run for each step, to see every loss and every checkpoint
        data = Noise()
        data.random.seed(end)
        mnist_lenet5_backward.backward(SimpleNamespace(train=data))
        ((xs, ys),) = data.batches
        loss, parameters, shadows = reference.train_step(
            xs.reshape(-1, 28, 28, 1), ys.argmax(axis=1), parameters, shadows, end - 1, 4 / 2
        )
        printed = capsys.readouterr().out
        assert printed.startswith(f'After {end} training step(s), loss on training batch is ')
        assert float(printed.split()[-1][:-1]) == pytest.approx(loss, rel=1e-5)
        reader = tf.train.load_checkpoint(str(train.model / f'mnist_model-{end}'))
        types = reader.get_variable_to_dtype_map()
        assert sorted(types) == sorted(CHECKPOINT_VARIABLES)
        assert types.pop('Variable_8') == tf.int32 and set(types.values()) == {tf.float32}
        values = [reader.get_tensor(name) for name in CHECKPOINT_VARIABLES]
        for value, expected in zip(values, [*parameters, end, *shadows]):
            np.testing.assert_allclose(value, expected, atol=2e-6)


def test_order_within_a_step_is_by_construction(train):
    """Loss and learning rate are read before the update, the average after it, then the step."""
    ops = []
    train(1, Happening(1, lambda: ops.extend(tf.get_default_graph().get_operations())))

    def before(op):
        """Returns all operations that must run before `op`."""
        found, new = set(), {op}
        while new:
            inputs = [[t.op for t in op.inputs] + list(op.control_inputs) for op in new]
            new = set(sum(inputs, [])) - found
            found |= new
        return found

    def of_type(op_type, among):
        return [op for op in among if op.type == op_type]

    def reads(among):
        return of_type('ReadVariableOp', among)

    def variable(op):
        return op.inputs[0].op.name

    updates = {variable(op): op for op in of_type('ResourceApplyGradientDescent', ops)}
    assert len(updates) == 8
    (count,) = [op for op in of_type('AssignAddVariableOp', ops) if variable(op) == 'Variable_8']
    assert set(updates.values()) < before(count)

    (loss,) = [op for op in of_type('AddV2', ops) if of_type('AddN', [t.op for t in op.inputs])]
    assert {variable(op) for op in reads(before(loss))} == set(updates)
    assert all(op in before(updates[variable(op)]) for op in reads(before(loss)))
    rate_reads = [op for op in reads(before(updates['Variable'])) if variable(op) == 'Variable_8']
    assert len(rate_reads) == 1 and count not in before(rate_reads[0])

    (train_op,) = [op for op in ops if op.name == 'train']
    averages = [op for op in before(train_op) if op.name.startswith('ExponentialMovingAverage')]
    averaged = [op for op in reads(averages) if not variable(op).endswith('Average')]
    assert {variable(op) for op in averaged} == set(updates) | {'Variable_8'}
    step_taken = [op for op in reads(ops) if variable(op) == 'Variable_8'][-1]
    assert all(count in before(op) for op in [*averaged, step_taken])


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
