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
LAYERS = ['conv1', 'pool1', 'conv2', 'pool2', 'fc1', 'logits']
DRAWING = np.full((live.SIDE, live.SIDE), 255, np.uint8)
DRAWING[60:220, 120:140] = 0
DRAWING[60:80, 90:140] = 0


def live_of(model, save=False):
    """The newest checkpoint in a folder, into which the network is saved as it begins if asked."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        network = layers.Network(x, mnist_lenet5_forward.forward(x, False, None))
        shadows = tf.train.ExponentialMovingAverage(0.99).variables_to_restore()
        saver = tf.train.Saver(shadows)
        if save:
            sess.run(tf.global_variables_initializer())
            saver.save(sess, str(model / 'mnist_model'), 1)
        return live.NewestCheckpoint(str(model), network, saver, shadows)


@pytest.fixture
def newest(tmp_path):
    found = live_of(tmp_path / 'model')
    found.model = tmp_path / 'model'
    return found


def save(newest, step, parameters):
    write_checkpoint(newest.model, step, reference.initial_parameters(seed=9), parameters)
    newest.update()


def ask(newest, path, body=b''):
    """The JSON of an answer, and {name: array}."""
    most, answer = newest.answers[path]
    assert len(body) <= most
    head, _, content = answer(body).partition(b'\n')
    head, values = json.loads(head.decode()), {}
    for name, shape in head['shapes'].items():
        size = 4 * int(np.prod(shape))
        values[name] = np.frombuffer(content[:size], '<f4').reshape(shape)
        content = content[size:]
    assert content == b''
    return head, values


def probabilities(levels, parameters):
    logits = reference.logits(levels.reshape(1, 28, 28, 1), parameters)[0]
    return np.exp(logits - np.logaddexp.reduce(logits))


def test_before_the_first_checkpoint(newest):
    newest.update()
    head, values = ask(newest, '/drawing', DRAWING.tobytes())
    assert head['step'] is None and list(values) == ['input']
    assert list(head['network']['layers']) == LAYERS
    assert ask(newest, '/weights')[1] == ask(newest, '/step')[1] == {}


def test_answers_are_of_the_newest_checkpoint(newest):
    file = io.BytesIO()
    Image.fromarray(DRAWING).save(file, 'PNG')
    for step, parameters in (1, PARAMETERS[0]), (101, PARAMETERS[1]):
        save(newest, step, parameters)
        head, values = ask(newest, '/drawing', DRAWING.tobytes())
        assert head['step'] == str(step) == ask(newest, '/step')[0]['step']
        assert list(values) == ['input', *LAYERS, 'probabilities']
        expected = probabilities(values['input'], parameters)
        assert np.abs(values['probabilities'] - expected).max() < 1e-4
        weights = ask(newest, '/weights')[1]
        for i, name in enumerate(['conv1_w', 'conv1_b', 'conv2_w', 'conv2_b']):
            assert (weights[name] == parameters[i].astype('f4')).all()
        for path, body in ('/input', values['input'].tobytes()), ('/picture', file.getvalue()):
            again = ask(newest, path, body)
            assert again[0] == head and all((again[1][key] == values[key]).all() for key in values)


def test_restores_while_it_is_asked(newest):
    """Every answer is by one checkpoint, whose step it carries."""
    save(newest, 0, PARAMETERS[0])
    levels = ask(newest, '/drawing', DRAWING.tobytes())[1]['input']
    expected = [probabilities(levels, parameters) for parameters in PARAMETERS]
    assert min(np.abs(expected[i] - expected[i - 1]).max() for i in range(3)) > 0.01
    answers, done = [], threading.Event()

    def keep_asking():
        while not done.is_set():
            answers.append(ask(newest, '/input', levels.tobytes()))

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 7):
        save(newest, step, PARAMETERS[step % 3])
    done.set()
    for thread in threads:
        thread.join()
    assert len({head['step'] for head, _ in answers}) >= 5
    for head, values in answers:
        difference = values['probabilities'] - expected[int(head['step']) % 3]
        assert np.abs(difference).max() < 1e-4


def test_the_last_one_serves_if_a_restore_fails(newest, monkeypatch, capsys):
    save(newest, 1, PARAMETERS[0])
    levels = np.zeros(784, '<f4').tobytes()
    before = newest.read_input(levels)

    def fail(*args):
        raise checkpoints.CheckpointError('model: is of another network')

    with monkeypatch.context() as patch:
        patch.setattr(newest._watcher, 'restore_new', fail)
        save(newest, 2, PARAMETERS[1])
        newest.update()
    assert capsys.readouterr().err == 'error: model: is of another network\n'  # said once
    shutil.rmtree(str(newest.model))
    newest.update()
    newest.model.write_bytes(b'')  # a folder that is replaced by a file for a moment
    newest.update()
    newest.update()
    assert capsys.readouterr().err.count('%s: cannot be read (' % newest.model) == 1
    assert newest.read_input(levels) == before
    newest.model.unlink()
    save(newest, 2, PARAMETERS[1])
    assert ask(newest, '/step')[0]['step'] == '2'


def test_pictures_that_are_no_digit(newest):
    """The kind of reason, for which the page has words, and a line."""
    empty = np.full((live.SIDE, live.SIDE), 255, np.uint8).tobytes()
    head, values = ask(newest, '/drawing', empty)
    assert head['error'] == 'nothing' and head['text'] and values == {}
    assert ask(newest, '/picture', b'no')[0]['error'] == 'format'
