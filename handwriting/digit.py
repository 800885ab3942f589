"""A picture of one digit, on any kind of sheet, is brought into the form of MNIST's digits.

    picture  [rows, columns, 3]  uint8, upright: red, green, blue. Or [rows, columns], grey
    grey     [rows, columns]     one channel, 0 to 1, in which the ink shows best
    ink      [rows, columns]     how much darker (or lighter) than the paper around it, 0 to 1
    figure   [rows, columns]     bool: the pixels of the digit, one mark or several
    form     [28, 28]            what the network reads: 0 is paper, 1 is ink

The makers of MNIST describe the form (yann.lecun.com/exdb/mnist): the black and white originals
"were size normalized to fit in a 20x20 pixel box while preserving their aspect ratio. The
resulting images contain grey levels as a result of the anti-aliasing technique used by the
normalization algorithm. The images were centered in a 28x28 image by computing the center of mass
of the pixels". `photo` decodes the files.
"""

import itertools

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.signal import find_peaks
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import skeletonize
from skimage.transform import resize

from .photo import PictureError

FORM = 28  # pixels, both ways
BOX = 20  # pixels of the larger side of a digit in the form
THICKNESS = 2.5  # pixels of the form: the thickness of lines
FINE = 120  # pixels of the larger side of the figure while its lines are made thicker or thinner
SMALL = 200  # pixels of the larger side of a sheet: a smaller one is enlarged
WINDOW = 1 / 4  # of the sheet's larger side: a square this wide always contains some paper
LIGHT = 1 / 3  # of the sheet's larger side: a square this wide has even light
NEAR = 1 / 100  # of the sheet's larger side: ink closer than twice this belongs to one mark

FAINTEST = 0.08  # ink of the palest pen
BLACK = 0.4  # of the ink of a line: a pixel with more is black

# BESIDE to OTHER: fractions of the height or the larger side of the figure
BESIDE, ABOVE = 0.35, 0.5  # the widest gap between the figure and a stroke of it
STROKE = 0.4  # the tallest stroke beside the figure
OTHER = 0.2  # the larger side of the smallest other figure
CLOSE = 0.75  # of the width of the pen: a mark closer to the figure is a stroke of it
DIRT = 0.03  # of the largest mark's ink: a mark with less is dirt
INNER = 0.2  # of the largest mark's ink: if a mark that touches no edge has more, it is the figure
PATTERN = 0.2  # of all ink: if the largest mark has less, the sheet has a pattern


def digit(picture):
    """Returns a picture's form, float32 [28, 28]. Raises PictureError unless it has one figure."""
    if picture.dtype != np.uint8 or not (picture.ndim == 2 or picture.shape[2:] == (3,)):
        raise TypeError('digit() wants uint8 [rows, columns] or [rows, columns, 3]')
    grey = _one_channel(picture)
    if max(grey.shape) < SMALL:
        grey = _resized(grey, SMALL / max(grey.shape))
    ink = _without_rules(_ink_of(grey))
    return _in_form(ink, _figure_in(ink))


def _one_channel(picture):
    """Returns the grey levels, 0 to 1, of a picture.

    Projects colours onto the first principal component of their details, the differences from
    the surroundings. So blue on red is visible.
    """
    if picture.ndim == 2:
        return picture / np.float32(255)
    small = np.asarray(Image.fromarray(picture).reduce(-(-max(picture.shape) // 100)), np.float32)
    detail = (small - ndimage.uniform_filter(small, (25, 25, 1))).reshape(-1, 3)
    direction = np.linalg.eigh(detail.T.dot(detail))[1][:, -1]
    direction *= (np.sign(direction.sum()) or 1) / np.abs(direction).sum()
    return np.dot(picture / np.float32(255), direction) - direction[direction < 0].sum()


def _ink_of(grey):
    """Returns the ink of grey levels. The grey closing is the paper, also in uneven light."""
    grey = ndimage.uniform_filter(grey, 3)
    if not _is_dark(grey):
        grey = 1 - grey
    paper = ndimage.grey_closing(grey, 2 * [int(WINDOW * max(grey.shape))])
    ink = 1 - grey / np.maximum(paper, 0.05)
    return np.maximum(ink - np.median(ink), 0)  # minus the grain of the paper


def _is_dark(grey):
    """Returns whether the ink is dark: the dark part covers less of the sheet and its edges."""
    detail = grey - ndimage.uniform_filter(grey, int(LIGHT * max(grey.shape)))
    bright = detail > threshold_otsu(detail)
    ring = np.ones(grey.shape, bool)
    ring[8:-8, 8:-8] = False  # wider than the line of a window's frame
    return bright.mean() + bright[ring].mean() > 1


def _without_rules(ink):
    """Returns the ink without the lines of ruled and squared paper, and of a screenshot's frame.

    Such a line is thin and runs from edge to edge, perhaps aslant or along an edge. A line with
    paper at both ends stays: it may be a 1. Subtracts a line's typical ink, so that strokes across
    it stay.
    """
    return _without_lines_down(_without_lines_down(ink.T).T)


def _without_lines_down(ink):
    thick = max(3, ink.shape[1] // 60)
    ink = np.pad(ink, ((0, 0), (thick, thick)), 'constant')  # a line may be the edge itself
    rows, columns = ink.shape
    weakest = max(_strongest(ink), FAINTEST) / 4
    every, band = np.arange(rows), max(2, rows // 40)
    profiles = ink[:band].mean(axis=0), ink[-band:].mean(axis=0)
    # without `distance`, a fine grid would give thousands of pairs, all of them rejected
    ends = [find_peaks(profile, weakest, distance=thick)[0] for profile in profiles]
    for top, bottom in itertools.product(*ends):
        if abs(top - bottom) < rows / 12:
            line = np.linspace(top, bottom, rows).round().astype(int)
            beside = np.clip(line + np.arange(-thick, thick + 1)[:, np.newaxis], 0, columns - 1)
            levels = np.percentile(ink[every, beside], 30, axis=1)
            at_ends = ink[[0, -1], beside[thick - 1 : thick + 2, [0, -1]]].max()
            is_line = levels[thick] >= weakest and at_ends >= levels.max() / 2
            if is_line and max(levels[0], levels[-1]) < levels.max() / 3:
                for place, level in zip(beside, levels):
                    ink[every, place] = np.maximum(ink[every, place] - 1.3 * level, 0)
    return ink[:, thick:-thick]


def _strongest(ink):
    """Returns the mean ink of the 40 pixels with most ink."""
    return np.sort(ink, axis=None)[-40:].mean()


def _figure_in(ink):
    """Returns the figure in the ink of a sheet. Raises PictureError unless there is one figure."""
    for _ in range(3):  # what is beside the sheet may be much darker than the pen
        most = _strongest(ink)
        if most < FAINTEST:
            break
        black = ink > BLACK * most
        near = label(ndimage.maximum_filter(black, 2 * int(NEAR * max(ink.shape)) + 1))
        edges = near[0], near[-1], near[:, 0], near[:, -1]
        at_edge = np.max([np.bincount(edge, minlength=near.max() + 1) for edge in edges], axis=0)
        labels = near * black
        marks = regionprops(labels)
        cut = [mark.label for mark in marks if _is_beside(mark, at_edge[mark.label], ink.shape)]
        if not cut:
            return _joined(labels, marks, at_edge, ink)
        ink = np.where(np.isin(labels, cut), 0, ink)
    raise PictureError('nothing', 'nothing is written on it, as far as can be seen')


def _is_beside(mark, edge_pixels, shape):
    """Returns whether a mark is beside the sheet: along an edge, across the sheet, or around it.

    edge_pixels: how many of its pixels are on the same edge.
    """
    height, width = _sides(mark.bbox)
    spans = _sides(mark.bbox) / np.array(shape)
    is_line = spans.max() > 1 - 2 * NEAR and min(height, width) < 0.2 * max(height, width)
    down, right = height // 10, width // 10
    inner = mark.image[down : height - down, right : width - right]
    is_frame = spans.min() > 0.9 and not inner.any()
    return edge_pixels > 0.65 * max(height, width) or is_line or is_frame


def _sides(box):
    """Returns the height and the width of a box: top, left, bottom, right."""
    return np.array(box[2:]) - box[:2]


def _joined(labels, marks, at_edge, ink):
    """Returns the figure: the mark with most ink, and the strokes that belong to it.

    If a mark inside has enough ink, marks at the edge count as objects beside the sheet. A stroke,
    such as the bar of a 5, is near the figure. Beside the figure it is shorter than STROKE times
    the figure's height, above or below it clearly shorter or taller than the figure. A mark that
    almost touches the figure (CLOSE) is a stroke of any height. Raises PictureError for another
    large mark, and for a pattern without a figure.
    """
    masses = ndimage.sum(ink, labels, [mark.label for mark in marks])
    inner = masses * [not at_edge[mark.label] for mark in marks]
    if inner.max() > INNER * masses.max():
        masses = inner
    if masses.max() < PATTERN * masses.sum():
        raise PictureError('nothing', 'has a pattern on it, and no figure')
    rest = [mark for mark, mass in zip(marks, masses) if mass > DIRT * masses.max()]
    main = marks[masses.argmax()]
    rest.remove(main)
    figure, box = [main.label], np.array(main.bbox)
    while rest:  # gaps in rows and in columns, negative where the boxes overlap
        boxes = np.array([mark.bbox for mark in rest])
        gaps = np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:])
        nearest = gaps.max(axis=1).argmin()
        mark, other, (down, across) = rest.pop(nearest), boxes[nearest], gaps[nearest]
        (height, width), (tall, wide) = _sides(other), _sides(box)
        is_apart = across > -0.3 * min(width, wide)  # beside the figure, not above or below it
        as_tall = height >= STROKE * tall if is_apart else 0.85 < height / tall < 1.4
        reach = (BESIDE if is_apart else ABOVE) * max(tall, wide)
        is_stroke = max(down, across) <= reach and not as_tall
        is_large = max(height, width) >= OTHER * max(tall, wide)
        if is_stroke or is_large and _gap(np.isin(labels, figure), labels == mark.label) < CLOSE:
            figure.append(mark.label)
            box = np.append(np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:]))
        elif is_large:
            raise PictureError('several', 'has several figures on it; cut out one of them')
    return np.isin(labels, figure)


def _gap(figure, mark):
    """Returns the distance of a mark from the figure, in widths of the figure's pen."""
    half = np.median(ndimage.distance_transform_edt(figure)[skeletonize(figure)])
    return ndimage.distance_transform_edt(~figure)[mark].min() / (2 * half)


def _in_form(ink, figure):
    """Returns the form [28, 28], float32, of a figure in the ink of a sheet."""
    near = ndimage.binary_dilation(figure, iterations=3)
    ink = _resized(_cropped(ink * near, near), FINE / max(_cropped(figure).shape))
    black = _of_one_thickness(ink > BLACK * ink[ink >= threshold_otsu(ink)].mean())
    small = _resized(black.astype(np.float32), BOX / max(black.shape))
    middle = np.round(FORM / 2 - np.array(ndimage.center_of_mass(small))).astype(int)
    place = np.clip(middle, 0, FORM - np.array(small.shape))
    return np.pad(small, [(n, FORM - n - m) for n, m in zip(place, small.shape)], 'constant')


def _of_one_thickness(black):
    """Returns a black figure with its lines made as thick as THICKNESS. They keep their shape."""
    size = max(_cropped(black).shape)
    black = np.pad(black, FINE // 8, 'constant')
    skeleton, depth = skeletonize(black), ndimage.distance_transform_edt(black)
    half = np.median(depth[skeleton])
    # the size changes by 2 * more
    more = (THICKNESS / BOX * size / 2 - half) / (1 - THICKNESS / BOX)
    if more > 0:
        return _cropped(ndimage.distance_transform_edt(~black) <= more)
    core = ndimage.distance_transform_edt(~skeleton) <= max(half + more, 0)  # no stroke disappears
    return _cropped(core | (depth > -more))


def _cropped(picture, figure=None):
    """Crops a picture to the box of a figure, by default to its own nonzero pixels."""
    return picture[ndimage.find_objects((picture if figure is None else figure).astype(int))[0]]


def _resized(picture, scale):
    """Returns a picture of `scale` times the size, without aliasing."""
    shape = [max(1, int(round(n * scale))) for n in picture.shape]
    return resize(picture, shape, order=1, anti_aliasing=scale < 1).astype(np.float32)
