"""Other classes and pictures: the scripts need no more than other constants in `forward`."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import idx, small_mnist

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A folder of letters of noise, labelled from 1 to 26 as in EMNIST."""
    for name, content in small_mnist(120, 52).items():
        if 'labels' in name:
            content = idx((1 + np.arange(len(content) - 8) % 26).astype(np.uint8))
        (tmp_path / name).write_bytes(content)
    model = str(tmp_path / 'model')
    for name, value in ('BATCH_SIZE', 4), ('STEPS', 3), ('MODEL_SAVE_PATH', model):
        monkeypatch.setattr(mnist_lenet5_backward, name, value)
    return tmp_path


def run(script, monkeypatch, *flags):
    monkeypatch.setattr('sys.argv', ['script', *map(str, flags)])
    return script.main()


def size(png):
    return struct.unpack('>II', png[16:24])


def curves(folder):
    (path,) = (folder / 'model' / 'test').iterdir()
    return [event for event in tf.train.summary_iterator(str(path)) if event.summary.value]


def test_letters(letters, monkeypatch, capsys):
    """An error asks for 27 classes, which are then trained, tested, and drawn."""
    folders = '--data_dir', letters, '--model_dir', letters / 'model'
    with pytest.raises(input_data.DataError, match='26.*OUTPUT_NODE'):
        run(mnist_lenet5_backward, monkeypatch, *folders)
    monkeypatch.setattr(mnist_lenet5_forward, 'OUTPUT_NODE', 27)
    run(mnist_lenet5_backward, monkeypatch, '--steps', 3, *folders)
    sheet = letters / 'mistakes.png'
    assert run(mnist_lenet5_test, monkeypatch, '--mistakes', sheet, *folders) == 0
    out = capsys.readouterr().out
    assert 'After 3 training step(s), loss' in out and 'After 3 training step(s), test' in out
    assert size(sheet.read_bytes()) == (28 * 116 + 4, 28 * 116 + 4)  # one more for the means
    assert [event.step for event in curves(letters)] == [3]


def test_photos(letters, monkeypatch):
    """Colour pictures of 32 x 32 pixels keep their size and colours in the pictures."""
    monkeypatch.setattr(mnist_lenet5_forward, 'IMAGE_SIZE', 32)
    monkeypatch.setattr(mnist_lenet5_forward, 'NUM_CHANNELS', 3)
    images = np.random.RandomState(0).rand(20, 32 * 32 * 3).astype(np.float32)
    photos = input_data.DataSet(images, np.eye(10)[np.arange(20) % 10], dtype=np.uint8)
    mnist, sheet = SimpleNamespace(train=photos, test=photos), letters / 'mistakes.png'
    mnist_lenet5_backward.backward(mnist)
    assert mnist_lenet5_test.test(mnist, once=True, mistakes=sheet) <= 1
    assert size(sheet.read_bytes()) == (11 * 132 + 4, 11 * 132 + 4)
    *_, event = curves(letters)
    (image,) = [value.image for value in event.summary.value if value.HasField('image')]
    assert (image.width, image.colorspace) == (10 * 34 + 2, 3)
