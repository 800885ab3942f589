"""Pictures: the kernels of a convolution, the digits read wrongly, the confusion between digits.

All are uint8 arrays, [rows, columns] of grey levels or [rows, columns, 3] of red, green, blue.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from . import files

DIGIT = 28  # pixels, both ways
MAX_WRONG = 100  # digits in the picture of those read wrongly

# colours of the confusion sheet
PAPER = (250, 248, 244)
CELL = (237, 233, 226)
RIGHT = (218, 212, 202)  # the diagonal
INK = (38, 38, 46)
TRUE_INK = (22, 94, 131)
READ_INK = (190, 74, 40)

CELL_SIZE = 4 * DIGIT  # pixels, both ways; 4 x 4 digits
GAP = 4  # pixels between two cells


def png(picture):
    """Returns the bytes of a PNG file of a picture."""
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(tf.image.encode_png(picture.reshape(*picture.shape[:2], -1)))


def kernels(w):
    """Returns a picture of kernels [rows, columns, channels, n], the first channel of each, eight
    in a line. Zero is grey, and the weight farthest from it white or black.
    """
    levels = 127.5 * (1 + w[:, :, 0] / max(np.abs(w).max(), 1e-9))
    tiles = np.transpose(levels, (2, 0, 1)).round().astype(np.uint8)
    return _tiled(_scaled(tiles, 8), 8, 4)


def wrong(images, labels, predictions):
    """Returns a picture of the first MAX_WRONG digits that are read wrongly, ten in a line.

    images: [n, 784] grey levels from 0 to 1; labels and predictions: class numbers [n].
    """
    chosen = images[labels != predictions][:MAX_WRONG].reshape(-1, DIGIT, DIGIT)
    return _tiled((255 * chosen).round().astype(np.uint8), 10, 2, 64)


def write_mistakes(path, data, logits):
    """Writes the confusion matrix, made of the digits, into a PNG file. Raises OSError.

    The true class goes down, what is read across. Off the diagonal each cell holds the very digits
    of its true class that are read as the other, as large as lets them fit; of more than 16 the
    first 16. On the left and above are the means of the classes, so that it needs no font.

    data: `images` [n, 784], grey levels from 0 to 1, and one-hot `labels` [n, classes]; logits:
    [n, classes].
    """
    labels, predictions = np.argmax(data.labels, axis=1), np.argmax(logits, axis=1)
    digits, classes = data.images.reshape(-1, DIGIT, DIGIT), logits.shape[1]
    side = (classes + 1) * (CELL_SIZE + GAP) + GAP
    sheet = np.tile(np.array(PAPER, np.uint8), (side, side, 1))

    def fill(row, column, paper, colour, tile):
        """Fills a cell with its paper and, in the middle, a tile of ink from 0 to 1."""
        ink = np.zeros((CELL_SIZE, CELL_SIZE, 1))
        (height, width), (top, left) = tile.shape, (CELL_SIZE - np.array(tile.shape)) // 2
        ink[top : top + height, left : left + width, 0] = tile
        y, x = GAP + np.array([row, column]) * (CELL_SIZE + GAP)
        levels = paper + ink * np.subtract(colour, paper)
        sheet[y : y + CELL_SIZE, x : x + CELL_SIZE] = levels.round()

    for true in range(classes):
        of_class, read_as = digits[labels == true], predictions[labels == true]
        if len(of_class):
            mean = _scaled(of_class.mean(axis=0), 2)
            fill(true + 1, 0, PAPER, TRUE_INK, mean)
            fill(0, true + 1, PAPER, READ_INK, mean)
        for read in range(classes):
            chosen = of_class[read_as == read] if read != true else of_class[:0]
            fill(true + 1, read + 1, RIGHT if read == true else CELL, INK, _block(chosen))
    files.write(path, png(sheet))


def _block(digits):
    """Returns a square-like arrangement of digits [n, rows, columns] that fits into a cell."""
    columns = min(4, max(1, int(np.ceil(np.sqrt(len(digits))))))
    return _tiled(_scaled(digits[:16], 2 if columns <= 2 else 1), columns)


def _scaled(tiles, scale):
    """Returns tiles [..., rows, columns] of `scale` times the size, a whole number."""
    return tiles.repeat(scale, axis=-2).repeat(scale, axis=-1)


def _tiled(tiles, columns, gap=0, background=0):
    """Returns one picture of tiles [n, rows, columns], `columns` of them in a line."""
    frame = {'mode': 'constant', 'constant_values': background}
    lines = max(1, -(-len(tiles) // columns))
    tiles = np.pad(tiles, [(0, lines * columns - len(tiles)), (gap, 0), (gap, 0)], **frame)
    _, height, width = tiles.shape
    picture = tiles.reshape(lines, columns, height, width).swapaxes(1, 2)
    return np.pad(picture.reshape(lines * height, columns * width), (0, gap), **frame)
