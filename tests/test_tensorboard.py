"""tensorboard: what is drawn, of which branch, and what happens when it cannot be."""

import os
import shutil
from types import SimpleNamespace

from support import checkpoints, pictures, tensorboard

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import CHECKPOINT_VARIABLES

import mnist_lenet5_backward

LABELS = np.arange(20) % 10
IMAGES = np.random.RandomState(5).rand(20, 784).astype(np.float32)
TEST_DATA = SimpleNamespace(images=IMAGES, labels=np.eye(10)[LABELS])
LOGITS = np.random.RandomState(6).randn(20, 10).astype(np.float32)


def event_files(folder):
    if not os.path.exists(str(folder)):
        return []
    return [os.path.join(str(folder), name) for name in sorted(os.listdir(str(folder)))]


def events(folder):
    return [event for path in event_files(folder) for event in tf.train.summary_iterator(path)]


def scalars(folder):
    """{tag: {step: number}}, of what is written and not of what is dropped."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField('simple_value'):
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def images(folder):
    """[(tag, step, the decoded picture)]"""
    with tf.Graph().as_default(), tf.Session() as sess:
        return [
            (value.tag, event.step, sess.run(tf.image.decode_png(value.image.encoded_image_string)))
            for event in events(folder)
            for value in event.summary.value
            if value.HasField('image')
        ]


# The numbers
def test_training(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 2)
    steps, _ = train(4)
    found = scalars(train.model / 'train')
    assert set(found) == {'loss', 'cross_entropy', 'l2', 'learning_rate', 'steps_per_second'}
    assert all(list(numbers) == steps == [1, 3, 4] for numbers in found.values())
    for step in steps:
        assert found['loss'][step] == pytest.approx(
            found['cross_entropy'][step] + found['l2'][step], rel=1e-6
        )
        assert found['steps_per_second'][step] > 0
    # num_examples / BATCH_SIZE is 2 steps
    rates = [found['learning_rate'][step] for step in steps]
    assert rates == pytest.approx([0.005, 0.005 * 0.99, 0.005 * 0.99**2])
    reader = tf.train.load_checkpoint(str(train.model / 'mnist_model-4'))
    weights = [reader.get_tensor(name) for name in CHECKPOINT_VARIABLES[:8:2]]
    l2 = 0.0001 / 2 * sum((w.astype(float) ** 2).sum() for w in weights)
    assert found['l2'][4] == pytest.approx(l2, rel=1e-5)
    kernels = images(train.model / 'train')
    assert [(tag, step) for tag, step, _ in kernels] == [('conv1_kernels', s) for s in steps]
    assert (kernels[-1][2] == pictures.kernels(weights[0])).all()


def test_a_network_without_kernels(train_small, monkeypatch):
    """And a loss without L2 terms."""
    train_small(1)
    monkeypatch.setattr(mnist_lenet5_backward, 'REGULARIZER', None)
    add_n = tf.add_n
    monkeypatch.setattr(tf, 'add_n', lambda terms: add_n(terms) if terms else tf.constant(0.0))
    train_small(1)
    found = scalars(train_small.model / 'train')
    assert found['l2'][1] > 0 == found['l2'][2] and found['loss'][2] == found['cross_entropy'][2]
    assert images(train_small.model / 'train') == []


def test_testing(tmp_path):
    draw(tensorboard.Testing(str(tmp_path), TEST_DATA), 301)
    found = scalars(tmp_path / 'test')
    assert set(found) == {'accuracy', 'cross_entropy'}
    assert found['accuracy'] == {301: 0.25}
    exponentials = np.exp(LOGITS.astype(float))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(20), LABELS]).mean()
    assert found['cross_entropy'][301] == pytest.approx(expected, rel=1e-6)
    [(tag, step, picture)] = images(tmp_path / 'test')
    assert (tag, step) == ('wrong_digits', 301)
    assert (picture == pictures.wrong(IMAGES, LABELS, LOGITS.argmax(axis=1))).all()


def draw(testing, step, saved_last=None):
    """Draws a checkpoint, which is, if nothing else is said, the one that was saved last."""
    paths = ['model/mnist_model-%s' % name for name in (step, saved_last or step)]
    ckpt = checkpoints.CheckpointState(
        model_checkpoint_path=paths[0], all_model_checkpoint_paths=['model/mnist_model-1', paths[1]]
    )
    testing.add(str(step), 0.25, LOGITS, ckpt)


def test_what_has_no_place_on_the_curve(tmp_path):
    """A checkpoint without a step, and an old one: TensorBoard would drop all that came after."""
    testing = tensorboard.Testing(str(tmp_path), TEST_DATA)
    draw(testing, 'last')
    draw(testing, 2, saved_last=4)
    assert os.listdir(str(tmp_path)) == []
    ckpt = checkpoints.CheckpointState(model_checkpoint_path='model/mnist_model-3')
    testing.add('3', 0.25, LOGITS, ckpt)  # of a damaged file `checkpoint`: no list
    assert list(scalars(tmp_path / 'test')['accuracy']) == [3]


# The branch
@pytest.fixture
def testing_and_training(tmp_path):
    """{run: draw(start, steps)}: as a process that goes on from step `start` does."""
    with tf.Graph().as_default(), tf.Session() as sess:
        w = tf.Variable([[1.0]])
        tf.add_to_collection('losses', tf.reduce_sum(w))
        sess.run(tf.global_variables_initializer())

        def training(start, steps):
            curves = tensorboard.Training(str(tmp_path), start, sess, tf.constant(0.1))
            for step in steps:
                curves.add(step, 2.0)

        def testing(start, steps):
            curves = tensorboard.Testing(str(tmp_path), TEST_DATA)
            for step in steps:
                draw(curves, step)

        yield {'train': training, 'test': testing}


def opened(folder):
    """TensorBoard's slow loader of a run."""
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    return accumulator.EventAccumulator(str(folder), size_guidance={'images': 0, 'scalars': 0})


def slow_steps(run):
    """{tag: the steps that it shows}, after another look at the folder."""
    run.Reload()
    tags = run.Tags()
    steps = {tag: [event.step for event in run.Scalars(tag)] for tag in tags['scalars']}
    steps.update((tag, [event.step for event in run.Images(tag)]) for tag in tags['images'])
    return steps


def shown(folder):
    """The steps that TensorBoard shows of a run; its slow loader and its fast one must agree.

    The fast one knows no START: each point drops those of its tag that are not before it.
    """
    slow, fast = slow_steps(opened(folder)), {}
    for event in events(folder):
        for value in event.summary.value:
            fast[value.tag] = [s for s in fast.get(value.tag, []) if s < event.step]
            fast[value.tag].append(event.step)
    assert slow == fast
    (steps,) = set(map(tuple, fast.values()))
    return steps


@pytest.mark.parametrize('run', ['train', 'test'])
def test_the_curves_are_those_of_the_branch(tmp_path, testing_and_training, run):
    """On, back, back to the very first, and on again."""
    folder = tmp_path / run
    for start, steps, expected in [
        (0, [1, 2, 3, 4, 5, 6], (1, 2, 3, 4, 5, 6)),
        (6, [7, 8], (1, 2, 3, 4, 5, 6, 7, 8)),
        (2, [3, 4], (1, 2, 3, 4)),
        (4, [5], (1, 2, 3, 4, 5)),
        (0, [1, 3], (1, 3)),
        (3, [9], (1, 3, 9)),
    ]:
        testing_and_training[run](start, steps)
        assert shown(folder) == expected


@pytest.mark.parametrize('run, begun', [('train', 5), ('test', 7)])
def test_each_file_begins_with_a_start(tmp_path, testing_and_training, run, begun):
    """At the step after that from which a training goes on; a test knows its first step only."""
    for _ in range(2):
        testing_and_training[run](4, [7, 8])
    assert len(event_files(tmp_path / run)) == 2
    for path in event_files(tmp_path / run):
        version, start, *points = tf.train.summary_iterator(path)
        assert version.file_version == 'brain.Event:2'
        assert start.session_log.status == tf.SessionLog.START
        assert start.step == begun
        assert [point.step for point in points] == [7, 8]


def test_a_run_begins_its_curves_where_it_goes_on(train_small):
    for _ in range(2):
        train_small(2)
    starts = [event.step for event in events(train_small.model / 'train') if event.step]
    assert starts == [1, 1, 2, 3, 4]  # START, 1 and 2; START and 4


def test_a_watcher_that_goes_back_drops_what_it_has_drawn(tmp_path):
    testing = tensorboard.Testing(str(tmp_path), TEST_DATA)
    for step, expected in (1, (1,)), (3, (1, 3)), (4, (1, 3, 4)), (2, (1, 2)), (3, (1, 2, 3)):
        draw(testing, step)
        assert shown(tmp_path / 'test') == expected


@pytest.mark.parametrize('seconds', [0, -86400])
def test_a_second_look_beside_a_watcher(tmp_path, monkeypatch, seconds):
    """What the watcher draws after it is shown, also if the clock was set back before it."""
    watcher, run = tensorboard.Testing(str(tmp_path), TEST_DATA), opened(tmp_path / 'test')
    for step in 1, 6, 11:
        draw(watcher, step)
    assert slow_steps(run)['accuracy'] == [1, 6, 11]
    now = tensorboard.time.time() + seconds
    monkeypatch.setattr(tensorboard, 'time', SimpleNamespace(time=lambda: now))
    draw(tensorboard.Testing(str(tmp_path), TEST_DATA), 12)
    for step in 16, 21:
        draw(watcher, step)
        slow_steps(run)
    assert shown(tmp_path / 'test') == (1, 6, 11, 12, 16, 21)
    assert slow_steps(run)['accuracy'] == [1, 6, 11, 12, 16, 21]


def test_a_training_ends_the_branch_that_was_tested(tmp_path, testing_and_training, capsys):
    testing_and_training['test'](0, [1, 6, 11, 16])
    testing_and_training['train'](6, [11, 16, 18])
    testing_and_training['test'](18, [18])
    assert slow_steps(opened(tmp_path / 'test'))['accuracy'] == [1, 6, 18]
    shutil.rmtree(str(tmp_path / 'test'))
    (tmp_path / 'test').write_bytes(b'')
    testing_and_training['train'](6, [11])  # a file of that name ends nothing
    assert shown(tmp_path / 'train') == (11,) and capsys.readouterr().err == ''


def test_two_processes_share_no_file(tmp_path, monkeypatch):
    watchers = [tensorboard.Testing(str(tmp_path), TEST_DATA) for _ in range(2)]
    for i, watcher in enumerate(watchers):
        monkeypatch.setattr(os, 'getpid', lambda i=i: i)
        # both look into the folder before the other has made its file
        monkeypatch.setattr(tensorboard.files, 'matching', lambda *args: [])
        draw(watcher, 1)
    assert len(event_files(tmp_path / 'test')) == 2
    monkeypatch.undo()
    for step in 2, 3, 4:
        for watcher in watchers:
            draw(watcher, step)
    assert set(slow_steps(opened(tmp_path / 'test'))['accuracy']) == {1, 2, 3, 4}


# What can go wrong
@pytest.mark.parametrize('method', [None, '__init__', 'write', 'flush'])
def test_what_cannot_be_written_costs_only_the_curves(tmp_path, monkeypatch, capsys, method):
    """A file in the folder's place, or a full disk; it is said once."""

    def fail(*args, **options):
        raise tf.errors.ResourceExhaustedError(None, None, 'events; No space left on device')

    if method:
        monkeypatch.setattr(tf.io.TFRecordWriter, method, fail)
    else:
        (tmp_path / 'test').write_bytes(b'')
    testing = tensorboard.Testing(str(tmp_path), TEST_DATA)
    for step in 1, 2:
        draw(testing, step)
    reason = 'events; No space left on device' if method else os.strerror(17)
    assert capsys.readouterr().err == '%s: no more curves (%s)\n' % (tmp_path / 'test', reason)


def test_our_own_mistakes_do_not_look_like_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'wrong', lambda *args: np.zeros((2, 2), np.uint8))
    with pytest.raises(Exception) as caught:
        draw(tensorboard.Testing(str(tmp_path), TEST_DATA), 1)
    assert not isinstance(caught.value, checkpoints.WRITE_ERRORS)


@pytest.mark.posix
def test_they_go_on_in_a_folder_made_anew(tmp_path, capsys):
    testing = tensorboard.Testing(str(tmp_path), TEST_DATA)
    draw(testing, 1)
    shutil.rmtree(str(tmp_path / 'test'))
    for step in 2, 3:
        draw(testing, step)
    assert list(scalars(tmp_path / 'test')['accuracy']) == [2, 3]
    assert len(event_files(tmp_path / 'test')) == 1
    assert capsys.readouterr().err == ''
