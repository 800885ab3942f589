"""Pictures: the kernels of a convolution, the digits read wrongly, the confusion between digits.

All are uint8 arrays: [rows, columns, 1] of grey levels or [rows, columns, 3] of red, green, blue.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from . import files

MAX_WRONG = 100  # digits in the picture of those read wrongly

# the palette, also of the app's page (style.css) and of the docs
PAPER = (250, 248, 244)
CELL = (237, 233, 226)
RIGHT = (218, 212, 202)  # the diagonal
INK = (38, 38, 46)
BLUE = (22, 94, 131)  # true
ORANGE = (190, 74, 40)  # read

COLUMNS = 4  # of digits in a cell; as many lines
GAP = 4  # pixels between two cells


def png(picture):
    """Returns the bytes of a PNG file of a picture; a grey one may be [rows, columns], too."""
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(tf.image.encode_png(picture.reshape(*picture.shape[:2], -1)))


def kernels(w):
    """Returns a picture of kernels [rows, columns, channels, n], the first channel of each, eight
    in a line. Zero is grey, and the weight farthest from it white or black.
    """
    levels = 127.5 * (1 + w[:, :, :1] / max(np.abs(w).max(), 1e-9))
    return _tiled(np.transpose(levels, (3, 0, 1, 2)).repeat(8, axis=1).repeat(8, axis=2), 8, 4)


def wrong(images, labels, predictions):
    """Returns a picture of the first MAX_WRONG digits that are read wrongly, ten in a line.

    images: from 0 to 1, [n, pixels] or [n, rows, columns, channels], grey or colour squares;
    labels and predictions: class numbers [n].
    """
    return _tiled(255 * _squares(images)[labels != predictions][:MAX_WRONG], 10, 2, 64)


def write_mistakes(path, data, logits):
    """Writes the confusion matrix, made of the digits, into a PNG file. Raises OSError.

    The true class goes down, what is read across. Off the diagonal each cell holds the very digits
    of its true class that are read as the other, as large as lets them fit; of more than 16 the
    first 16. On the left and above are the means of the classes, so that it needs no font.

    data: `images`, as wrong takes them, and one-hot `labels` [n, classes]; logits: [n, classes].
    """
    labels, predictions = np.argmax(data.labels, axis=1), np.argmax(logits, axis=1)
    digits, classes = _squares(data.images), range(logits.shape[1])
    groups = [digits[labels == true] for true in classes]
    means = [group.mean(axis=0, keepdims=True) if len(group) else group for group in groups]
    cells = [_cell(mean, PAPER, ORANGE) for mean in [digits[:0], *means]]
    for true in classes:
        cells.append(_cell(means[true], PAPER, BLUE))
        for read in classes:
            chosen = digits[(labels == true) & (predictions == read) & (true != read)]
            cells.append(_cell(chosen, RIGHT if true == read else CELL, INK))
    files.write(path, png(_tiled(np.array(cells), 1 + len(means), GAP, PAPER)))


def _cell(digits, paper, ink):
    """Returns a cell of `paper` with the first 16 digits in its middle, grey digits in `ink`."""
    columns = min(COLUMNS, max(1, int(np.ceil(np.sqrt(len(digits))))))
    scale, size = 2 if columns <= 2 else 1, COLUMNS * digits.shape[1]
    digits = digits[: COLUMNS**2].repeat(scale, axis=1).repeat(scale, axis=2)
    if digits.shape[-1] == 1:
        digits = (paper + digits * np.subtract(ink, paper)) / 255
    block = _tiled(255 * digits, columns, background=paper)
    (height, width), (top, left) = block.shape[:2], np.subtract(size, block.shape[:2]) // 2
    cell = np.full((size, size, 3), paper, np.uint8)
    cell[top : top + height, left : left + width] = block
    return cell


def _squares(images):
    """Returns images as squares [n, side, side, 1 or 3]; cuts those that fill no square."""
    pixels = np.reshape(images, (len(images), -1))
    channels = 1 if np.sqrt(pixels.shape[1] / 3) % 1 else 3
    side = int(np.sqrt(pixels.shape[1] / channels))
    return pixels[:, : channels * side**2].reshape(-1, side, side, channels)


def _tiled(tiles, columns, gap=0, background=0):
    """Returns one picture of tiles [n, rows, columns, channels], `columns` of them in a line."""
    (height, width), lines = np.add(tiles.shape[1:3], gap), max(1, -(-len(tiles) // columns))
    shape = lines * height + gap, columns * width + gap, tiles.shape[3]
    picture = np.full(shape, background, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = gap + i // columns * height, gap + i % columns * width
        picture[y : y + len(tile), x : x + tile.shape[1]] = tile.round().clip(0, 255)
    return picture
