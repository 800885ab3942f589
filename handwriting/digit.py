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
LINE = 2.2  # pixels: the thickness of its lines
FINE = 120  # pixels of the larger side of the figure that is made black and white
SMALL = 200  # pixels of the larger side of a sheet: a smaller one is enlarged

WINDOW = 1 / 6  # of the larger side: a square in which the paper shows
LIGHT = 1 / 2  # of the larger side: a square in which the light is nearly even
FAINTEST = 0.08  # ink of what is written
BLACK = 0.4  # of the ink of a line

# of marks that are apart, in parts of the ink and of the larger side of the figure so far
DIRT = 0.03  # what has less ink
GAP = 0.04  # in a broken line
BESIDE, ABOVE = 0.35, 0.5  # the gaps before a stroke apart
OTHER = 0.2  # larger side of another figure
WIDEST = 1.5  # a figure of several marks, to its height
PATTERN = 0.1  # of all the ink: if no mark has more, it is the paper's


def digit(picture):
    """Returns the digit [28, 28], float32, of a picture.

    Raises PictureError if nothing is written on it, or several figures are.
    """
    grey = one_channel(picture)
    if max(grey.shape) < SMALL:
        grey = resized(grey, SMALL / max(grey.shape))
    ink = without_rules(ink_of(grey))
    return in_form(ink, figure_in(ink))


def one_channel(picture):
    """Returns the grey levels of a picture from 0 to 1.

    Of a picture in colour they lie along the first principal component of its details, so that
    blue on red shows as well.
    """
    if picture.ndim == 2:
        return picture / np.float32(255)
    step = -(-max(picture.shape) // 100)
    small = picture[::step, ::step].astype(np.float32)
    detail = (small - ndimage.uniform_filter(small, (25, 25, 1))).reshape(-1, 3)
    direction = np.linalg.eigh(detail.T.dot(detail))[1][:, -1]
    direction *= np.sign(direction.sum()) / np.abs(direction).sum()
    return np.dot(picture / np.float32(255), direction) - direction[direction < 0].sum()


def ink_of(grey):
    """Returns the ink of grey levels, in parts of the light that the paper sends back.

    The paper at a pixel is the grey closing of the levels: it follows uneven light.
    """
    grey = ndimage.uniform_filter(grey, 3)
    if not is_dark(grey):
        grey = 1 - grey
    window = int(WINDOW * max(grey.shape))
    paper = ndimage.grey_closing(grey, (window, window))
    ink = 1 - grey / np.maximum(paper, 0.05)
    return np.maximum(ink - np.median(ink), 0)  # less the grain of the paper


def is_dark(grey):
    """Returns whether the ink is darker than the paper: there is less of it, and at the edge."""
    detail = grey - ndimage.uniform_filter(grey, int(LIGHT * max(grey.shape)))
    if np.ptp(detail) == 0:
        return True
    bright = detail > threshold_otsu(detail)
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return bright.mean() + edge.mean() > 1


def without_rules(ink):
    """Returns the ink without the lines of ruled and squared paper.

    Such a line is thin and runs from edge to edge, aslant perhaps. The ink that most of its
    length has is taken off all of it, so that what crosses it stays.
    """
    for _ in range(2):  # across, then down
        ink = without_lines_down(ink.T)
    return ink


def without_lines_down(ink):
    rows, columns = ink.shape
    weakest = max(strongest(ink), FAINTEST) / 4
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


def strongest(ink):
    """Returns the ink of what is written: the mean of the 40 pixels that have most."""
    return np.sort(ink, axis=None)[-40:].mean()


def figure_in(ink):
    """Returns the figure that the ink of a sheet has. Raises PictureError if none or several."""
    for _ in range(3):  # what lies in at the edge may be much darker than the pen
        most = strongest(ink)
        if most < FAINTEST:
            break
        labels = label(ink > BLACK * most)
        edges = [side[:3].max(0) for side in (labels, labels[::-1], labels.T, labels.T[::-1])]
        on_edge = np.max([np.bincount(edge, minlength=labels.max() + 1) for edge in edges], axis=0)
        marks = regionprops(labels)
        cut = [mark.label for mark in marks if lies_in(mark, on_edge[mark.label], ink.shape)]
        if not cut:
            return joined(labels, marks, on_edge, ink)
        ink = np.where(np.isin(labels, cut), 0, ink)
    raise PictureError('nothing', 'nothing is written on it, as far as can be seen')


def lies_in(mark, on_edge, shape):
    """Returns whether a mark is no figure: it lies along the edge, or is a line across the sheet.

    on_edge: how many of its pixels are on the same edge.
    """
    larger, smaller = max(sides(mark.bbox)), min(sides(mark.bbox))
    is_across = (sides(mark.bbox) > 0.95 * np.array(shape)).any()
    return on_edge > 0.5 * larger or (is_across and smaller < 0.2 * larger)


def sides(box):
    """Returns the height and the width of a box: top, left, bottom, right."""
    return np.array(box[2:]) - box[:2]


def joined(labels, marks, on_edge, ink):
    """Returns the figure: the mark with most ink, and the strokes that are apart from it.

    A stroke apart, as the bar of a 5, is near and not as tall: beside the figure, less than half of
    it; above or below, not of about its height. Raises PictureError if there is another figure.
    """
    masses = ndimage.sum(ink, labels, [mark.label for mark in marks])
    rest = [mark for mark, mass in zip(marks, masses) if mass > DIRT * masses.max()]
    if masses.max() < PATTERN * masses.sum():
        raise PictureError('nothing', 'has a pattern on it, and no figure')
    main = marks[masses.argmax()]
    rest.remove(main)
    figure, box = [main.label], np.array(main.bbox)
    several = PictureError('several', 'has several figures on it; cut out one of them')
    while rest:

        def gaps(mark, box=box):
            """The rows and the columns between a mark and the figure, negative if common."""
            other = np.array(mark.bbox)
            return np.maximum(other[:2] - box[2:], box[:2] - other[2:])

        nearest = min(rest, key=lambda mark: gaps(mark).max())
        rest.remove(nearest)
        size, gap = max(sides(box)), gaps(nearest).max()
        (height, width), (tall, wide) = sides(nearest.bbox), sides(box)
        beside = gaps(nearest)[1] > -0.3 * min(width, wide)
        as_tall = height >= 0.4 * tall if beside else 0.85 < height / tall < 1.4
        if gap < GAP * size or (gap <= (BESIDE if beside else ABOVE) * size and not as_tall):
            figure.append(nearest.label)
            other = np.array(nearest.bbox)
            box = np.append(np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:]))
        elif max(height, width) >= OTHER * size and not on_edge[nearest.label]:
            raise several
    tall, wide = sides(box)
    if len(figure) > 1 and wide > WIDEST * tall:
        raise several
    return np.isin(labels, figure)


def in_form(ink, figure):
    """Returns the digit [28, 28], float32, of a figure in the ink of a sheet.

    Its lines are drawn anew around their skeleton, all of one thickness, as MNIST's nearly are.
    """
    near = ndimage.binary_dilation(figure, iterations=3)
    size = max(cropped(figure).shape)
    ink = resized(cropped(ink * near, near), FINE / size)
    black = ink > BLACK * ink[ink >= threshold_otsu(ink)].mean()
    away = ndimage.distance_transform_edt(~np.pad(skeletonize(black), 12, 'constant'))
    lines = cropped(away <= LINE / 2 * FINE / BOX)
    small = resized(lines.astype(np.float32), BOX / max(lines.shape))
    middle = np.round(DIGIT / 2 - np.array(ndimage.center_of_mass(small))).astype(int)
    top, left = np.clip(middle, 0, DIGIT - np.array(small.shape))
    digit = np.zeros((DIGIT, DIGIT), np.float32)
    digit[top : top + small.shape[0], left : left + small.shape[1]] = small
    return digit


def cropped(picture, figure=None):
    """Returns the part of a picture that has all of a figure, by default its own."""
    return picture[ndimage.find_objects((picture if figure is None else figure).astype(int))[0]]


def resized(picture, scale):
    """Returns a picture of `scale` times the size, without aliasing."""
    shape = [max(1, int(round(n * scale))) for n in picture.shape]
    return resize(picture, shape, order=1, anti_aliasing=scale < 1).astype(np.float32)
