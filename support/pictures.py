"""Pictures of a convolution's kernels, of the misread digits, and of the confusion matrix.

Every picture is a uint8 array: [rows, columns, 1] in grey or [rows, columns, 3] in colour.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from . import files

MAX_WRONG = 100  # digits in the picture of misread digits

# the palette, also of the app's page (style.css) and of the docs
PAPER, CELL, DIAGONAL = (250, 248, 244), (237, 233, 226), (218, 212, 202)
INK, BLUE, ORANGE = (38, 38, 46), (22, 94, 131), (190, 74, 40)  # digits; true and predicted classes

COLUMNS = 4  # a cell has room for 4 x 4 digits
GAP = 4  # pixels between two cells


def png(picture):
    """Returns the bytes of a PNG file. A grey picture may also be [rows, columns]."""
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(tf.image.encode_png(picture.reshape(*picture.shape[:2], -1)))


def kernels(w):
    """Returns a picture of kernels [rows, columns, channels, n], the first channel of each, eight
    in a line. Zero is grey. The largest weight, positive or negative, is white or black.
    """
    levels = 127.5 * (1 + w[:, :, :1] / max(np.abs(w).max(), 1e-9))
    return _tiled(np.transpose(levels, (3, 0, 1, 2)).repeat(8, axis=1).repeat(8, axis=2), 8, 4)


def wrong(images, labels, predictions):
    """Returns a picture of the first MAX_WRONG misread digits, ten in a line.

    images: square images from 0 to 1, grey or colour: [n, pixels] or [n, rows, columns, channels].
    labels, predictions: class numbers [n].
    """
    return _tiled(255 * _squares(images)[labels != predictions][:MAX_WRONG], 10, 2, 64)


def write_mistakes(path, data, logits):
    """Writes a confusion matrix to a PNG file. Its cells show the digits. Raises OSError.

    A row is a true class, a column a predicted class. A cell off the diagonal shows the first 16
    digits that the network mistook in this way. Each row and each column begins with the mean
    digit of its class.

    data: has `images` as in `wrong`, and `labels`, [n] or one-hot; logits: [n, classes].
    """
    labels, predictions = np.asarray(data.labels), np.argmax(logits, axis=1)
    labels = labels.argmax(axis=1) if labels.ndim > 1 else labels
    digits, classes = _squares(data.images), range(logits.shape[1])
    groups = [digits[labels == true] for true in classes]
    means = [group.mean(axis=0, keepdims=True) if len(group) else group for group in groups]
    cells = [_cell(mean, PAPER, ORANGE) for mean in [digits[:0], *means]]  # the corner is empty
    for true in classes:
        cells.append(_cell(means[true], PAPER, BLUE))
        for predicted in classes:
            chosen = digits[(labels == true) & (predictions == predicted) & (true != predicted)]
            cells.append(_cell(chosen, DIAGONAL if true == predicted else CELL, INK))
    files.write(path, png(_tiled(np.array(cells), 1 + len(means), GAP, PAPER)))


def _cell(digits, paper, ink):
    """Returns a cell of colour `paper` with the first 16 digits. Grey digits get colour `ink`."""
    columns = min(COLUMNS, max(1, int(np.ceil(np.sqrt(len(digits))))))
    scale, size = 2 if columns <= 2 else 1, COLUMNS * digits.shape[1]
    digits = digits[: COLUMNS**2].repeat(scale, axis=1).repeat(scale, axis=2)
    levels = paper + digits * np.subtract(ink, paper) if digits.shape[3] == 1 else 255 * digits
    block = _tiled(levels, columns, background=paper)
    (height, width), (top, left) = block.shape[:2], np.subtract(size, block.shape[:2]) // 2
    cell = np.full((size, size, 3), paper, np.uint8)
    cell[top : top + height, left : left + width] = block
    return cell


def _squares(images):
    """Returns images as squares [n, side, side, 1 or 3]. Drops pixels that exceed the square."""
    pixels = np.reshape(images, (len(images), -1))
    channels = 1 if np.sqrt(pixels.shape[1] / 3) % 1 else 3  # three squares: colour
    side = int(np.sqrt(pixels.shape[1] / channels))
    return pixels[:, : channels * side**2].reshape(-1, side, side, channels)


def _tiled(tiles, columns, gap=0, background=0):
    """Returns one picture of tiles [n, rows, columns, channels], `columns` tiles in a line."""
    (height, width), lines = np.add(tiles.shape[1:3], gap), max(1, -(-len(tiles) // columns))
    shape = lines * height + gap, columns * width + gap, tiles.shape[3]
    picture = np.full(shape, background, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = gap + i // columns * height, gap + i % columns * width
        picture[y : y + len(tile), x : x + tile.shape[1]] = tile.round().clip(0, 255)
    return picture
