"""mnist_lenet5_backward: the training step against NumPy, runs, resume, checkpoints."""

import os
import re
import shutil
import signal
import threading
from types import SimpleNamespace

from support import checkpoints

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import CHECKPOINT_VARIABLES, Noise, saved_steps, write_checkpoint

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward

LINE = 'After %d training step(s), loss on training batch is '


def test_constants_are_the_notes():
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
    monkeypatch.setattr(
        mnist_lenet5_forward,
        'forward',
        lambda x, train, regularizer, seed, forward=mnist_lenet5_forward.forward: forward(
            x, False, regularizer
        ),
    )
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
        assert reader.get_tensor('Variable_8') == end
        for i, name in enumerate(CHECKPOINT_VARIABLES[:8]):
            np.testing.assert_allclose(reader.get_tensor(name), parameters[i], atol=2e-6)
            np.testing.assert_allclose(
                reader.get_tensor(name + '/ExponentialMovingAverage'), shadows[i], atol=2e-6
            )


def test_order_within_a_step_is_by_construction(train):
    """Loss and learning rate read before the update, the average after it, then the step."""

    class Stop(Exception):
        pass

    class StopAtFirstBatch(Noise):
        def next_batch(self, batch_size):
            self.graph = tf.get_default_graph()
            raise Stop

    data = StopAtFirstBatch()
    with pytest.raises(Stop):
        train(1, data)
    ops = data.graph.get_operations()

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


def test_steps_of_runs_and_resumes(train):
    steps, stderr = train(157)
    assert steps == [1, 101, 157]
    assert 'training from step 0 to step 157\n' in stderr
    steps, stderr = train(300)
    assert steps == [201, 300]
    assert 'training from step 157 to step 300\n' in stderr
    steps, stderr = train(300)
    assert steps == [301, 401, 501, 600]
    assert 'training from step 300 to step 600\n' in stderr
    assert saved_steps(train.model) == [300, 301, 401, 501, 600]


def test_five_checkpoints_are_kept_across_restarts(train):
    train(1)
    unlisted = train.model / 'mnist_model-900.index'
    unlisted.write_bytes(b'')
    for _ in range(7):
        train(1)
    assert saved_steps(train.model) == [4, 5, 6, 7, 8, 900]
    assert sorted({name.split('.')[-1] for name in os.listdir(str(train.model))}) == [
        'arithmetic',
        'checkpoint',
        'data-00000-of-00001',
        'index',
        'lock',
        'seed',
        'train',
    ]


def test_save_steps_and_keep(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 3)
    monkeypatch.setattr(mnist_lenet5_backward, 'KEEP', 2)
    assert train(8)[0] == [1, 4, 7, 8]
    assert saved_steps(train.model) == [7, 8]


def test_a_copied_or_moved_folder(train, monkeypatch):
    """Its own checkpoints count, and the original's are left alone, whatever the paths say."""
    for _ in range(5):
        train(1)
    state = train.model / 'checkpoint'
    assert str(train.model) not in state.read_text(encoding='utf-8')
    state.write_text(
        re.sub('"(.*)"', '"%s/\\1"' % train.model.as_posix(), state.read_text(encoding='utf-8')),
        encoding='utf-8',
    )
    before = sorted(os.listdir(str(train.model)))
    copy = train.model.parent / 'copy'
    shutil.copytree(str(train.model), str(copy))
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(copy))
    for _ in range(2):
        train(1)
    assert sorted(os.listdir(str(train.model))) == before
    assert saved_steps(copy) == [3, 4, 5, 6, 7]
    moved = train.model.parent / 'moved'
    train.model.rename(moved)
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(moved))
    assert train(1)[0] == [6]
    assert saved_steps(moved) == [2, 3, 4, 5, 6]


def test_variables_in_the_checkpoint(train):
    train(1)
    reader = tf.train.load_checkpoint(str(train.model / 'mnist_model-1'))
    shapes = reader.get_variable_to_shape_map()
    assert sorted(shapes) == sorted(CHECKPOINT_VARIABLES) and len(shapes) == 17
    for i, shape in enumerate(reference.SHAPES):
        assert tuple(shapes[CHECKPOINT_VARIABLES[i]]) == shape
        assert tuple(shapes[CHECKPOINT_VARIABLES[i] + '/ExponentialMovingAverage']) == shape
    types = reader.get_variable_to_dtype_map()
    assert types.pop('Variable_8') == tf.int32
    assert set(types.values()) == {tf.float32}


def test_it_leaves_the_process_as_it_was(train):
    """No signal handler left, nothing in the default graph; off the main thread it works too."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with tf.Graph().as_default() as graph:
        assert train(2)[0] == [1, 2]
        assert tf.get_default_graph() is graph and not graph.get_operations()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    done = []
    thread = threading.Thread(target=lambda: done.append(train(2)[0]))
    thread.start()
    thread.join()
    assert done == [[4]]


def test_seed(train, small_dir, monkeypatch):
    """One given, the one kept beside the checkpoints, or the default, in this order."""

    def seed_of_run(seed=None):
        monkeypatch.setattr(mnist_lenet5_backward, 'SEED', seed)
        seeds = []
        set_random_seed = tf.set_random_seed
        monkeypatch.setattr(
            tf, 'set_random_seed', lambda seed: seeds.append(seed) or set_random_seed(seed)
        )
        err = train(1)[1]
        monkeypatch.setattr(tf, 'set_random_seed', set_random_seed)
        said = re.search('seed: (.*); going on with seed', err)
        return seeds, said and said.group(1)

    default = mnist_lenet5_backward.DEFAULT_SEED
    kept = train.model / 'seed'
    assert seed_of_run() == ([default], None)
    assert seed_of_run(default) == ([default], None)
    assert seed_of_run(7) == ([7], 'has %d' % default)
    assert kept.read_text(encoding='utf-8') == '7\n'
    assert seed_of_run() == ([7], None)
    kept.unlink()  # as beside the checkpoints of the notes
    assert seed_of_run() == ([default], 'missing')
    for garbled in b'seven', b'', b'-1', b'\xff', b'%d' % 2**31:
        kept.write_bytes(garbled)
        refused(train, 'seed: cannot be read; give one with --seed', seed_of_run)
    assert seed_of_run(8) == ([8], 'cannot be read')
    assert seed_of_run() == ([8], None)
    for name in os.listdir(str(train.model)):
        if name not in ('seed', 'train'):
            os.remove(str(train.model / name))
    assert seed_of_run() == ([default], None)  # a new training


def test_seed_decides_weights_order_and_dropout(train, small_dir, monkeypatch):
    def checkpoint(seed):
        monkeypatch.setattr(mnist_lenet5_backward, 'SEED', seed)
        mnist = input_data.read_data_sets(str(small_dir), one_hot=True, validation_size=0)
        train(1, mnist.train)
        content = (train.model / 'mnist_model-1.data-00000-of-00001').read_bytes()
        shutil.rmtree(str(train.model))
        return content

    assert checkpoint(1) == checkpoint(1) == checkpoint(None) != checkpoint(2)


@pytest.mark.parametrize('what', ['weights', 'order', 'dropout'])
def test_seed_reaches(train, small_dir, monkeypatch, what):
    """Each alone makes the difference between two seeds, the other two being held."""
    if what != 'weights':
        monkeypatch.setattr(tf, 'set_random_seed', lambda seed, set=tf.set_random_seed: set(1))
    if what != 'dropout':
        monkeypatch.setattr(mnist_lenet5_forward, 'dropout', lambda x, rate, seed: tf.nn.relu(x))
    if what != 'order':
        monkeypatch.setattr(input_data.DataSet, 'seek', lambda self, position, seed: None)
    values = set()
    for seed in 1, 1, 2:
        monkeypatch.setattr(mnist_lenet5_backward, 'SEED', seed)
        mnist = input_data.read_data_sets(str(small_dir), one_hot=True, validation_size=0, seed=1)
        train(1, mnist.train)
        values.add((train.model / 'mnist_model-1.data-00000-of-00001').read_bytes())
        shutil.rmtree(str(train.model))
    assert len(values) == 2


def test_app_of_the_notes_series(train):
    """Code as others wrote it against the notes' modules, apart from its imports."""
    train(1)

    def restore_model(testPicArr):
        with tf.Graph().as_default():
            x = tf.placeholder(tf.float32, [1, 28, 28, 1])
            y = mnist_lenet5_forward.forward(x, False, None)
            preValue = tf.argmax(y, 1)
            variable_averages = tf.train.ExponentialMovingAverage(
                mnist_lenet5_backward.MOVING_AVERAGE_DECAY
            )
            variables_to_restore = variable_averages.variables_to_restore()
            saver = tf.train.Saver(variables_to_restore)
            with tf.Session() as sess:
                ckpt = tf.train.get_checkpoint_state(mnist_lenet5_backward.MODEL_SAVE_PATH)
                assert ckpt and ckpt.model_checkpoint_path
                saver.restore(sess, ckpt.model_checkpoint_path)
                return sess.run(preValue, feed_dict={x: testPicArr})

    picture = np.random.RandomState(0).rand(1, 28, 28, 1)
    reader = tf.train.load_checkpoint(str(train.model / 'mnist_model-1'))
    shadows = [
        reader.get_tensor(name + '/ExponentialMovingAverage') for name in CHECKPOINT_VARIABLES[:8]
    ]
    assert restore_model(picture) == reference.logits(picture, shadows).argmax()


def refused(train, match, run=None):
    """Expects a run to be refused in one line, without a change in the folder but for the lock."""

    def contents():
        return {
            p.name: p.read_bytes()
            for p in train.model.iterdir()
            if p.is_file() and p.name != 'lock'
        }

    before = contents()
    with pytest.raises(checkpoints.CheckpointError, match=match) as caught:
        (run or (lambda: train(1)))()
    assert '\n' not in str(caught.value)
    assert str(train.model) in str(caught.value)
    assert before == contents()


def test_checkpoint_of_another_network(train):
    parameters = reference.initial_parameters()
    smaller = list(parameters)
    smaller[2] = smaller[2][..., :16]
    write_checkpoint(train.model, 5, smaller, smaller)
    refused(
        train,
        r'mnist_model-5: is of another network '
        r'\(Variable_2: float32 \[5, 5, 32, 16\], and not float32 \[5, 5, 32, 64\]\)',
    )
    write_checkpoint(train.model, 5, parameters, shadows=[])
    refused(train, r'\(Variable/ExponentialMovingAverage: no such variable, and not float32 ')
    integers = [*parameters[:3], parameters[3].astype(np.int32), *parameters[4:]]
    write_checkpoint(train.model, 5, integers, parameters)
    refused(train, r'\(Variable_3: int32 \[64\], and not float32 \[64\]\)')
    # also where it is the fallback
    (train.model / 'checkpoint').unlink()
    refused(train, r'\(Variable_3: int32 \[64\], and not float32 \[64\]\)')


@pytest.mark.parametrize('name', ['a*', '[b]'])
def test_folder_that_is_a_pattern(train, monkeypatch, name):
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(train.model / name))
    with pytest.raises(checkpoints.CheckpointError, match='pattern'):
        train(1)
    assert not train.model.exists()


def test_folder_that_is_a_file(train):
    train.model.write_bytes(b'')
    with pytest.raises(checkpoints.CheckpointError, match='model: cannot be read .*director') as e:
        train(1)
    assert '\n' not in str(e.value)
    assert train.model.read_bytes() == b''
