"""live: each answer is by one checkpoint, the newest that could be restored."""

import io
import json
import shutil
import threading

from support import checkpoints

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import write_checkpoint
from PIL import Image

import mnist_lenet5_forward
from handwriting import layers, live

PARAMETERS = [reference.initial_parameters(seed) for seed in range(3)]
DRAWING = np.full((live.SIDE, live.SIDE), 255, np.uint8)
DRAWING[60:220, 120:140] = 0
DRAWING[60:80, 90:140] = 0


@pytest.fixture
def newest(tmp_path):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        y = mnist_lenet5_forward.forward(x, False, None)
        shadows = tf.train.ExponentialMovingAverage(0.99).variables_to_restore()
        found = live.Live(
            str(tmp_path / 'model'), x, layers.find(x, y), tf.train.Saver(shadows), shadows
        )
    found.model = tmp_path / 'model'
    return found


def save(newest, step, parameters):
    write_checkpoint(newest.model, step, reference.initial_parameters(seed=9), parameters)


def ask(newest, path, body=b''):
    """The JSON and the numbers of an answer."""
    most, answer = newest.answers[path]
    assert len(body) <= most
    head, _, numbers = answer(body).partition(b'\n')
    return json.loads(head.decode()), np.frombuffer(numbers, '<f4')


def probabilities(digit, parameters):
    logits = reference.logits(digit.reshape(1, 28, 28, 1), parameters)[0]
    return np.exp(logits - np.logaddexp.reduce(logits))


def test_before_the_first_checkpoint(newest):
    newest.update()
    assert ask(newest, '/step')[0] == {'step': None}
    head, numbers = ask(newest, '/drawing', DRAWING.tobytes())
    assert head == {'step': None} and len(numbers) == 784


def test_answers_are_of_the_newest_checkpoint(newest):
    file = io.BytesIO()
    Image.fromarray(DRAWING).save(file, 'PNG')
    sizes = [784] + [int(np.prod([n for n in s if n])) for s in layers.SHAPES.values()]
    for step, parameters in (1, PARAMETERS[0]), (101, PARAMETERS[1]):
        save(newest, step, parameters)
        newest.update()
        head, numbers = ask(newest, '/drawing', DRAWING.tobytes())
        assert head == {'step': str(step)} == ask(newest, '/step')[0]
        assert len(numbers) == sum(sizes)
        arrays = np.split(numbers, np.cumsum(sizes)[:-1])
        digit, y, conv1_w, conv1_b = arrays[0], *arrays[-3:]
        assert np.abs(y - probabilities(digit, parameters)).max() < 1e-4
        assert (conv1_w.reshape(5, 5, 1, 32) == parameters[0].astype('f4')).all()
        assert (conv1_b == parameters[1].astype('f4')).all()
        for path, body in ('/digit', digit.tobytes()), ('/picture', file.getvalue()):
            again = ask(newest, path, body)
            assert again[0] == head and (again[1] == numbers).all()


def test_restores_while_it_is_asked(newest):
    """Every answer is by one checkpoint, whose step it carries."""
    save(newest, 0, PARAMETERS[0])
    newest.update()
    digit = ask(newest, '/drawing', DRAWING.tobytes())[1][:784]
    expected = [probabilities(digit, parameters) for parameters in PARAMETERS]
    assert min(np.abs(expected[i] - expected[i - 1]).max() for i in range(3)) > 0.01
    answers, done = [], threading.Event()

    def keep_asking():
        while not done.is_set():
            answers.append(ask(newest, '/digit', digit.tobytes()))

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 7):
        save(newest, step, PARAMETERS[step % 3])
        newest.update()
    done.set()
    for thread in threads:
        thread.join()
    assert len({head['step'] for head, _ in answers}) >= 5
    for head, numbers in answers:
        y = numbers[-842:-832]
        assert np.abs(y - expected[int(head['step']) % 3]).max() < 1e-4


def test_the_last_one_serves_if_a_restore_fails(newest, monkeypatch, capsys):
    save(newest, 1, PARAMETERS[0])
    newest.update()
    digit = np.zeros(784, '<f4').tobytes()
    before = newest.digit(digit)
    save(newest, 2, PARAMETERS[1])

    def fail(*args):
        raise checkpoints.CheckpointError('model: is of another network')

    with monkeypatch.context() as patch:
        patch.setattr(newest._watcher, 'restore_new', fail)
        newest.update()
        newest.update()
    assert newest.digit(digit) == before
    assert capsys.readouterr().err == 'error: model: is of another network\n'  # said once
    shutil.rmtree(str(newest.model))
    newest.update()
    assert newest.digit(digit) == before
    save(newest, 2, PARAMETERS[1])
    newest.update()
    assert ask(newest, '/step')[0] == {'step': '2'}


def test_pictures_that_are_no_digit(newest):
    """The kind of reason, for which the page has words, and a line."""
    empty = np.full((live.SIDE, live.SIDE), 255, np.uint8).tobytes()
    head, numbers = ask(newest, '/drawing', empty)
    assert head['error'] == 'nothing' and head['text'] and len(numbers) == 0
    assert ask(newest, '/picture', b'no')[0]['error'] == 'format'
