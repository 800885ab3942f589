"""pictures: every pixel comes from a weight or a digit, and from the right one."""

from types import SimpleNamespace

from support import pictures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

DIGITS = np.random.RandomState(0).rand(300, 784).astype(np.float32)
PHOTOS = np.random.RandomState(1).rand(300, 32, 32, 3).astype(np.float32)
LABELS = np.arange(300) % 10
CELL_SIZE = 4 * 28


def decode(png):
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(tf.image.decode_png(png))


@pytest.fixture
def sheet(tmp_path):
    """sheet(labels, predictions): the confusion matrix of images, read from its file."""

    def draw(labels, predictions, classes=10, images=DIGITS):
        data = SimpleNamespace(images=images, labels=np.eye(10)[labels] if classes > 8 else labels)
        pictures.write_mistakes(str(tmp_path / 'm.png'), data, np.eye(classes)[predictions])
        return decode((tmp_path / 'm.png').read_bytes()).astype(float)

    return draw


def cell(sheet, row, column, size=CELL_SIZE):
    """Returns a cell of the sheet. Its first row and column hold the means of the classes."""
    top, left = (pictures.GAP + i * (size + pictures.GAP) for i in (row, column))
    return sheet[top : top + size, left : left + size]


def drawn(digit, scale, paper=pictures.CELL, ink=pictures.INK):
    """Returns a digit as a cell must show it. A photo keeps its colours."""
    levels = digit.reshape(28, 28, 1) if digit.size == 784 else digit
    levels = levels.repeat(scale, axis=0).repeat(scale, axis=1)
    return paper + levels * np.subtract(ink, paper) if digit.size == 784 else 255 * levels


@pytest.mark.parametrize('shape', [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_png(shape):
    picture = np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8)
    assert (decode(pictures.png(picture)).reshape(shape) == picture).all()


def test_kernels():
    """Weights are squares of 8 x 8 pixels, from black over grey for zero to white."""
    w = np.zeros((5, 5, 2, 32), np.float32)
    w[1, 2, 0, 9] = -0.5
    w[4, 4, 0, 31] = 0.25
    w[0, 0, 1] = 0.5  # of the second channel
    picture = pictures.kernels(w)
    assert picture.shape == (4 * 44 + 4, 8 * 44 + 4, 1)
    ninth = picture[48:88, 48:88]  # the second of the second line
    assert (ninth[8:16, 16:24] == 0).all() and (ninth[16:] == 128).all()
    last = picture[-44:-4, -44:-4]
    assert (last[32:, 32:] == 191).all() and (last[:32] == 128).all()
    assert (pictures.kernels(np.zeros((3, 3, 1, 8)))[4:28, 4:28] == 128).all()


@pytest.mark.parametrize(
    'images, side, channels',
    [(DIGITS, 28, 1), (PHOTOS, 32, 3), (PHOTOS.reshape(300, 3072), 32, 3), (DIGITS[:, 5:], 27, 1)],
)
def test_wrong(images, side, channels):
    """At most a hundred misread digits, in the size of the data, cut to a square."""
    predictions = LABELS.copy()
    predictions[[7, 211]] = 5
    picture = pictures.wrong(images, LABELS, predictions)
    line = side + 4, 10 * (side + 2) + 2, channels
    assert picture.shape == line
    for i, chosen in enumerate((7, 211)):
        left = 2 + (side + 2) * i
        digit = (255 * np.ravel(images[chosen])[: side**2 * channels]).round()
        assert (np.ravel(picture[2 : 2 + side, left : left + side]) == digit).all()
    assert (picture[:, 2 * side + 6 :] == 64).all()
    assert pictures.wrong(images, LABELS, 9 - LABELS).shape == (line[1], line[1], channels)
    assert pictures.wrong(images, LABELS, LABELS).shape == line


@pytest.mark.parametrize('images, side', [(DIGITS, 28), (PHOTOS, 32)], ids=['digits', 'photos'])
@pytest.mark.parametrize('count, columns, scale', [(1, 1, 2), (4, 2, 2), (5, 3, 1), (25, 4, 1)])
def test_the_sheet_shows_the_very_digits(sheet, count, columns, scale, images, side):
    """A cell holds the first 16 digits of its class and prediction, as large as they fit."""
    chosen = np.flatnonzero(LABELS == 3)[5 : 5 + count]
    predictions = LABELS.copy()
    predictions[chosen] = 8
    found = cell(sheet(LABELS, predictions, images=images), 4, 9, 4 * side)
    chosen, size = chosen[:16], side * scale
    top = (4 * side - -(-len(chosen) // columns) * size) // 2
    left = (4 * side - columns * size) // 2
    for i, index in enumerate(chosen):
        y, x = top + i // columns * size, left + i % columns * size
        expected = drawn(images[index], scale)
        assert np.abs(found[y : y + size, x : x + size] - expected).max() <= 0.51
    assert (found[:top] == pictures.CELL).all() and (found[:, :left] == pictures.CELL).all()


def test_papers_and_means_of_the_sheet(sheet):
    """Means are on the left and above, for as many classes as the network has."""
    found = sheet(np.repeat([2, 7], 150), np.full(300, 7), classes=8)
    assert found.shape == (9 * (CELL_SIZE + 4) + 4, 9 * (CELL_SIZE + 4) + 4, 3)
    for true in range(8):
        for read in set(range(8)) - ({7} if true == 2 else set()):
            colour = pictures.DIAGONAL if true == read else pictures.CELL
            assert (cell(found, true + 1, read + 1) == colour).all()
    for ink, at, empty in (pictures.BLUE, (8, 0), (1, 0)), (pictures.ORANGE, (0, 8), (0, 1)):
        mean = drawn(DIGITS[150:].mean(axis=0), 2, pictures.PAPER, ink)
        assert np.abs(cell(found, *at)[28:-28, 28:-28] - mean).max() <= 0.51
        assert (cell(found, *at)[:28] == pictures.PAPER).all()
        assert (cell(found, *empty) == pictures.PAPER).all()  # no digit of this class
