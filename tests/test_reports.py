"""reports: what TensorBoard is told, and what happens when it cannot be told."""

import os
import re
import shutil
import time
from types import SimpleNamespace

from support import checkpoints, pictures, reports

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import CHECKPOINT_VARIABLES, DATA, Noise

import input_data
import mnist_lenet5_backward

LABELS = np.arange(20) % 10
IMAGES = np.random.RandomState(5).rand(20, 784).astype(np.float32)
TEST_DATA = SimpleNamespace(images=IMAGES, labels=np.eye(10)[LABELS])
LOGITS = np.random.RandomState(6).randn(20, 10).astype(np.float32)


def events(folder):
    return [
        event
        for name in sorted(os.listdir(str(folder)))
        if 'tfevents' in name
        for event in tf.train.summary_iterator(os.path.join(str(folder), name))
    ]


def scalars(folder):
    """{tag: {step: number}}, of what is written and not of what is dropped."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField('simple_value'):
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def pictures_in(folder):
    """[(tag, step, the decoded picture)]"""
    with tf.Graph().as_default(), tf.Session() as sess:
        return [
            (value.tag, event.step, sess.run(tf.image.decode_png(value.image.encoded_image_string)))
            for event in events(folder)
            for value in event.summary.value
            if value.HasField('image')
        ]


def shown(folder):
    """{tag: steps} as TensorBoard shows them."""
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    run = accumulator.EventAccumulator(str(folder), size_guidance={'images': 0, 'scalars': 0})
    run.Reload()
    tags = run.Tags()
    found = {tag: [event.step for event in run.Scalars(tag)] for tag in tags['scalars']}
    found.update((tag, [event.step for event in run.Images(tag)]) for tag in tags['images'])
    return found


def test_training(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 2)
    data = Noise()
    steps, _ = train(4, data)
    found = scalars(train.model / 'train')
    assert set(found) == {'loss', 'cross_entropy', 'l2', 'learning_rate', 'steps_per_second'}
    assert all(list(numbers) == steps == [1, 3, 4] for numbers in found.values())
    for step in steps:
        assert found['loss'][step] == pytest.approx(
            found['cross_entropy'][step] + found['l2'][step], rel=1e-6
        )
        assert found['steps_per_second'][step] > 0
    # num_examples / BATCH_SIZE is 2 steps; the rate is that of the step, not of the next one
    rates = [found['learning_rate'][step] for step in steps]
    assert rates == pytest.approx([0.005, 0.005 * 0.99, 0.005 * 0.99])
    reader = tf.train.load_checkpoint(str(train.model / 'mnist_model-4'))
    weights = [reader.get_tensor(name) for name in CHECKPOINT_VARIABLES[:8:2]]
    l2 = 0.0001 / 2 * sum((w.astype(float) ** 2).sum() for w in weights)
    assert found['l2'][4] == pytest.approx(l2, rel=1e-3)  # before and after the step
    kernels = pictures_in(train.model / 'train')
    assert [(tag, step) for tag, step, _ in kernels] == [('conv1_kernels', s) for s in steps]
    assert (kernels[-1][2][..., 0] == pictures.kernels(weights[0])).all()


def test_testing(tmp_path):
    reports.Testing(str(tmp_path), TEST_DATA).add('301', 0.25, LOGITS, True)
    found = scalars(tmp_path / 'test')
    assert set(found) == {'accuracy', 'cross_entropy'}
    assert found['accuracy'] == {301: 0.25}
    exponentials = np.exp(LOGITS.astype(float))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(20), LABELS]).mean()
    assert found['cross_entropy'][301] == pytest.approx(expected, rel=1e-6)
    [(tag, step, picture)] = pictures_in(tmp_path / 'test')
    assert (tag, step) == ('wrong_digits', 301)
    assert (picture[..., 0] == pictures.wrong(IMAGES, LABELS, LOGITS.argmax(axis=1))).all()


def test_a_checkpoint_without_a_step_has_no_place(tmp_path):
    reports.Testing(str(tmp_path), TEST_DATA).add('mnist_model', 0.25, LOGITS, True)
    assert os.listdir(str(tmp_path)) == []


def test_mistakes(tmp_path):
    sheet = str(tmp_path / 'm.png')
    reports.Testing(str(tmp_path), TEST_DATA, sheet).add('1', 0.25, LOGITS, True)
    with tf.Graph().as_default(), tf.Session() as sess:
        drawn = sess.run(tf.image.decode_png(tf.read_file(sheet)))
    assert (drawn == pictures.confusion(IMAGES, LABELS, LOGITS.argmax(axis=1))).all()
    with pytest.raises(OSError, match='m.png'):
        reports.Testing(str(tmp_path), TEST_DATA, str(tmp_path / 'none' / 'm.png')).add(
            '2', 0.25, LOGITS, True
        )


def fast(folder):
    """{tag: steps} as TensorBoard's fast loader has them: each point drops those not before it."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            found[value.tag] = [s for s in found.get(value.tag, []) if s < event.step]
            found[value.tag].append(event.step)
    return found


def steps_shown(folder):
    """The steps of all curves and pictures, which must be the same in both loaders."""
    (steps,) = set(map(tuple, fast(folder).values()))
    if any('tfevents' in name for name in os.listdir(str(folder))):
        assert set(map(tuple, shown(folder).values())) == {steps}
    return steps


def name_current(model, step):
    state = model / 'checkpoint'
    text = state.read_text(encoding='utf-8')
    text = re.sub('"mnist_model-.*"', '"mnist_model-%d"' % step, text, count=1)
    state.write_text(text, encoding='utf-8')


@pytest.fixture
def branches(train, monkeypatch):
    """A training with a save at every step, all kept; train.back(step) names an old one."""
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    monkeypatch.setattr(mnist_lenet5_backward, 'KEEP', 20)
    train.back = lambda step: name_current(train.model, step)
    return train


def test_resume_does_not_double_back(branches, monkeypatch):
    branches(6)
    branches(8)
    assert steps_shown(branches.model / 'train') == (1, 2, 3, 4, 5, 6, 7, 8)
    branches.back(3)

    class Full(Exception):
        pass

    def save(*args):
        raise Full

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Manager, 'save', save)
        with pytest.raises(Full):  # before anything was saved
            branches(4)
    assert steps_shown(branches.model / 'train') == (1, 2, 3)
    branches(4)
    assert steps_shown(branches.model / 'train') == (1, 2, 3, 4)


@pytest.mark.parametrize('run', ['train', 'test'])
def test_the_curves_are_those_of_the_branch(branches, run):
    """Back, back again, and back to the branch that was left; also after the clock was set back."""
    testing = reports.Testing(str(branches.model), TEST_DATA)

    def go_on(start, end):
        """Trains from `start`, and tests every checkpoint, until `end`."""
        if start:
            branches.back(start)
        for _ in range(start, end):
            branches(1)
            ckpt = checkpoints.get_checkpoint_state(str(branches.model))
            testing.add(ckpt.model_checkpoint_path.split('-')[-1], 0.5, LOGITS, ckpt.is_latest)
        return steps_shown(branches.model / run)

    assert go_on(0, 6) == (1, 2, 3, 4, 5, 6)
    assert go_on(2, 4) == (1, 2, 3, 4)
    assert go_on(6, 7) == (1, 2, 3, 4, 5, 6, 7)


def test_the_clock_was_set_back(branches, monkeypatch):
    branches(3)
    monkeypatch.setattr(
        reports, 'time', SimpleNamespace(time=lambda: 1e9, monotonic=time.monotonic)
    )
    branches(5)
    reports.Testing(str(branches.model), TEST_DATA).add('5', 0.5, LOGITS, True)
    monkeypatch.setattr(
        reports, 'time', SimpleNamespace(time=lambda: 9e8, monotonic=time.monotonic)
    )
    branches(7)
    reports.Testing(str(branches.model), TEST_DATA).add('7', 0.5, LOGITS, True)
    assert steps_shown(branches.model / 'train') == (1, 2, 3, 4, 5, 6, 7)
    assert steps_shown(branches.model / 'test') == (5, 7)


def test_an_old_checkpoint_is_not_drawn(branches):
    branches(4)
    for step, is_latest in ('2', True), ('4', True), ('3', False):
        reports.Testing(str(branches.model), TEST_DATA).add(step, 0.5, LOGITS, is_latest)
    assert steps_shown(branches.model / 'test') == (2, 4)


def test_a_damaged_event_file_is_read_up_to_there(branches):
    branches(4)
    (name,) = [name for name in os.listdir(str(branches.model / 'train')) if 'tfevents' in name]
    path = branches.model / 'train' / name
    path.write_bytes(path.read_bytes()[:-100])
    branches.back(2)
    branches(3)
    assert set(map(tuple, shown(branches.model / 'train').values())) == {(1, 2, 3)}


def test_testing_again_draws_it_once(tmp_path):
    def add(watcher, *steps):
        for step in steps:
            watcher.add(str(step), 0.5, LOGITS, True)
        return steps_shown(tmp_path / 'test')

    watcher = reports.Testing(str(tmp_path), TEST_DATA)
    assert add(watcher, 1, 201, 301) == (1, 201, 301)
    assert add(watcher, 101, 151) == (1, 101, 151)
    del watcher  # and its lock
    assert add(reports.Testing(str(tmp_path), TEST_DATA), 151, 201) == (1, 101, 151, 201)


def fail(*args, **options):
    raise tf.errors.ResourceExhaustedError(None, None, 'events; No space left on device')


@pytest.mark.parametrize('method', ['__init__', 'write', 'flush'])
def test_a_full_disk_costs_only_the_curves(train, monkeypatch, method):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    monkeypatch.setattr(tf.io.TFRecordWriter, method, fail)
    steps, err = train(3)
    assert steps == [1, 2, 3]
    assert err.count('no more curves') == 1
    folder = os.path.join(str(train.model), 'train')
    assert folder + ': no more curves (events; No space left on device)\n' in err
    assert (train.model / 'mnist_model-3.index').exists()


def test_a_folder_that_cannot_be_made_costs_only_the_curves(train, tmp_path, capsys):
    train.model.mkdir()
    for name in 'train', 'test':
        (train.model / name).write_text('', encoding='utf-8')
    steps, err = train(1)
    assert steps == [1] and err.count('no more curves') == 1
    reports.Testing(str(train.model), TEST_DATA).add('1', 0.5, LOGITS, True)
    assert capsys.readouterr().err == ''


@pytest.mark.posix
def test_they_go_on_in_a_folder_made_anew(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    data = Noise()
    next_batch = data.next_batch

    def deleting_next_batch(batch_size):
        if len(data.batches) == 2:
            shutil.rmtree(str(train.model))
        return next_batch(batch_size)

    data.next_batch = deleting_next_batch
    _, err = train(4, data)
    assert 'curves' not in err
    assert list(scalars(train.model / 'train')['loss']) == [3, 4]


def test_of_two_watchers_one_writes(tmp_path):
    first, second = (
        reports.Testing(str(tmp_path), TEST_DATA),
        reports.Testing(str(tmp_path), TEST_DATA),
    )
    first.add('1', 0.5, LOGITS, True)
    second.add('2', 0.5, LOGITS, True)
    assert list(scalars(tmp_path / 'test')['accuracy']) == [1]
    del first  # and its lock
    second.add('3', 0.5, LOGITS, True)
    assert list(scalars(tmp_path / 'test')['accuracy']) == [1, 3]


def test_a_full_run_stays_below_20_mb(train):
    """500 saves, each of them tested, with as many wrong digits as the picture takes."""
    train(1)
    mnist = input_data.read_data_sets(DATA, one_hot=True)
    watcher = reports.Testing(str(train.model), mnist.test)
    for step in '1', '2':
        watcher.add(step, 0.0, np.roll(mnist.test.labels, 1, axis=1), True)
    training, testing = (
        max(len(event.summary.SerializeToString()) for event in events(train.model / run))
        for run in ('train', 'test')
    )
    assert 500 * (training + testing) < 20e6
