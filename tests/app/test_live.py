"""live: each answer is by one checkpoint, the newest that could be restored."""

import json
import shutil
from concurrent import futures

from support import pictures

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import write_checkpoint

import mnist_lenet5_forward
from handwriting import layers, live

SEVEN = np.full((live.SIDE, live.SIDE), 255, np.uint8)
SEVEN[60:220, 120:140] = SEVEN[60:80, 90:140] = 0


def live_of(model, save=False):
    """The newest checkpoint in a folder, into which the network is saved as it begins if asked."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        network = layers.Network(x, mnist_lenet5_forward.forward(x, False, None))
        saver = tf.train.Saver(tf.train.ExponentialMovingAverage(0.99).variables_to_restore())
        if save:
            sess.run(tf.global_variables_initializer())
            saver.save(sess, str(model / 'mnist_model'), 1)
        found = live.NewestCheckpoint(str(model), network, saver)
    found.model = model
    found.update()
    return found


@pytest.fixture
def newest(tmp_path):
    return live_of(tmp_path / 'model')


def save(newest, step):
    """Has a checkpoint taken; returns its parameters."""
    parameters = reference.initial_parameters(step)
    write_checkpoint(newest.model, step, reference.initial_parameters(seed=9), parameters)
    newest.update()
    return parameters


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


def test_answers_are_of_the_newest_checkpoint(newest):
    """Before the first checkpoint they have the input alone; without a digit, the reason."""
    head, values = ask(newest, '/drawing', SEVEN.tobytes())
    assert head['step'] is None and list(values) == ['input']
    assert ask(newest, '/weights')[1] == ask(newest, '/step')[1] == {}
    for step in 1, 101:
        parameters = save(newest, step)
        head, values = ask(newest, '/drawing', SEVEN.tobytes())
        assert head['step'] == str(step) == ask(newest, '/step')[0]['step']
        assert list(values) == ['input', *head['network']['layers'], 'probabilities']
        assert (ask(newest, '/weights')[1]['conv2_w'] == parameters[2].astype('f4')).all()
        for path, body in ('/input', values['input'].tobytes()), ('/picture', pictures.png(SEVEN)):
            again = ask(newest, path, body)
            assert again[0] == head and all((again[1][key] == values[key]).all() for key in values)
    blank = b'\xff' * SEVEN.size
    for path, body, kind in ('/drawing', blank, 'nothing'), ('/picture', b'no', 'format'):
        head, values = ask(newest, path, body)
        assert head['error'] == kind and head['text'] and values == {}


def test_restores_while_it_is_asked(newest):
    """Every answer is by one checkpoint, whose step it carries."""
    levels = np.float32(SEVEN[::10, ::10] == 0).reshape(1, 28, 28, 1)
    answers, done = [], []

    def keep_asking():
        while not done:
            answers.append(ask(newest, '/input', levels.tobytes()))

    expected = [reference.logits(levels, save(newest, 0))[0]]
    with futures.ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            pool.submit(keep_asking)
        expected += [reference.logits(levels, save(newest, step))[0] for step in range(1, 7)]
        done.append(True)
    assert min(np.abs(one - other).max() for one, other in zip(expected, expected[1:])) > 0.1
    assert len({head['step'] for head, _ in answers}) >= 5
    for head, values in answers:
        assert np.abs(values['logits'] - expected[int(head['step'])]).max() < 1e-3


def test_the_last_one_serves_if_a_restore_fails(newest, capsys):
    save(newest, 1)
    before = newest.read_input(bytes(4 * 784))
    write_checkpoint(newest.model, 2, [np.zeros(3)], [np.zeros(3)])
    for _ in range(2):
        newest.update()
    (line,) = capsys.readouterr().err.splitlines()  # said once
    assert line.startswith('error: ') and 'another network' in line
    shutil.rmtree(str(newest.model))
    newest.update()
    newest.model.write_bytes(b'')  # a folder that is replaced by a file for a moment
    newest.update()
    newest.update()
    assert capsys.readouterr().err.count('%s: cannot be used (' % newest.model) == 1
    assert newest.read_input(bytes(4 * 784)) == before
    newest.model.unlink()
    save(newest, 2)
    assert ask(newest, '/step')[0]['step'] == '2'
