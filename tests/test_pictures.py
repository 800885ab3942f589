"""pictures: every pixel comes from a weight or a digit, and from the right one."""

from support import pictures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

DIGITS = np.random.RandomState(0).rand(300, 784).astype(np.float32)
CENTRE = pictures.MARGIN + 2 * pictures.DIGIT + 3 * pictures.GAP  # where the first cell begins


def decode(png):
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(tf.image.decode_png(png))


def cell(sheet, true, read):
    pitch = pictures.CELL_SIZE + pictures.GAP
    top, left = CENTRE + true * pitch, CENTRE + read * pitch
    return sheet[top : top + pictures.CELL_SIZE, left : left + pictures.CELL_SIZE]


def drawn(digit, scale):
    """A digit as it should be in a cell."""
    ink = digit.reshape(28, 28)
    if scale < 1:
        ink = (ink[::2, ::2] + ink[1::2, ::2] + ink[::2, 1::2] + ink[1::2, 1::2]) / 4
    else:
        ink = np.kron(ink, np.ones((scale, scale)))
    paper = np.array(pictures.CELL, float)
    return paper + ink[..., np.newaxis] * (np.array(pictures.INK) - paper)


def test_png():
    for shape in (5, 7), (5, 7, 3):
        picture = np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8)
        assert (decode(pictures.png(picture)).reshape(shape) == picture).all()


def test_kernels():
    w = np.zeros((5, 5, 1, 32), np.float32)
    w[1, 2, 0, 9] = -0.5
    w[4, 4, 0, 31] = 0.25
    picture = pictures.kernels(w, scale=4)
    assert picture.shape == (4 * 22 + 2, 8 * 22 + 2)
    ninth = picture[24 : 24 + 20, 24 : 24 + 20]  # the second of the second line
    assert (ninth[4:8, 8:12] == 0).all() and (ninth[8:] == 128).all()
    last = picture[-22:-2, -22:-2]
    assert (last[16:, 16:] == 191).all() and (last[:16] == 128).all()
    assert (pictures.kernels(np.zeros((5, 5, 1, 32), np.float32))[4:44, 4:44] == 128).all()


def test_wrong():
    labels = np.arange(300) % 10
    predictions = labels.copy()
    predictions[7] = predictions[211] = 5
    picture = pictures.wrong(DIGITS, labels, predictions)
    assert picture.shape == (32, 302)
    for i, chosen in enumerate((7, 211)):
        left = 2 + 30 * i
        digit = (255 * DIGITS[chosen]).round().reshape(28, 28)
        assert (picture[2:30, left : left + 28] == digit).all()
    assert (picture[:, 62:] == 64).all()
    assert pictures.wrong(DIGITS, labels, 9 - labels).shape == (302, 302)  # the first hundred
    assert pictures.wrong(DIGITS, labels, labels).shape == (32, 302)


@pytest.mark.parametrize('count, columns, scale', [(1, 1, 2), (4, 2, 2), (5, 3, 1), (16, 4, 1)])
def test_confusion_shows_the_very_digits(count, columns, scale):
    labels = np.arange(300) % 10
    predictions = labels.copy()
    chosen = np.flatnonzero(labels == 3)[5 : 5 + count]
    predictions[chosen] = 8
    found = cell(pictures.confusion(DIGITS, labels, predictions), 3, 8)
    size = 28 * scale
    top = (pictures.CELL_SIZE - -(-count // columns) * size) // 2
    left = (pictures.CELL_SIZE - columns * size) // 2
    for i, index in enumerate(chosen):
        y, x = top + i // columns * size, left + i % columns * size
        expected = drawn(DIGITS[index], scale)
        assert np.abs(found[y : y + size, x : x + size] - expected).max() <= 0.51
    assert (found[:top] == pictures.CELL).all() and (found[:, :left] == pictures.CELL).all()


def test_confusion_of_many_digits():
    labels = np.repeat([2, 7], 150)
    predictions = np.full(300, 7)
    sheet = pictures.confusion(DIGITS, labels, predictions)
    expected = [drawn(digit, 0.5) for digit in DIGITS[:64]]
    rows = [np.concatenate(expected[i : i + 8], axis=1) for i in range(0, 64, 8)]
    assert np.abs(cell(sheet, 2, 7) - np.concatenate(rows)).max() <= 0.51
    for true in range(10):
        for read in range(10):
            colour = pictures.RIGHT if true == read else pictures.CELL
            if (true, read) != (2, 7):
                assert (cell(sheet, true, read) == colour).all()
    # Above and on the left are the mean digits, and nothing where there is no such class.
    middle = CENTRE + 7 * (pictures.CELL_SIZE + pictures.GAP) + pictures.CELL_SIZE // 2
    mean = np.kron(DIGITS[150:].mean(axis=0).reshape(28, 28), np.ones((2, 2)))[..., np.newaxis]
    for colour, turned in (pictures.TRUE_INK, sheet), (pictures.READ_INK, sheet.swapaxes(0, 1)):
        head = turned[:, pictures.MARGIN : pictures.MARGIN + 56]
        expected = pictures.PAPER + mean * (np.array(colour) - np.array(pictures.PAPER))
        if turned is not sheet:
            expected = expected.swapaxes(0, 1)
        assert np.abs(head[middle - 28 : middle + 28] - expected).max() <= 0.51
        assert (head[CENTRE : CENTRE + pictures.CELL_SIZE] == pictures.PAPER).all()
