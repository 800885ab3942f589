"""tensorboard: what is drawn, of which branch, and what happens when it cannot be."""

import os
import shutil
import time
from types import SimpleNamespace
from unittest.mock import Mock

from support import checkpoints, pictures, tensorboard

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import CHECKPOINT_VARIABLES, needs_ascii_on_windows

import mnist_lenet5_backward

LABELS = np.arange(20) % 10
IMAGES = np.random.RandomState(5).rand(20, 784).astype(np.float32)
TEST_DATA = SimpleNamespace(images=IMAGES, labels=np.eye(10)[LABELS])
LOGITS = np.random.RandomState(6).randn(20, 10).astype(np.float32)


def written(folder):
    """Returns {tag: {step: number or bytes of a PNG file}} of the events of a folder."""
    found = {}
    for path in sorted(map(str, folder.glob('events*'))):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                written = value.image.encoded_image_string or value.simple_value
                found.setdefault(value.tag, {})[event.step] = written
    return found


def shown(folder, run=None):
    """Returns the steps that TensorBoard shows for all tags. run: what `opened` returned."""
    run = run or opened(folder)
    run.Reload()
    found = [run.Scalars(tag) for tag in run.Tags()['scalars']]
    found += [run.Images(tag) for tag in run.Tags()['images']]
    (steps,) = {tuple(event.step for event in tag) for tag in found}
    return steps


def opened(folder):
    needs_ascii_on_windows(folder)
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    return accumulator.EventAccumulator(str(folder), size_guidance={'images': 0, 'scalars': 0})


def draw(testing, step, saved_last=None):
    """Draws the test of a checkpoint. saved_last: of the list, the step itself if not passed."""
    current, last = ['model/mnist_model-%s' % name for name in (step, saved_last or step)]
    state = {'model_checkpoint_path': current, 'all_model_checkpoint_paths': ['model/x-1', last]}
    testing.add(str(step), 0.25, LOGITS, checkpoints.CheckpointState(**state))


@pytest.fixture
def testing(tmp_path):
    return tensorboard.Testing(str(tmp_path), TEST_DATA)


@pytest.fixture
def curves(tmp_path):
    """curves(run, start, steps): what a process draws that goes on from step `start`."""
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.add_to_collection('losses', tf.reduce_sum(tf.Variable([[1.0]])))
        sess.run(tf.global_variables_initializer())

        def curves(run, start, steps):
            if run == 'train':
                training = tensorboard.Training(str(tmp_path), start, sess, tf.constant(0.1))
            else:
                testing = tensorboard.Testing(str(tmp_path), TEST_DATA)
            for step in steps:
                training.add(step, 2.0) if run == 'train' else draw(testing, step)

        yield curves


def test_training(train, monkeypatch):
    """The loss is cross entropy plus L2. The rate and the kernels are as in the checkpoint."""
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 2)
    monkeypatch.setattr(time, 'monotonic', lambda: 0.0)  # on Windows it ticks every 15.6 ms
    steps = train(3)[0] + train(4)[0]
    found = written(train.model / 'train')
    kernels = found.pop('conv1_kernels')
    assert set(found) == {'loss', 'cross_entropy', 'l2', 'learning_rate', 'steps_per_second'}
    assert all(list(numbers) == steps == [1, 3, 4] for numbers in [kernels, *found.values()])
    for step in steps:
        loss = found['cross_entropy'][step] + found['l2'][step]
        assert found['loss'][step] == pytest.approx(loss, rel=1e-6)
        assert 0 < found['steps_per_second'][step] < np.inf
        rate = 0.005 * 0.99 ** (step // 2)  # num_examples / BATCH_SIZE is 2 steps
        assert found['learning_rate'][step] == pytest.approx(rate)
    reader = tf.train.NewCheckpointReader(str(train.model / 'mnist_model-4'))
    weights = [reader.get_tensor(name) for name in CHECKPOINT_VARIABLES[:8:2]]
    l2 = 0.0001 / 2 * sum((w.astype(float) ** 2).sum() for w in weights)
    assert found['l2'][4] == pytest.approx(l2, rel=1e-5)
    assert kernels[4] == pictures.png(pictures.kernels(weights[0]))
    assert shown(train.model / 'train') == (1, 3, 4)  # the second run begins where it goes on


def test_a_network_of_another_kind(curves, tmp_path):
    """Without a convolution there are no kernels, without L2 terms the loss is cross entropy."""
    tf.get_default_graph().clear_collection('losses')
    curves('train', 0, [1])
    found = written(tmp_path / 'train')
    assert 'conv1_kernels' not in found
    assert found['l2'][1] == 0 and found['loss'][1] == found['cross_entropy'][1] == 2


def test_testing(tmp_path, testing):
    """A checkpoint without a step, or not saved last, is not drawn: later points would go."""
    draw(testing, 'last')
    draw(testing, 2, saved_last=4)
    assert os.listdir(str(tmp_path)) == []
    # a damaged file `checkpoint` has no list; a fall-back in `model//` has another spelling
    for step, listed in (301, []), (302, ['model//x-1', 'model//x-302']):
        state = {'model_checkpoint_path': 'model/x-%d' % step, 'all_model_checkpoint_paths': listed}
        testing.add(str(step), 0.25, LOGITS, checkpoints.CheckpointState(**state))
    found = written(tmp_path / 'test')
    log_sums = np.log(np.exp(LOGITS.astype(float)).sum(axis=1))
    expected = (log_sums - LOGITS[np.arange(20), LABELS]).mean()
    picture = pictures.png(pictures.wrong(IMAGES, LABELS, LOGITS.argmax(axis=1)))
    for step in 301, 302:
        assert found['cross_entropy'][step] == pytest.approx(expected, rel=1e-6)
        assert (found['accuracy'][step], found['wrong_digits'][step]) == (0.25, picture)
    assert len(found) == 3


# The branch
@pytest.mark.parametrize('run', ['train', 'test'])
def test_the_curves_are_those_of_the_branch(tmp_path, curves, run):
    """On, back, back to the very first, and on again, in a process each."""
    for start, steps, expected in [
        (0, [1, 2, 3, 4, 5, 6], (1, 2, 3, 4, 5, 6)),
        (6, [7, 8], (1, 2, 3, 4, 5, 6, 7, 8)),
        (2, [3, 4], (1, 2, 3, 4)),
        (0, [1, 3], (1, 3)),
        (3, [9], (1, 3, 9)),
    ]:
        curves(run, start, steps)
        assert shown(tmp_path / run) == expected


def test_one_process_goes_back(tmp_path, testing):
    for step, expected in (10, (10,)), (4, (4,)), (8, (4, 8)), (5, (4, 5)):
        draw(testing, step)
        assert shown(tmp_path / 'test') == expected
    if os.name == 'posix':  # they go on in a folder made anew
        shutil.rmtree(str(tmp_path / 'test'))
        for step in 6, 7:
            draw(testing, step)
        assert shown(tmp_path / 'test') == (6, 7)


@pytest.mark.parametrize('seconds', [0, -86400])
def test_a_second_look_beside_a_watcher(tmp_path, monkeypatch, testing, seconds):
    """The watcher's later points are shown, also if the clock was set back before the look."""
    run = opened(tmp_path / 'test')
    for step in 1, 6, 11:
        draw(testing, step)
    assert shown(tmp_path, run) == (1, 6, 11)
    now = time.time() + seconds
    monkeypatch.setattr(tensorboard, 'time', SimpleNamespace(time=lambda: now))
    draw(tensorboard.Testing(str(tmp_path), TEST_DATA), 12)
    for step, expected in (16, (1, 6, 11, 12, 16)), (21, (1, 6, 11, 12, 16, 21)):
        draw(testing, step)
        assert shown(tmp_path, run) == shown(tmp_path / 'test') == expected


def test_a_training_ends_the_branch_that_was_tested(tmp_path, curves):
    curves('test', 0, [1, 6, 11, 16])
    curves('train', 6, [11, 16, 18])
    curves('test', 18, [18])
    assert shown(tmp_path / 'test') == (1, 6, 18)


def test_two_processes_share_no_file(tmp_path, monkeypatch, testing):
    """Also where both look into the folder before the other has made its file."""
    watchers = [testing, tensorboard.Testing(str(tmp_path), TEST_DATA)]
    with monkeypatch.context() as patch:
        patch.setattr(tensorboard.files, 'matching', lambda *args: [])
        for i, watcher in enumerate(watchers):
            patch.setattr(os, 'getpid', lambda i=i: i)
            draw(watcher, 1)
    assert {name.split('.')[-1] for name in os.listdir(str(tmp_path / 'test'))} == {'0', '1'}
    for step in 2, 3, 4:
        for watcher in watchers:
            draw(watcher, step)
    assert set(shown(tmp_path / 'test')) == {1, 2, 3, 4}


# What can go wrong
@pytest.mark.parametrize('method', [None, '__init__', 'write', 'flush'])
def test_what_cannot_be_written(tmp_path, monkeypatch, capsys, testing, method):
    """A file instead of the folder, or a full disk, costs only the curves, and is said once."""
    full = tf.errors.ResourceExhaustedError(None, None, 'No space left on device')
    if method:
        monkeypatch.setattr(tf.io.TFRecordWriter, method, Mock(side_effect=full))
    else:
        (tmp_path / 'test').write_bytes(b'')
    for step in 1, 2:
        draw(testing, step)
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / 'test') in line and (not method or 'No space' in line)
    monkeypatch.setattr(pictures, 'wrong', lambda *args: np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError):  # a bug of ours is no full disk
        draw(testing, 3)


@pytest.mark.posix
def test_a_folder_whose_name_is_not_utf_8(tmp_path, capfd):
    draw(tensorboard.Testing(str(tmp_path / os.fsdecode('中'.encode('gbk'))), TEST_DATA), 1)
    assert 'no more curves' in capfd.readouterr().err
