"""A picture of one digit, on any kind of sheet, is brought into the form of MNIST's.

    picture  [rows, columns, 3]  uint8, upright: red, green, blue; or [rows, columns], grey
    grey     [rows, columns]     one channel, 0 to 1, in which the ink shows best
    ink      [rows, columns]     how much darker (or lighter) than the paper around it, 0 to 1
    figure   [rows, columns]     bool: the pixels of the digit
    digit    [28, 28]            what the network reads: 0 is paper, 1 is ink

The form is the one that MNIST's makers describe (yann.lecun.com/exdb/mnist): the black and white
originals "were size normalized to fit in a 20x20 pixel box while preserving their aspect ratio. The
resulting images contain grey levels as a result of the anti-aliasing technique used by the
normalization algorithm. The images were centered in a 28x28 image by computing the center of mass
of the pixels". How a file is decoded, `photo` knows.
"""

import itertools

import numpy as np
from scipy import ndimage
from scipy.signal import find_peaks
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import skeletonize
from skimage.transform import resize

from .photo import PictureError

DIGIT = 28  # pixels, both ways
BOX = 20  # pixels of a digit's larger side
SMALL = 200  # pixels of the larger side: a smaller sheet is enlarged
FINE = 120  # and of the figure, when it is made black and white
LINE = 2.5  # thickness of a line, in pixels of the digit

FAINTEST = 0.06  # ink of what is written
PART = 0.06  # of the figure's size: what is smaller is dirt


def digit(picture):
    """Returns the digit [28, 28], float32, of a picture.

    Raises PictureError if nothing is written on it, or several figures are.
    """
    grey = one_channel(picture)
    if max(grey.shape) < SMALL:
        grey = fitted(grey, SMALL)
    ink = ink_of(grey)
    ink = without_rules(ink)
    figure = figure_in(ink)
    return in_form(figure, ink)


def fitted(grey, size):
    """Returns a picture whose larger side is `size` pixels."""
    scale = size / max(grey.shape)
    shape = [max(1, int(round(n * scale))) for n in grey.shape]
    return resize(grey, shape, order=1, anti_aliasing=scale < 1)


def one_channel(picture):
    """Returns the picture along the first principal component of its colours, from 0 to 1."""
    if picture.ndim == 2:
        return picture / np.float32(255)
    step = -(-max(picture.shape) // 100)
    small = picture[::step, ::step].astype(np.float32)
    detail = (small - ndimage.uniform_filter(small, (25, 25, 1))).reshape(-1, 3)
    direction = np.linalg.eigh(detail.T.dot(detail))[1][:, -1]
    direction *= np.sign(direction.sum()) / np.abs(direction).sum()
    return np.dot(picture / np.float32(255), direction) - direction[direction < 0].sum()


def ink_of(grey):
    window = max(grey.shape) // 3
    grey = ndimage.uniform_filter(grey, 3)
    if not is_dark(grey):
        grey = 1 - grey
    paper = ndimage.grey_closing(grey, (window, window))
    ink = 1 - grey / np.maximum(paper, 0.05)
    return np.maximum(ink - np.median(ink), 0)


def is_dark(grey):
    bright = grey > threshold_otsu(grey) if np.ptp(grey) else grey > -1
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return bright.mean() + edge.mean() > 1


def without_rules(ink):
    """Returns the ink without the lines of ruled and squared paper.

    Such a line is thin and runs from edge to edge, aslant perhaps. The ink that most of its
    length has is taken off all of it, so that what crosses it stays.
    """
    for _ in range(2):  # across, and down
        ink = _without_lines_down(ink.T)
    return ink


def _without_lines_down(ink):
    rows, columns = ink.shape
    weakest = max(np.sort(ink, axis=None)[-40:].mean() / 4, FAINTEST / 4)
    band = max(2, rows // 40)
    ends = [find_peaks(part.mean(axis=0), weakest)[0] for part in (ink[:band], ink[-band:])]
    thick = max(3, columns // 60)
    every, ink = np.arange(rows), ink.copy()
    for top, bottom in itertools.product(*ends):
        if abs(top - bottom) < rows / 12:
            line = np.linspace(top, bottom, rows).round().astype(int)
            beside = np.clip(line + np.arange(-thick, thick + 1)[:, np.newaxis], 0, columns - 1)
            levels = np.percentile(ink[every, beside], 30, axis=1)
            if levels[thick] >= weakest and max(levels[0], levels[-1]) < levels.max() / 3:
                for place, level in zip(beside, levels):
                    ink[every, place] = np.maximum(ink[every, place] - 1.3 * level, 0)
    return ink


def figure_in(ink):
    """Returns the figure [rows, columns], bool, that the ink of a sheet has.

    Raises PictureError if there is none, or several.
    """
    ink = ink.copy()
    for _ in range(3):  # what lies in at the edge may be much darker than the pen
        most = np.sort(ink, axis=None)[-40:].mean()
        if most < FAINTEST:
            break
        labels = label(ink > 0.4 * most)
        marks = {mark.label: mark for mark in regionprops(labels)}
        edge = np.concatenate([labels[:3].max(0), labels[-3:].max(0), labels[:, :3].max(1), labels[:, -3:].max(1)])
        along_edge = np.bincount(edge, minlength=labels.max() + 1)
        cut = [n for n, mark in marks.items() if lies_in(mark, along_edge[n], ink.shape)]
        if not cut:
            return joined(labels, ink, marks)
        ink[np.isin(labels, cut)] = 0
    raise PictureError('nothing', 'nothing is written on it, as far as can be seen')


def lies_in(mark, along_edge, shape):
    """Whether a mark lies along the edge of the sheet; not so a figure that fills it."""
    size = sizes(mark)
    fills = (size > 0.9 * np.array(shape)).all() and along_edge < 0.6 * sum(shape)
    return along_edge > 0.5 * max(size) and not fills


def sizes(mark):
    top, left, bottom, right = mark.bbox
    return np.array([bottom - top, right - left])


def joined(labels, ink, marks):
    """Returns the figure: the mark with most ink, and the strokes that are apart from it."""
    mass = ndimage.sum(ink, labels, list(marks))
    main = list(marks)[mass.argmax()]
    figure, box = [main], np.array(marks[main].bbox)
    rest = [n for n, m in zip(marks, mass) if n != main and m > 0.05 * mass.max()]
    while rest:
        size = max(box[2:] - box[:2])

        def gap(n):
            other = np.array(marks[n].bbox)
            return np.maximum(other[:2] - box[2:], box[:2] - other[2:])

        nearest = min(rest, key=lambda n: max(gap(n)))
        rest.remove(nearest)
        height, width = sizes(marks[nearest])
        rows, columns = gap(nearest)
        beside = columns > -0.3 * min(width, box[3] - box[1])
        above = rows > -0.3 * min(height, box[2] - box[0])
        apart = height >= (0.4 if beside else 0.8) * (box[2] - box[0]) and (beside or above)
        if max(rows, columns) <= 0.35 * size and not apart or max(rows, columns) < 0.06 * size:
            figure.append(nearest)
            other = np.array(marks[nearest].bbox)
            box = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
        elif max(height, width) >= 0.3 * size:
            raise PictureError('several', 'has several figures on it; cut out one of them')
    return np.isin(labels, figure)


def in_form(figure, ink):
    """Returns the digit [28, 28], float32, of a figure in the ink of a sheet."""
    near = ndimage.binary_dilation(figure, iterations=3)
    ink = ink[cropped(near)] * near[cropped(near)]
    scale = FINE / max(length(part) for part in cropped(figure))
    shape = [max(1, int(round(n * scale))) for n in ink.shape]
    ink = resize(ink, shape, order=1, anti_aliasing=scale < 1)
    black = ink > 0.4 * ink[ink >= threshold_otsu(ink)].mean()
    lines = ndimage.distance_transform_edt(~np.pad(skeletonize(black), 12))
    black = lines <= LINE / 2 * FINE / BOX
    black = black[cropped(black)]
    scale = BOX / max(black.shape)
    shape = [max(1, int(round(n * scale))) for n in black.shape]
    small = resize(black.astype(float), shape, order=1, anti_aliasing=True)
    middle = ndimage.center_of_mass(small)
    top, left = (
        int(np.clip(round(DIGIT / 2 - at), 0, DIGIT - n)) for at, n in zip(middle, small.shape)
    )
    digit = np.zeros((DIGIT, DIGIT), np.float32)
    digit[top : top + shape[0], left : left + shape[1]] = small
    return digit


def cropped(figure):
    """Returns the rows and columns, slices, that have all of a figure."""
    return ndimage.find_objects(figure.astype(int))[0]


def length(part):
    return part.stop - part.start
