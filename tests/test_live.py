"""live: each answer is by one checkpoint, the newest that could be restored."""

import json
import shutil
import struct
import threading

from support import checkpoints, layers, live

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import write_checkpoint

import mnist_lenet5_forward

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


def unpacked(answer):
    """The JSON and the arrays of an answer."""
    (length,) = struct.unpack('<I', answer[:4])
    numbers = np.frombuffer(answer, '<f4', offset=4 + length)
    return json.loads(answer[4 : 4 + length].decode()), numbers


def probabilities(digit, parameters):
    logits = reference.logits(digit.reshape(1, 28, 28, 1), parameters)[0]
    return np.exp(logits - np.logaddexp.reduce(logits))


def test_before_the_first_checkpoint(newest):
    newest.update()
    assert json.loads(newest.step(b'{}').decode()) == {'step': None}
    head, numbers = unpacked(newest.drawing(DRAWING.tobytes()))
    assert head == {'step': None} and len(numbers) == 784
    asked = {'digit': [0] * 784, 'layer': 'conv1', 'row': 0, 'column': 0, 'kernel': 0}
    assert json.loads(newest.pixel(json.dumps(asked).encode()).decode()) == {'step': None}


def test_answers_are_of_the_newest_checkpoint(newest):
    for step, parameters in (1, PARAMETERS[0]), (101, PARAMETERS[1]):
        save(newest, step, parameters)
        newest.update()
        head, numbers = unpacked(newest.drawing(DRAWING.tobytes()))
        assert head == {'step': str(step)}
        digit, y = numbers[:784], numbers[-10:]
        assert np.abs(y - probabilities(digit, parameters)).max() < 1e-4
        assert len(numbers) == 784 + sum(np.prod(shape) for shape in layers.SHAPES.values())
        again = unpacked(newest.digit(digit.tobytes()))
        assert again[0] == head and (again[1] == numbers).all()
        conv1 = numbers[784 : 784 + 28 * 28 * 32].reshape(28, 28, 32)
        asked = {'digit': digit.tolist(), 'layer': 'conv1', 'row': 9, 'column': 14, 'kernel': 5}
        found = json.loads(newest.pixel(json.dumps(asked).encode()).decode())
        assert found['step'] == str(step) and found['value'] == '%.3f' % conv1[9, 14, 5]
        asked.update(layer='pool1', row=4, column=7)
        found = json.loads(newest.pixel(json.dumps(asked).encode()).decode())
        assert found['value'] == max(sum(found['four'], []))


def test_restores_while_it_is_asked(newest):
    """Every answer is by one checkpoint, whose step it carries."""
    save(newest, 0, PARAMETERS[0])
    newest.update()
    digit = unpacked(newest.drawing(DRAWING.tobytes()))[1][:784]
    expected = [probabilities(digit, parameters) for parameters in PARAMETERS]
    assert min(np.abs(expected[i] - expected[i - 1]).max() for i in range(3)) > 0.01
    answers, done = [], threading.Event()

    def keep_asking():
        while not done.is_set():
            answers.append(unpacked(newest.digit(digit.tobytes())))

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 12):
        save(newest, step, PARAMETERS[step % 3])
        newest.update()
    done.set()
    for thread in threads:
        thread.join()
    assert len({head['step'] for head, _ in answers}) >= 10
    for head, numbers in answers:
        assert np.abs(numbers[-10:] - expected[int(head['step']) % 3]).max() < 1e-4


def test_the_last_one_serves_if_a_restore_fails(newest, monkeypatch, capsys):
    save(newest, 1, PARAMETERS[0])
    newest.update()
    before = newest.drawing(DRAWING.tobytes())
    save(newest, 2, PARAMETERS[1])

    def fail(*args):
        raise checkpoints.CheckpointError('model: is of another network')

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, 'restore_path', fail)
        newest.update()
        newest.update()
    assert newest.drawing(DRAWING.tobytes()) == before
    assert capsys.readouterr().err == 'error: model: is of another network\n'  # said once
    shutil.rmtree(str(newest.model))
    newest.update()
    assert newest.drawing(DRAWING.tobytes()) == before
    save(newest, 2, PARAMETERS[1])
    newest.update()
    assert unpacked(newest.drawing(DRAWING.tobytes()))[0] == {'step': '2'}


def test_pictures_that_are_no_digit(newest):
    empty = np.full((live.SIDE, live.SIDE), 255, np.uint8).tobytes()
    head, numbers = unpacked(newest.drawing(empty))
    assert head['error'] == 'nothing' and len(numbers) == 0
    head, numbers = unpacked(newest.picture(b'\0\0\0\x18ftypheic'))
    assert head == {'step': None, 'error': 'format', 'text': 'is a HEIC picture; save it as JPEG'}


PIXEL = {'digit': [0.5] * 784, 'layer': 'conv1', 'row': 0, 'column': 0, 'kernel': 0}


@pytest.mark.parametrize(
    'name, body',
    [
        ('drawing', b''),
        ('drawing', bytes(live.SIDE**2 - 1)),
        ('digit', bytes(4 * 783)),
        ('digit', b'\xff' * 4 * 784),  # not a number
        ('digit', np.full(784, 1.5, '<f4').tobytes()),
        ('step', b'{'),
        ('step', b'[]'),
        ('step', b'\xff'),
        ('step', b'[' * 900),
        *(
            ('pixel', json.dumps(dict(PIXEL, **{name: value})).encode())
            for name, value in (
                ('digit', [0.5] * 783),
                ('digit', [0.5] * 783 + ['x']),
                ('digit', [0.5] * 783 + [[0.5]]),
                ('digit', [0.5] * 783 + [None]),
                ('digit', [0.5] * 783 + [1e300]),
                ('digit', None),
                ('layer', 'conv2'),
                ('layer', ['conv1']),
                ('row', 28),
                ('row', -1),
                ('column', 'a'),
                ('kernel', 32),
                ('kernel', None),
                ('kernel', 1e400),
            )
        ),
        ('pixel', b'{}'),
    ],
)
@pytest.mark.filterwarnings('ignore')
def test_bad_requests(newest, name, body):
    with pytest.raises(live.BadRequest):
        getattr(newest, name)(body)
