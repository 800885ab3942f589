"""Other classes and pictures: the constants of `forward` are enough for all the scripts do."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import idx

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A folder of 26 letters of noise, labelled from 1 to 26 as EMNIST's are; few to train on."""
    random = np.random.RandomState(0)
    for prefix, n in ('train', 120), ('t10k', 52):
        images = random.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        labels = (1 + np.arange(n) % 26).astype(np.uint8)
        (tmp_path / (prefix + '-images-idx3-ubyte')).write_bytes(idx(images))
        (tmp_path / (prefix + '-labels-idx1-ubyte')).write_bytes(idx(labels))
    monkeypatch.setattr(mnist_lenet5_backward, 'BATCH_SIZE', 4)
    monkeypatch.setattr(mnist_lenet5_backward, 'STEPS', 3)
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(tmp_path / 'model'))
    return tmp_path


def run(script, monkeypatch, *flags):
    monkeypatch.setattr('sys.argv', ['script', *map(str, flags)])
    return script.main()


def test_letters(letters, monkeypatch, capsys):
    monkeypatch.setattr(mnist_lenet5_forward, 'OUTPUT_NODE', 27)
    folders = '--data_dir', letters, '--model_dir', letters / 'model'
    run(mnist_lenet5_backward, monkeypatch, '--steps', 3, *folders)
    sheet = letters / 'mistakes.png'
    assert run(mnist_lenet5_test, monkeypatch, '--mistakes', sheet, *folders) == 0
    out = capsys.readouterr().out
    assert 'After 3 training step(s), loss' in out and 'After 3 training step(s), test' in out
    with tf.Graph().as_default(), tf.Session() as sess:
        drawn = sess.run(tf.image.decode_png(sheet.read_bytes()))
    assert drawn.shape == (28 * 116 + 4, 28 * 116 + 4, 3)  # a row of means and one for each class
    (curves,) = (letters / 'model' / 'test').iterdir()
    events = list(tf.train.summary_iterator(str(curves)))
    assert [event.step for event in events if event.summary.value] == [3]


class Photos:
    images = np.random.RandomState(0).rand(20, 32 * 32 * 3).astype(np.float32)
    labels, num_examples = np.eye(10)[np.arange(20) % 10], 20

    def next_batch(self, n):
        return self.images[:n], self.labels[:n]


def test_photos(letters, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_forward, 'IMAGE_SIZE', 32)
    monkeypatch.setattr(mnist_lenet5_forward, 'NUM_CHANNELS', 3)
    mnist, sheet = SimpleNamespace(train=Photos(), test=Photos()), letters / 'mistakes.png'
    mnist_lenet5_backward.backward(mnist)
    assert mnist_lenet5_test.test(mnist, once=True, mistakes=str(sheet)) <= 1
    with tf.Graph().as_default(), tf.Session() as sess:
        drawn = sess.run(tf.image.decode_png(sheet.read_bytes()))
    assert drawn.shape == (11 * 132 + 4, 11 * 132 + 4, 3)
    (curves,) = (letters / 'model' / 'test').iterdir()
    *_, event = tf.train.summary_iterator(str(curves))
    (image,) = [value.image for value in event.summary.value if value.HasField('image')]
    assert (image.width, image.colorspace) == (10 * 34 + 2, 3)


def test_a_label_too_large_names_the_constant(letters, monkeypatch):
    with pytest.raises(input_data.DataError, match='26.*OUTPUT_NODE'):
        run(mnist_lenet5_backward, monkeypatch, '--data_dir', letters)
