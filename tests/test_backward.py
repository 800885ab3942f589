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

LINE = 'After %d training step(s), loss on training batch is '


def test_constants_are_the_lectures():
    assert mnist_lenet5_backward.BATCH_SIZE == 100
    assert mnist_lenet5_backward.LEARNING_RATE_BASE == 0.005
    assert mnist_lenet5_backward.LEARNING_RATE_DECAY == 0.99
    assert mnist_lenet5_backward.REGULARIZER == 0.0001
    assert mnist_lenet5_backward.STEPS == 50000
    assert mnist_lenet5_backward.MOVING_AVERAGE_DECAY == 0.99
    assert mnist_lenet5_backward.MODEL_SAVE_PATH == './model/'
    assert mnist_lenet5_backward.MODEL_NAME == 'mnist_model'


def test_three_steps_against_numpy(train, monkeypatch, capsys):
    """SGD, decay after two steps, the average of what each step leaves; without dropout."""
    monkeypatch.setattr(mnist_lenet5_forward, 'dropout', lambda x, rate, seed: x)
    parameters = reference.initial_parameters()
    shadows = reference.initial_parameters(seed=1)
    write_checkpoint(train.model, 0, parameters, shadows)
    for end in 1, 2, 3:  # each in a run of its own, to see every loss and every checkpoint
        data = Noise()
        data.random.seed(end)
        monkeypatch.setattr(mnist_lenet5_backward, 'STEPS', 1)
        mnist_lenet5_backward.backward(SimpleNamespace(train=data))
        ((xs, ys),) = data.batches
        loss, parameters, shadows = reference.train_step(
            xs.reshape(-1, 28, 28, 1), ys.argmax(axis=1), parameters, shadows, end - 1, 4 / 2
        )
        printed = capsys.readouterr().out
        assert printed.startswith(LINE % end)
        assert float(printed.split()[-1][:-1]) == pytest.approx(loss, rel=1e-5)
        reader = tf.train.load_checkpoint(str(train.model / ('mnist_model-%d' % end)))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        assert sorted(shapes) == sorted(CHECKPOINT_VARIABLES)
        assert types.pop('Variable_8') == tf.int32 and set(types.values()) == {tf.float32}
        assert reader.get_tensor('Variable_8') == end
        for i, name in enumerate(CHECKPOINT_VARIABLES[:8]):
            np.testing.assert_allclose(reader.get_tensor(name), parameters[i], atol=2e-6)
            np.testing.assert_allclose(
                reader.get_tensor(name + '/ExponentialMovingAverage'), shadows[i], atol=2e-6
            )


def test_order_within_a_step_is_by_construction(train):
    """Loss and learning rate read before the update, the average after it, then the step."""

    ops = []
    train(1, Happening(1, lambda: ops.extend(tf.get_default_graph().get_operations())))

    def all_before(op, seen=None):
        seen = set() if seen is None else seen
        for previous in [tensor.op for tensor in op.inputs] + list(op.control_inputs):
            if previous not in seen:
                seen.add(previous)
                all_before(previous, seen)
        return seen

    def of_type(op_type, among=ops):
        return [op for op in among if op.type == op_type]

    def handle(op):
        return op.inputs[0].op.name

    updates = {handle(op): op for op in of_type('ResourceApplyGradientDescent')}
    assert len(updates) == 8
    (train_op,) = [op for op in ops if op.name == 'train']
    (count,) = [op for op in of_type('AssignAddVariableOp') if handle(op) == 'Variable_8']
    assert set(updates.values()) < all_before(count)

    (loss,) = [op for op in of_type('AddV2') if of_type('AddN', [t.op for t in op.inputs])]
    reads = of_type('ReadVariableOp', all_before(loss))
    assert {handle(op) for op in reads} == set(updates)
    for read in reads:
        assert read in all_before(updates[handle(read)])
    (rate_read,) = [
        op
        for op in of_type('ReadVariableOp', all_before(updates['Variable']))
        if handle(op) == 'Variable_8'
    ]
    assert count not in all_before(rate_read)

    averages = [op for op in all_before(train_op) if op.name.startswith('ExponentialMovingAverage')]
    reads = of_type('ReadVariableOp', averages)
    assert {handle(op) for op in reads} >= set(updates) | {'Variable_8'}
    for read in reads:
        if not handle(read).endswith('/ExponentialMovingAverage'):
            assert count in all_before(read), read.name
    step_taken = [op for op in of_type('ReadVariableOp') if handle(op) == 'Variable_8'][-1]
    assert count in all_before(step_taken)


def test_steps_of_runs_and_resumes(train_small):
    """A run ends at the next multiple; five checkpoints are kept, over several runs."""
    start = f'training from step %d to step %d; checkpoints go to {train_small.model}\n'
    steps, err = train_small(157)
    assert steps == [1, 101, 157] and err == start % (0, 157)
    unlisted = train_small.model / 'mnist_model-90.index'
    unlisted.write_bytes(b'')
    steps, err = train_small(300)
    assert steps == [201, 300] and err == start % (157, 300)
    steps, err = train_small(300)
    assert steps == [301, 401, 501, 600] and err == start % (300, 600)
    assert saved_steps(train_small.model) == [90, 300, 301, 401, 501, 600]
    assert sorted({name.split('.')[-1] for name in os.listdir(str(train_small.model))}) == [
        'checkpoint',
        'data-00000-of-00001',
        'index',
        'lock',
        'seed',
        'train',
    ]


def test_save_steps(train_small, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 3)
    assert train_small(8)[0] == [1, 4, 7, 8] == saved_steps(train_small.model)
