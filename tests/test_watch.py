"""mnist_lenet5_test: what it reports, and what it survives."""

import os
import re
import shutil
from types import SimpleNamespace

from support import checkpoints, pictures, watching

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import write_checkpoint

import mnist_lenet5_backward
import mnist_lenet5_test

IMAGES = np.random.RandomState(3).rand(7, 784).astype(np.float32)
PARAMETERS = reference.initial_parameters()
PREDICTED = reference.logits(IMAGES.reshape(-1, 28, 28, 1), PARAMETERS).argmax(axis=1)


def test_set(right):
    """A test set of which the network with PARAMETERS gets `right` of 7 right."""
    labels = np.where(np.arange(7) < right, PREDICTED, (PREDICTED + 1) % 10)
    data = SimpleNamespace(images=IMAGES, labels=np.eye(10)[labels], num_examples=7)
    return SimpleNamespace(test=data)


test_set.__test__ = False


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(tmp_path / 'model'))
    monkeypatch.setattr(mnist_lenet5_test, 'TEST_BATCH_SIZE', 3)  # 7 digits: 3 + 3 + 1
    return tmp_path / 'model'


def checkpoint(model, step):
    """Shadows that are PARAMETERS, and weights that are not: the shadows are what counts."""
    write_checkpoint(model, step, reference.initial_parameters(seed=9), PARAMETERS)


class Stop(Exception):
    pass


def watch(monkeypatch, happenings, **options):
    """Runs test(); one happening after each poll, while it sleeps, and then the end."""
    happenings = iter(happenings)
    polls = []

    def sleep(seconds):
        polls.append(seconds)
        try:
            next(happenings)()
        except StopIteration:
            raise Stop from None

    monkeypatch.setattr(mnist_lenet5_test, 'time', SimpleNamespace(sleep=sleep))
    with pytest.raises(Stop):
        mnist_lenet5_test.test(test_set(3), **options)
    return polls


def nothing():
    pass


def line(step, right=3):
    return 'After %d training step(s), test accuracy = %g\n' % (step, right / 7)


def test_interval_is_the_notes():
    assert mnist_lenet5_test.TEST_INTERVAL_SECS == 5


@pytest.mark.parametrize('right', [0, 4, 7])
def test_once(model, capsys, right):
    checkpoint(model, 301)
    assert mnist_lenet5_test.test(test_set(right), once=True) == pytest.approx(right / 7)
    assert capsys.readouterr().out == line(301, right)


def test_no_checkpoint(model, capsys):
    assert mnist_lenet5_test.test(test_set(3)) is None
    assert mnist_lenet5_test.test(test_set(3), once=True) is None
    assert capsys.readouterr().out == 'No checkpoint file found\n' * 2


def test_wait(model, capsys, monkeypatch):
    watch(monkeypatch, [nothing, lambda: checkpoint(model, 1), nothing], wait=True)
    assert capsys.readouterr().out == line(1)


@pytest.mark.posix
def test_each_checkpoint_is_reported_once(model, capsys, monkeypatch):
    """Also one of the same name from a training started afresh, with steps that go down."""
    checkpoint(model, 201)
    polls = watch(
        monkeypatch,
        [
            nothing,
            nothing,
            lambda: checkpoint(model, 301),
            nothing,
            lambda: shutil.rmtree(str(model)),
            nothing,
            lambda: checkpoint(model, 1),
            lambda: checkpoint(model, 201),
            nothing,
        ],
    )
    assert capsys.readouterr().out == line(201) + line(301) + line(1) + line(201)
    assert polls == [5] * 10


def test_nothing_is_computed_while_nothing_is_new(model, monkeypatch):
    restored = []
    restore = checkpoints.restore_path
    monkeypatch.setattr(
        checkpoints, 'restore_path', lambda *args: restored.append(args) or restore(*args)
    )
    checkpoint(model, 1)
    watch(monkeypatch, [nothing] * 5)
    assert len(restored) == 1


@pytest.mark.parametrize('moment', ['before', 'after'])
def test_replaced_in_the_middle_of_a_restore(model, capsys, monkeypatch, moment):
    """The trainer deletes or replaces the checkpoint: the newer one is reported, and it alone."""
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=lambda seconds: None))
    checkpoint(model, 1)
    restore = checkpoints.restore_path

    def meddle():
        monkeypatch.setattr(checkpoints, 'restore_path', restore)
        shutil.rmtree(str(model))
        checkpoint(model, 101)
        if moment == 'after':
            checkpoint(model, 1)  # the same name, another file

    def meddled_restore(*args):
        if moment == 'before':
            meddle()
        restore(*args)
        if moment == 'after':
            meddle()

    monkeypatch.setattr(checkpoints, 'restore_path', meddled_restore)
    watch(monkeypatch, [nothing, nothing])
    assert capsys.readouterr().out == line(101 if moment == 'before' else 1)


def test_emptied_in_the_middle_of_a_restore(model, capsys, monkeypatch):
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=lambda seconds: None))
    checkpoint(model, 1)
    restore = checkpoints.restore_path

    def meddled_restore(*args):
        monkeypatch.setattr(checkpoints, 'restore_path', restore)
        shutil.rmtree(str(model))
        restore(*args)

    monkeypatch.setattr(checkpoints, 'restore_path', meddled_restore)
    watch(monkeypatch, [nothing, lambda: checkpoint(model, 1)], wait=True)
    assert capsys.readouterr().out == line(1)


def refused(monkeypatch, match):
    """Expects the one-line error, whatever happens at the first poll."""
    with pytest.raises(checkpoints.CheckpointError, match=match) as caught:
        watch(monkeypatch, [])
    assert '\n' not in str(caught.value)


def test_damaged_checkpoint(model, monkeypatch, capsys):
    """The highest step that is whole is tested instead, once, and it is said once."""
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=lambda seconds: None))
    for step in 9, 10, 11:
        checkpoint(model, step)
    data = model / 'mnist_model-11.data-00000-of-00001'
    content = data.read_bytes()
    data.write_bytes(content[:1000])

    def go_back():
        (model / 'checkpoint').write_text(
            'model_checkpoint_path: "mnist_model-10"', encoding='utf-8'
        )

    def mend():
        data.write_bytes(content)
        checkpoint(model, 12)

    def damage_the_next():
        checkpoint(model, 13)
        (model / 'mnist_model-13.index').write_bytes(b'')

    happenings = [nothing, nothing, go_back, nothing, mend, damage_the_next, nothing, nothing]
    watch(monkeypatch, happenings)
    out, err = capsys.readouterr()
    assert out == line(10) + line(12)
    first, second = err.splitlines()
    assert re.match('.*mnist_model-11: cannot be restored .*; taking mnist_model-10 instead', first)
    assert re.match(
        '.*mnist_model-13: cannot be restored .*; taking mnist_model-12 instead', second
    )


@pytest.mark.parametrize('content', [None, b'', b'garbage', b'\xff'])
def test_garbled_checkpoint_file(model, monkeypatch, capsys, content):
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=lambda seconds: None))
    for step in 9, 10:
        checkpoint(model, step)

    def garble():
        if content is None:
            (model / 'checkpoint').unlink()
        else:
            (model / 'checkpoint').write_bytes(content)

    watch(monkeypatch, [garble, nothing, lambda: checkpoint(model, 8)])
    out, err = capsys.readouterr()
    assert out == line(10) + line(8) and err == ''  # 10 has been tested
    garble()
    watch(monkeypatch, [nothing, nothing])
    out, err = capsys.readouterr()
    problem = 'missing' if content is None else 'cannot be read'
    assert out == line(10)
    assert err == '%s: %s; taking mnist_model-10 instead\n' % (model / 'checkpoint', problem)


def test_nothing_is_whole(model, monkeypatch, capsys):
    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=lambda seconds: None))
    checkpoint(model, 1)
    (model / 'mnist_model-1.data-00000-of-00001').write_bytes(b'')
    refused(monkeypatch, 'mnist_model-1: cannot be restored .*; there is no whole checkpoint')
    os.remove(str(model / 'mnist_model-1.index'))
    refused(monkeypatch, 'mnist_model-1: cannot be restored .mnist_model-1.index is missing')
    (model / 'checkpoint').write_bytes(b'garbage')
    refused(monkeypatch, 'checkpoint: cannot be read')
    assert capsys.readouterr().out == ''


def test_folder_that_is_a_file(model, monkeypatch):
    model.write_bytes(b'')
    refused(monkeypatch, 'model: cannot be read .*director')


def test_first_checkpoint_in_the_making(model, monkeypatch, capsys):
    """There is one before the file `checkpoint` names it: not worth a word."""
    checkpoint(model, 1)
    state = (model / 'checkpoint').read_text(encoding='utf-8')
    os.remove(str(model / 'checkpoint'))

    def sleep(seconds):
        if seconds:
            (model / 'checkpoint').write_text(state, encoding='utf-8')

    monkeypatch.setattr(watching, 'time', SimpleNamespace(sleep=sleep))
    watch(monkeypatch, [nothing, nothing], wait=True)
    out, err = capsys.readouterr()
    assert (out, err) == (line(1), '')


def test_it_writes_nothing_but_its_curves(model, monkeypatch):
    checkpoint(model, 1)
    before = sorted(os.listdir(str(model)))
    watch(monkeypatch, [nothing, nothing])
    assert sorted(os.listdir(str(model))) == sorted(before + ['test'])
    curves, lock = sorted(os.listdir(str(model / 'test')))
    assert lock == 'lock' and 'tfevents' in curves
    events = list(tf.train.summary_iterator(str(model / 'test' / curves)))
    assert [event.step for event in events if event.summary.value] == [1]
    numbers = {v.tag: v.simple_value for v in events[-1].summary.value if v.tag != 'wrong_digits'}
    logits = reference.logits(IMAGES.reshape(-1, 28, 28, 1), PARAMETERS)
    labels = np.argmax(test_set(3).test.labels, axis=1)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    cross_entropy = (log_sums - logits[np.arange(7), labels]).mean()
    assert numbers['accuracy'] == pytest.approx(3 / 7)
    assert numbers['cross_entropy'] == pytest.approx(cross_entropy, rel=1e-4)


def test_mistakes(model, capsys, tmp_path):
    checkpoint(model, 301)
    path = str(tmp_path / 'mistakes.png')
    mnist_lenet5_test.test(test_set(3), once=True, mistakes=path)
    assert capsys.readouterr().out == line(301)
    with tf.Graph().as_default(), tf.Session() as sess:
        drawn = sess.run(tf.image.decode_png(tf.read_file(path)))
    labels = np.argmax(test_set(3).test.labels, axis=1)
    assert (drawn == pictures.confusion(IMAGES, labels, PREDICTED)).all()


def test_checkpoint_of_another_network(model, monkeypatch):
    parameters = reference.initial_parameters()
    parameters[0] = parameters[0][..., :6]
    write_checkpoint(model, 1, parameters, parameters)
    refused(monkeypatch, r'\(Variable/Exp.*: float32 \[5, 5, 1, 6\], and not .* \[5, 5, 1, 32\]\)')
    write_checkpoint(model, 1, reference.initial_parameters(), shadows=[])
    refused(monkeypatch, r'\(Variable/ExponentialMovingAverage: no such variable')
