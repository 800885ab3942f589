"""Handwriting: a picture of one digit, on any kind of sheet, brought into the form of MNIST's.

    picture  [rows, columns, 3]  uint8, upright: red, green, blue; or [rows, columns], grey
    ink      [rows, columns]     how much darker (or lighter) than the paper around it, 0 to 1
    figure   [rows, columns]     bool: the pixels of the digit
    digit    [28, 28]            what the network reads: 0 is paper, 1 is ink

The form is the one that MNIST's makers describe (yann.lecun.com/exdb/mnist): the black and white
originals "were size normalized to fit in a 20x20 pixel box while preserving their aspect ratio. The
resulting images contain grey levels as a result of the anti-aliasing technique used by the
normalization algorithm. The images were centered in a 28x28 image by computing the center of mass
of the pixels". So a picture is made black and white first. How it is decoded, `images` knows.
"""

import numpy as np

from .images import PictureError

DIGIT = 28  # pixels, both ways
BOX = 20  # pixels of a digit's larger side
CENTRE = 14  # index of its centre of mass, both ways, to the nearest whole number
FINE = 6  # pixels of the black and white figure to one of the digit, both ways
THINNEST, THICKEST = 2.4, 2.8  # pixels of a line

LARGEST = 2048  # pixels of the larger side; of a larger picture every few are one
SHEET = 512  # the same, when a figure is looked for
CLOSE_UP = 240  # and when it is looked at
MARGIN = 0.25  # around the figure then, in parts of its larger side
WINDOWS = 1 / 3, 1 / 8, 1 / 20  # in which the paper shows, in parts of the sheet's larger side

SKEWED = 2.5  # the levels of a sheet, if its figure is not cut out closely
FAINTEST = 0.08  # ink of what is written
SMALLEST = 0.025  # larger side of a figure, in parts of the sheet's
SPECK = 0.05  # of the figure's ink: what has less is dirt
MANY = 12  # marks of a size: no figure, but a pattern of the paper


def digit(picture):
    """Returns the digit [28, 28], float32, of a picture.

    Raises PictureError if nothing is written on it, or several figures are.
    """
    levels = scalar(reduced(picture, LARGEST)[0])
    sheet, scale = reduced(levels, SHEET)
    dark = is_dark(sheet)
    for part in WINDOWS:
        window = part * max(sheet.shape)
        figure = chosen(without_rules(ink_of(sheet, dark, window)), last=part == WINDOWS[-1])
        if figure is not None:
            return in_form(black_and_white(close_up(levels, scale, figure, dark, window)))
    raise PictureError('nothing', 'nothing is written on it, as far as can be seen')


def scalar(picture):
    """Returns the levels [rows, columns] of a picture from 0 to 1 in which the ink shows best.

    Of a picture in colour they lie along the first principal component of its details, so that
    blue on red shows as well.
    """
    if picture.ndim == 2:
        return picture
    small, _ = reduced(picture, SHEET)
    detail = small - blurred(small, max(small.shape) // 16)
    strength = (detail**2).sum(axis=2)
    strong = detail[strength >= np.percentile(strength, 98)]
    direction = np.linalg.eigh(strong.T.dot(strong))[1][:, -1]
    direction *= (1 if direction.sum() >= 0 else -1) / np.abs(direction).sum()
    return np.dot(picture, direction) - direction[direction < 0].sum()


def is_dark(levels):
    """Returns whether the ink is darker than the paper: there is less ink than paper."""
    coarse, step = reduced(levels, 32)
    around = local_median(coarse, 6).repeat(step, axis=0).repeat(step, axis=1)
    away = levels[: around.shape[0], : around.shape[1]] - around
    skewness = (away * away * away).mean() / max((away * away).mean() ** 1.5, 1e-9)
    if abs(skewness) > SKEWED:
        return skewness < 0
    # of a figure cut out closely, there is less on the whole and at the edge
    bright = levels > np.percentile(levels, [2, 98]).mean()
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return bright.mean() + edge.mean() > 1


def ink_of(levels, dark, window):
    """Returns the ink [rows, columns] of levels, in parts of the light that the paper sends back.

    The paper at a pixel is what shows in a square of `window` pixels, the grey closing of the
    levels: it follows uneven light, and a shadow that is wider than the square.
    """
    levels = blurred(levels if dark else 1 - levels, 1)
    reach = max(int(window) // 2, 1)
    paper = -widened(-widened(levels, reach), reach)
    ink = 1 - levels / np.maximum(paper, 0.05)
    return np.maximum(ink - np.median(ink[::2, ::2]), 0)  # less the grain of the paper


def without_rules(ink):
    """Returns the ink [rows, columns] without the lines of ruled and squared paper.

    Such a line is thin and runs from edge to edge, aslant perhaps. The ink that most of its
    length has is taken off all of it, so that what crosses it stays.
    """
    if min(ink.shape) < 64:
        return ink
    return _without_rules_down(_without_rules_down(ink.T).T)


def _without_rules_down(ink):
    """The same for the lines from the top to the bottom."""
    rows, columns = ink.shape
    weakest = max(strongest(ink) / 4, FAINTEST / 4)
    band = max(2, rows // 40)
    ends = [_peaks(part.mean(axis=0), weakest) for part in (ink[:band], ink[-band:])]
    pairs = [
        (top, bottom) for top in ends[0] for bottom in ends[1] if abs(top - bottom) < rows / 12
    ]
    thick = max(3, columns // 60)
    every, ink = np.arange(rows), ink.copy()
    for top, bottom in pairs:
        line = np.linspace(top, bottom, rows).round().astype(int)
        beside = np.clip(line + np.arange(-thick, thick + 1)[:, np.newaxis], 0, columns - 1)
        levels = np.percentile(ink[every, beside], 30, axis=1)
        if levels[thick] >= weakest and max(levels[0], levels[-1]) < levels.max() / 3:
            for place, level in zip(beside, levels):
                ink[every, place] = np.maximum(ink[every, place] - 1.3 * level, 0)
    return ink


def _peaks(profile, least):
    """Returns where a profile has a maximum of at least `least`."""
    inside = profile[1:-1]
    top = (inside >= profile[:-2]) & (inside > profile[2:]) & (inside >= least)
    return 1 + np.flatnonzero(top)


def strongest(ink):
    """Returns the ink of what is written: the mean of the 40 pixels that have most."""
    return np.sort(ink[ink > FAINTEST / 4])[-40:].sum() / 40


def chosen(ink, last):
    """Returns the figure that the ink [rows, columns] of a sheet has, None if there is none.

    Raises PictureError if there are several. If what is found may have hung together with what
    lies in at the edge, there is none, except at the `last` look.
    """
    ink, larger, cut = ink.copy(), max(ink.shape), np.zeros(ink.shape, bool)
    for _ in range(3):  # what lies in at the edge may be much darker than the pen
        most = strongest(ink)
        if most < FAINTEST:
            return None
        marks = Marks(ink, 0.4 * most, max(0.15 * most, FAINTEST / 4))
        if not len(marks.mass):
            return None
        at_edge = (marks.along_edge >= 0.5 * marks.larger) & ~marks.fills_sheet
        if not at_edge.any():
            break
        cut |= widened(at_edge[marks.labels - 1] & (marks.labels > 0), 3)
        ink[cut] = 0
    else:
        return None
    main = marks.mass.argmax()
    beside_cut = (marks.labels[widened(cut, 1)] == main + 1).any()
    if marks.larger[main] < SMALLEST * larger or (beside_cut and not last):
        return None
    sizes = marks.mass >= SPECK * marks.mass[main]
    if sizes.sum() > MANY:
        return None
    try:
        parts = marks.of_figure(main, np.flatnonzero(sizes))
    except PictureError:
        if cut.any() and not last:
            return None
        raise
    return np.isin(marks.labels, np.array(parts) + 1)


class Marks:
    """The connected marks on a sheet: what has more ink than `least`.

    labels: [rows, columns], 0 for paper and i + 1 for mark i. Of each mark, in arrays: mass, its
    ink; top, left, bottom, right; larger, its larger side; along_edge, its pixels on the edge;
    fills_sheet, whether it is as large as the sheet: a figure cut out closely, and no frame;
    faintly, a number that marks have in common which are connected by more ink than `faintest`.
    """

    def __init__(self, ink, least, faintest):
        self.labels, n = labelled(ink > least)
        self.mass = np.bincount(self.labels.ravel(), ink.ravel(), n + 1)[1:]
        rows, columns = np.nonzero(self.labels)
        of = self.labels[rows, columns] - 1
        self.faintly = np.zeros(n, int)
        self.faintly[of] = labelled(ink > faintest)[0][rows, columns]
        self.top, self.left = np.full((2, n), max(ink.shape))
        self.bottom, self.right = np.zeros((2, n), int)
        for low, high, where in (
            (self.top, self.bottom, rows),
            (self.left, self.right, columns),
        ):
            np.minimum.at(low, of, where)
            np.maximum.at(high, of, where + 1)
        self.larger = np.maximum(self.bottom - self.top, self.right - self.left)
        sides = self.labels, self.labels[::-1], self.labels.T, self.labels.T[::-1]
        edge = [side[:3].max(axis=0) for side in sides]
        self.along_edge = np.bincount(np.concatenate(edge), minlength=n + 1)[1:]
        self.fills_sheet = (
            (self.bottom - self.top > 0.9 * len(ink))
            & (self.right - self.left > 0.9 * ink.shape[1])
            & (self.along_edge < 0.6 * sum(ink.shape))
        )

    def of_figure(self, main, others):
        """Returns the marks that make up one figure with the mark `main`.

        A stroke apart, as the bar of a 5, is near and is not as tall as the rest of the figure
        beside it or above it. Raises PictureError if one of the `others` is another figure.
        """
        parts, rest = [main], [mark for mark in others if mark != main]
        while rest:
            top, left = self.top[parts].min(), self.left[parts].min()
            bottom, right = self.bottom[parts].max(), self.right[parts].max()
            size = max(bottom - top, right - left)

            def between(mark, box=(top, left, bottom, right)):
                """The rows and the columns between a mark and the figure, negative if common."""
                return (
                    max(self.top[mark] - box[2], box[0] - self.bottom[mark]),
                    max(self.left[mark] - box[3], box[1] - self.right[mark]),
                )

            mark = min(rest, key=lambda mark: max(between(mark)))
            rest.remove(mark)
            rows, columns = between(mark)
            height, width = self.bottom[mark] - self.top[mark], self.right[mark] - self.left[mark]
            beside = -columns < 0.3 * min(width, right - left)
            above = -rows < 0.3 * min(height, bottom - top)
            apart = height >= 0.4 * (bottom - top) and (beside or above)
            whole = max(
                max(bottom, self.bottom[mark]) - min(top, self.top[mark]),
                max(right, self.right[mark]) - min(left, self.left[mark]),
            )
            broken = columns <= 0.05 * whole and rows <= 0.1 * whole  # a line with a gap in it
            near = max(rows, columns) <= 0.35 * size and not apart
            if broken or near or self.faintly[mark] in self.faintly[parts]:
                parts.append(mark)
            elif self.larger[mark] >= 0.3 * size and not self.along_edge[mark]:
                raise PictureError('several', 'has several figures on it; cut out one of them')
        return parts


def labelled(mask):
    """Returns [rows, columns] with the number of the connected mark of each pixel, and how many.

    mask: bool. Pixels that touch at a corner are connected. Paper is 0, the marks count from 1.
    """
    rows, columns = mask.shape
    padded = np.zeros((rows, columns + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)  # a run of pixels in a row begins, or has ended
    row, begin = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[1]
    width = columns + 2  # so that runs of different rows are far apart on one scale
    # the runs of the row before that touch each run
    first = np.searchsorted((row + 1) * width + end, row * width + begin)
    last = np.searchsorted((row + 1) * width + begin, row * width + end, side='right')
    many = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(row)), many)
    above = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many - first, many)
    root = np.arange(len(row))
    while True:  # each run takes the lowest number of those it touches, until they all agree
        lower = np.minimum(root[below], root[above])
        before = root.copy()
        for side in root[below], root[above]:
            np.minimum.at(root, side, lower)
        root = root[root]
        if (root == before).all() and (root[below] == root[above]).all():
            break
    roots, number = np.unique(root, return_inverse=True)
    labels = np.zeros((rows, columns + 1), int)
    np.add.at(labels, (row, begin), number + 1)
    np.add.at(labels, (row, end), -(number + 1))
    return labels.cumsum(axis=1)[:, :-1], len(roots)


def close_up(levels, scale, figure, dark, window):
    """Returns the ink [rows, columns] around a figure, with as much detail as the levels have.

    scale: pixels of the levels to one of the figure, both ways; window: see ink_of.
    """
    top, left, bottom, right = box_of(figure)
    larger = max(bottom - top, right - left)
    margin = int(MARGIN * larger) + 2
    top, left = max(top - margin, 0), max(left - margin, 0)
    bottom, right = bottom + margin, right + margin
    part = levels[top * scale : bottom * scale, left * scale : right * scale]
    part, less = reduced(part, CLOSE_UP)
    more = -(-CLOSE_UP // (2 * max(part.shape)))  # times as large, of small ones
    if more > 1:
        part = resampled(part, [more * n for n in part.shape])
    near = widened(figure, max(2, larger // 16))[top:bottom, left:right]
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * less / more / scale, limit - 1).astype(int)
        for n, limit in zip(part.shape, near.shape)
    )
    window = min(window * scale * more / less, max(part.shape) / 2)
    return without_rules(ink_of(part, dark, window)) * near[np.ix_(rows, columns)]


def black_and_white(ink):
    """Returns the figure [rows, columns] of its ink, its larger side FINE * BOX pixels or nearly.

    Black is what has 0.4 of the ink of a line or more: half would lose the faintest lines.
    """
    least = 0.4 * ink_of_a_line(ink)
    box = box_of(ink > least)
    scale = FINE * BOX / max(box[2] - box[0], box[3] - box[1])
    shape = [max(1, int(round(n * scale))) for n in ink.shape]
    return resampled(ink, shape) > least


def ink_of_a_line(ink):
    """Returns the ink of a line: of the darker of the two classes that Otsu's method finds."""
    counts, edges = np.histogram(ink[ink > 0], 64)
    middles = (edges[1:] + edges[:-1]) / 2
    paper = np.cumsum(counts)[:-1]
    lines = counts.sum() - paper
    total = np.cumsum(counts * middles)
    apart = total[:-1] / np.maximum(paper, 1) - (total[-1] - total[:-1]) / np.maximum(lines, 1)
    cut = edges[1 + (paper * lines * apart**2).argmax()]
    return ink[ink >= cut].mean()


def in_form(figure):
    """Returns the digit [28, 28], float32, of a black and white figure [rows, columns].

    Raises PictureError if it is a blot.
    """
    figure = of_usual_thickness(cropped(figure))
    larger = max(figure.shape)
    rows, columns = (max(1, int(round(BOX * n / larger))) for n in figure.shape)
    small = averaged(averaged(figure, rows).T, columns).T
    digit = np.zeros((DIGIT, DIGIT), np.float32)
    top = CENTRE - int(round(np.average(np.arange(rows), weights=small.sum(axis=1))))
    left = CENTRE - int(round(np.average(np.arange(columns), weights=small.sum(axis=0))))
    top, left = np.clip([top, left], 0, [DIGIT - rows, DIGIT - columns])
    digit[top : top + rows, left : left + columns] = small
    return digit


def of_usual_thickness(figure):
    """Returns a figure whose lines are as thick as MNIST's for its size: what is thicker is
    thinned, a blot in it as well, but no line to less than that; what is thinner is widened.

    Raises PictureError for a blot, which has no lines.
    """
    size, thick = max(figure.shape), thickness(figure)
    if thick > 0.4 * size:
        raise PictureError('nothing', 'has a blot on it, and no figure')
    usual = THICKEST * size / BOX
    rounds = int(round((thick - usual) / 2))
    if rounds > 0:
        lines = rounded(skeleton(figure), usual / 2) & figure
        for _ in range(rounds):
            figure = thinned(figure) | lines
        figure = cropped(figure)
        size, thick = max(figure.shape), thickness(figure)
    lacking = THINNEST / BOX * size - thick
    if lacking > 0:  # the figure becomes larger with its lines
        radius = lacking / 2 / (1 - THINNEST / BOX)
        figure = cropped(rounded(np.pad(figure, int(radius) + 1, 'constant'), radius))
    return figure


def thickness(figure):
    """Returns how thick the lines of a figure are, in pixels.

    A line has its length times its thickness of pixels, and twice its length of them at its sides.
    """
    paper = ~np.pad(figure, 1, 'constant')
    at_sides = sum((_touched(paper, corners) & ~paper).sum() for corners in (False, True)) / 2
    return 2 * figure.sum() / at_sides


def _touched(mask, corners):
    """Returns a mask and the pixels beside it, with or without those at its corners."""
    touched = mask.copy()
    touched[1:] |= mask[:-1]
    touched[:-1] |= mask[1:]
    beside = touched if corners else mask
    across = touched.copy()
    across[:, 1:] |= beside[:, :-1]
    across[:, :-1] |= beside[:, 1:]
    return across


def rounded(figure, radius):
    """Returns a figure with all pixels that are within `radius` pixels of it."""
    wide = np.zeros_like(figure)
    reach = int(radius)
    padded = np.pad(figure, reach, 'constant')
    rows, columns = figure.shape
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            if down**2 + across**2 <= radius**2:
                top, left = reach + down, reach + across
                wide |= padded[top : top + rows, left : left + columns]
    return wide


def skeleton(figure):
    """Returns the middle of a figure's lines, a pixel thick."""
    while True:
        thinner = thinned(figure)
        if (thinner == figure).all():
            return figure
        figure = thinner


def thinned(figure):
    """Returns a figure without its outermost pixels, except where it would come apart.

    One round of Zhang and Suen's "A fast parallel algorithm for thinning digital patterns" (1984).
    """
    for first, second in ((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6)):
        padded = np.pad(figure, 1, 'constant')
        around = [  # clockwise, from the pixel above
            padded[1 + down : padded.shape[0] - 1 + down, 1 + across : padded.shape[1] - 1 + across]
            for down, across in (
                (-1, 0),
                (-1, 1),
                (0, 1),
                (1, 1),
                (1, 0),
                (1, -1),
                (0, -1),
                (-1, -1),
            )
        ]
        count = sum(pixel.astype(int) for pixel in around)
        begins = sum((~a & b).astype(int) for a, b in zip(around, around[1:] + around[:1]))
        gone = (count >= 2) & (count <= 6) & (begins == 1)
        for three in first, second:
            gone &= ~(around[three[0]] & around[three[1]] & around[three[2]])
        figure = figure & ~gone
    return figure


def box_of(figure):
    """Returns the first row and column of a figure and those after its last."""
    rows, columns = np.flatnonzero(figure.any(axis=1)), np.flatnonzero(figure.any(axis=0))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


def cropped(figure):
    top, left, bottom, right = box_of(figure)
    return figure[top:bottom, left:right]


def reduced(picture, size):
    """Returns a picture whose larger side is at most `size`, float32, and how many pixels of the
    picture to one of it, both ways: a whole number. Of uint8 the result is from 0 to 1.
    """
    n = -(-max(picture.shape[:2]) // size)
    rows, columns = (length // n for length in picture.shape[:2])
    if n > min(picture.shape[:2]):
        raise PictureError('nothing', 'is a strip, and no sheet')
    wanted = np.zeros((rows, columns) + picture.shape[2:], np.float32)
    for down in range(n):
        for across in range(n):
            wanted += picture[down : down + rows * n : n, across : across + columns * n : n]
    return wanted / (n * n * (255 if picture.dtype == np.uint8 else 1)), n


def resampled(ink, shape):
    """Returns ink [rows, columns] in another shape, by linear interpolation and, where that is
    smaller, the mean over a triangle of twice the width of the new pixels.
    """
    for size in shape:
        length = len(ink)
        scale = length / size
        reach = max(scale, 1)  # half the width of the triangle
        middles = (np.arange(size) + 0.5) * scale - 0.5
        first = np.ceil(middles - reach).astype(int)
        total, weights = 0, 0
        for i in range(int(2 * reach) + 1):
            weight = np.maximum(1 - np.abs(first + i - middles) / reach, 0).astype(np.float32)
            total = total + weight[:, np.newaxis] * ink[np.clip(first + i, 0, length - 1)]
            weights = weights + weight
        ink = np.ascontiguousarray((total / weights[:, np.newaxis]).T)
    return ink


def averaged(figure, rows):
    """Returns [rows, columns] of a figure with more rows: the mean over the area of each pixel."""
    edges = np.linspace(0, figure.shape[0], rows + 1)
    begins, ends = edges[:-1, np.newaxis], edges[1:, np.newaxis]
    pixels = np.arange(figure.shape[0])
    weights = np.clip(np.minimum(ends, pixels + 1) - np.maximum(begins, pixels), 0, None)
    return weights.dot(figure) / (edges[1] - edges[0])


def blurred(picture, reach):
    """Returns the mean over a square of 2 * reach + 1 pixels, less at the edge."""
    for axis in 0, 1:
        length = picture.shape[axis]
        sums = np.cumsum(picture, axis=axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis=axis)), sums], axis=axis)
        begins = np.maximum(np.arange(length) - reach, 0)
        ends = np.minimum(np.arange(length) + reach + 1, length)
        counts = (ends - begins).reshape([-1 if i == axis else 1 for i in range(picture.ndim)])
        picture = (sums.take(ends, axis=axis) - sums.take(begins, axis=axis)) / counts
    return picture.astype(np.float32)


def widened(picture, reach):
    """Returns the largest in a square of 2 * reach + 1 pixels, less at the edge."""
    for axis in 0, 1:
        lowest = False if picture.dtype == bool else -np.inf
        pad = [(reach, reach) if i == axis else (0, 0) for i in range(2)]
        line = np.pad(picture, pad, 'constant', constant_values=lowest)
        done, width = 1, 2 * reach + 1
        while done < width:  # the largest of `done` pixels becomes that of twice as many
            step = min(done, width - done)
            ahead = [slice(step, None) if i == axis else slice(None) for i in range(2)]
            behind = [slice(None, -step) if i == axis else slice(None) for i in range(2)]
            line = np.maximum(line[tuple(ahead)], line[tuple(behind)])
            done += step
        picture = line
    return picture


def local_median(levels, reach):
    """Returns the median over a square of 2 * reach + 1 pixels; beyond the edge is a mirror."""
    reach = min(reach, min(levels.shape) - 1)
    padded = np.pad(levels, reach, 'reflect')
    size = 2 * reach + 1
    windows = np.lib.stride_tricks.as_strided(
        padded, levels.shape + (size, size), padded.strides * 2, writeable=False
    )
    return np.median(windows.reshape(levels.shape + (-1,)), axis=2)
