"""Pictures: the kernels of a convolution, the digits read wrongly, the confusion between digits.

All are uint8 arrays, [rows, columns] of grey levels or [rows, columns, 3] of red, green, blue.
"""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

DIGIT = 28  # pixels, both ways
CLASSES = 10
MAX_WRONG = 100  # digits in the picture of those read wrongly

# colours of the confusion sheet
PAPER = (250, 248, 244)
CELL = (237, 233, 226)
RIGHT = (218, 212, 202)  # the diagonal
INK = (38, 38, 46)
TRUE_INK = (22, 94, 131)
READ_INK = (190, 74, 40)

CELL_SIZE = 4 * DIGIT  # pixels, both ways; 4 x 4 digits, or twice as many half as large
GAP = 4  # pixels between two cells
MARGIN = 24


def png(picture):
    """Returns the bytes of a PNG file of a picture."""
    return _encoder()(picture.reshape(*picture.shape[:2], -1))


@functools.lru_cache(maxsize=None)
def _encoder():
    """Returns TensorFlow's encoder, made once: to make it takes as long as to encode."""
    with tf.Graph().as_default():
        picture = tf.placeholder(tf.uint8, [None, None, None])
        return tf.Session().make_callable(tf.image.encode_png(picture), [picture])


def kernels(w, scale=8):
    """Returns a picture of kernels [rows, columns, 1, n], eight in a line.

    Zero is grey, and the weight farthest from it white or black. scale: pixels to a weight.
    """
    levels = 127.5 * (1 + w[:, :, 0] / max(np.abs(w).max(), 1e-9))
    tiles = np.transpose(levels, (2, 0, 1)).round().astype(np.uint8)
    return _tiled(_scaled(tiles, scale), 8, scale // 2)


def wrong(images, labels, predictions):
    """Returns a picture of the first MAX_WRONG digits that are read wrongly, ten in a line.

    images: [n, 784] grey levels from 0 to 1; labels and predictions: class numbers [n].
    """
    chosen = np.flatnonzero(labels != predictions)[:MAX_WRONG]
    tiles = (255 * images[chosen].reshape(-1, DIGIT, DIGIT)).round().astype(np.uint8)
    return _tiled(tiles, 10, 2, 64)


def confusion(images, labels, predictions):
    """Returns a picture of the confusion matrix made of the digits: true class down, read across.

    Off the diagonal each cell holds the very digits of its true class that are read as the other,
    as large as lets them fit; of more than 64 the first 64. The digits on the left and above are
    the means of the classes, so that it needs no font.

    images: [n, 784] grey levels from 0 to 1; labels and predictions: class numbers [n].
    """
    digits = images.reshape(-1, DIGIT, DIGIT)
    head = 2 * DIGIT + 2 * GAP
    pitch = CELL_SIZE + GAP
    sheet = np.tile(np.array(PAPER, float), (2 * MARGIN + head + CLASSES * pitch,) * 2 + (1,))

    def draw(ink, centre, colour):
        """Blends a colour into the sheet around `centre`; ink: [rows, columns], 0 to 1."""
        top, left = centre[0] - ink.shape[0] // 2, centre[1] - ink.shape[1] // 2
        part = sheet[top : top + ink.shape[0], left : left + ink.shape[1]]
        part += ink[..., np.newaxis] * (np.array(colour) - part)

    first = MARGIN + head + GAP + CELL_SIZE // 2  # the middle of the first cell, both ways
    middles = range(first, first + CLASSES * pitch, pitch)
    for true, y in enumerate(middles):
        of_class = digits[labels == true]
        mean = of_class.mean(axis=0) if len(of_class) else np.zeros((DIGIT, DIGIT))
        draw(_scaled(mean, 2), (y, MARGIN + DIGIT), TRUE_INK)
        draw(_scaled(mean, 2), (MARGIN + DIGIT, y), READ_INK)
        for read, x in enumerate(middles):
            draw(np.ones((CELL_SIZE, CELL_SIZE)), (y, x), RIGHT if true == read else CELL)
            chosen = digits[(labels == true) & (predictions == read)]
            if len(chosen) and true != read:
                draw(_block(chosen), (y, x), INK)
    return sheet.round().astype(np.uint8)


def _block(digits):
    """Returns a square-like arrangement of digits [n, rows, columns] that fits into a cell."""
    columns = min(8, int(np.ceil(np.sqrt(len(digits)))))
    scale = 2 if columns <= 2 else 1 if columns <= 4 else 0.5
    return _tiled(_scaled(digits[:64], scale), columns)


def _scaled(tiles, scale):
    """Returns tiles [..., rows, columns] of `scale` times the size: a whole number, or 0.5."""
    if scale < 1:
        return tiles.reshape(-1, DIGIT // 2, 2, DIGIT // 2, 2).mean(axis=(2, 4))
    return tiles.repeat(scale, axis=-2).repeat(scale, axis=-1)


def _tiled(tiles, columns, gap=0, background=0):
    """Returns one picture of tiles [n, rows, columns], `columns` of them in a line."""
    n, height, width = tiles.shape
    lines = max(1, -(-n // columns))
    shape = lines * (height + gap) + gap, columns * (width + gap) + gap
    picture = np.full(shape, background, tiles.dtype)
    for i, tile in enumerate(tiles):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        picture[top : top + height, left : left + width] = tile
    return picture
