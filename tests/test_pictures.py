"""pictures: every pixel comes from a weight or a digit, and from the right one."""

import os
from types import SimpleNamespace

from support import pictures

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

DIGITS = np.random.RandomState(0).rand(300, 784).astype(np.float32)
PHOTOS = np.random.RandomState(1).rand(300, 32, 32, 3).astype(np.float32)
CELL_SIZE = 4 * 28
PITCH = CELL_SIZE + pictures.GAP


def decode(png):
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(tf.image.decode_png(png))


@pytest.fixture
def sheet(tmp_path):
    """sheet(labels, predictions): the sheet of DIGITS, as it is in the file."""

    def draw(labels, predictions, classes=10, images=DIGITS):
        data = SimpleNamespace(images=images, labels=np.eye(classes)[labels])
        pictures.write_mistakes(str(tmp_path / 'm.png'), data, np.eye(classes)[predictions])
        return decode((tmp_path / 'm.png').read_bytes()).astype(float)

    return draw


def cell(sheet, row, column, size=CELL_SIZE):
    """The first row and column have the means; so a class is one further."""
    top, left = (pictures.GAP + i * (size + pictures.GAP) for i in (row, column))
    return sheet[top : top + size, left : left + size]


def drawn(digit, scale, paper=pictures.CELL, ink=pictures.INK):
    """A digit as it should be in a cell; a photo keeps its colours."""
    grey = digit.size == 784
    levels = np.kron(digit.reshape(28, 28, 1) if grey else digit, np.ones((scale, scale, 1)))
    return (
        np.array(paper, float) + levels * (np.array(ink, float) - paper) if grey else 255 * levels
    )


def test_png():
    for shape in (5, 7), (5, 7, 1), (5, 7, 3):
        picture = np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8)
        assert (decode(pictures.png(picture)).reshape(shape) == picture).all()


def test_kernels():
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
    """In the size of the data; what is no square is cut to one."""
    labels = np.arange(300) % 10
    predictions = labels.copy()
    predictions[7] = predictions[211] = 5
    picture = pictures.wrong(images, labels, predictions)
    line = side + 4, 10 * (side + 2) + 2, channels
    assert picture.shape == line
    for i, chosen in enumerate((7, 211)):
        left = 2 + (side + 2) * i
        digit = (255 * np.ravel(images[chosen])[: side**2 * channels]).round()
        assert (np.ravel(picture[2 : 2 + side, left : left + side]) == digit).all()
    assert (picture[:, 2 * side + 6 :] == 64).all()
    hundred = pictures.wrong(images, labels, 9 - labels)
    assert hundred.shape == (line[1], line[1], channels)
    assert pictures.wrong(images, labels, labels).shape == line


@pytest.mark.parametrize('images', [DIGITS, PHOTOS])
@pytest.mark.parametrize('count, columns, scale', [(1, 1, 2), (4, 2, 2), (5, 3, 1), (25, 4, 1)])
def test_the_sheet_shows_the_very_digits(sheet, count, columns, scale, images):
    """Of more than 16 the first 16."""
    labels = np.arange(300) % 10
    predictions = labels.copy()
    chosen = np.flatnonzero(labels == 3)[5 : 5 + count]
    predictions[chosen] = 8
    side = 28 if images is DIGITS else 32
    found = cell(sheet(labels, predictions, images=images), 4, 9, 4 * side)
    size = side * scale
    chosen = chosen[:16]
    top = (4 * side - -(-len(chosen) // columns) * size) // 2
    left = (4 * side - columns * size) // 2
    for i, index in enumerate(chosen):
        y, x = top + i // columns * size, left + i % columns * size
        expected = drawn(images[index], scale)
        assert np.abs(found[y : y + size, x : x + size] - expected).max() <= 0.51
    assert (found[:top] == pictures.CELL).all() and (found[:, :left] == pictures.CELL).all()


def test_papers_and_means_of_the_sheet(sheet):
    """Means on the left and above, and nothing where there is no such class."""
    found = sheet(np.repeat([2, 7], 150), np.full(300, 7))
    assert found.shape == (11 * PITCH + 4, 11 * PITCH + 4, 3)
    for true in range(10):
        for read in range(10):
            colour = pictures.RIGHT if true == read else pictures.CELL
            if (true, read) != (2, 7):
                assert (cell(found, true + 1, read + 1) == colour).all()
    mean = DIGITS[150:].mean(axis=0)
    for ink, at in (pictures.BLUE, (8, 0)), (pictures.ORANGE, (0, 8)):
        expected = drawn(mean, 2, pictures.PAPER, ink)
        assert np.abs(cell(found, *at)[28:-28, 28:-28] - expected).max() <= 0.51
        assert (cell(found, *at)[:28] == pictures.PAPER).all()
        nobody = (1, 0) if at[1] == 0 else (0, 1)
        assert (cell(found, *nobody) == pictures.PAPER).all()


def test_the_sheet_has_as_many_classes_as_the_network(sheet):
    assert len(sheet(np.arange(300) % 3, np.zeros(300, int), 3)) == 4 * PITCH + 4


def test_the_sheet_cannot_be_written(tmp_path):
    data = SimpleNamespace(images=DIGITS, labels=np.eye(10)[np.arange(300) % 10])
    path = os.path.join(str(tmp_path), 'none', 'm.png')
    with pytest.raises(OSError) as caught:
        pictures.write_mistakes(path, data, data.labels)
    assert caught.value.filename == path
