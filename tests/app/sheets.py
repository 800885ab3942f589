"""Makes pictures of a digit on paper, as a scanner, a phone or a program makes them.

A digit is one of MNIST's: [28, 28], 0 is paper, 1 is ink. `place`, `scale`, `lit`, `colour`,
`thickness` and `ruled` each return a kind of sheet, uint8. `stroked` returns a drawing. No code is
shared with `handwriting`, which reads these pictures.
"""

import numpy as np
from scipy import ndimage
from scipy.interpolate import BSpline
from scipy.special import expit
from skimage.morphology import disk


def drawn(digit, height, width, size, random, place=None):
    """Returns the ink [height, width], 0 to 1, of a digit, turned and slanted a bit.

    size: the sheet's pixels for 20 of MNIST. place: of the digit's middle, by default anywhere.
    """
    half = 0.58 * size
    if place is None:
        place = [random.uniform(min(half, n / 2), max(n - half, n / 2)) for n in (height, width)]
    turn, lean = random.uniform(-0.03, 0.03, 2)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [lean - np.sin(turn), 1]]) * 20 / size
    offset = 13.5 + matrix.dot(np.subtract(0.5, place))
    ink = ndimage.affine_transform(digit, matrix, offset, (height, width), float)
    # a pen has a sharper edge, but with an even sharper one the faintest lines would be gone
    return np.clip(0.5 + (ink - 0.5) * min(2, max(1, size / 40)), 0, 1)


def with_pen(digit, radius):
    """Returns a digit drawn anew along the ridges of its lines by a pen of a radius in pixels."""
    scale = 8  # the ridges are found on a digit this many times finer
    shape, offset = (28 * scale, 28 * scale), 0.5 / scale - 0.5
    fine = ndimage.affine_transform(digit, [1 / scale, 1 / scale], offset, shape, float)
    soft = ndimage.convolve(fine, disk(int(0.9 * scale), float))
    highest = ndimage.maximum_filter(soft, footprint=disk(int(1.1 * scale)))
    sharp = 0.85 if radius < 1 else 0.93  # a thin line needs no gaps, a thick one open loops
    ridge = (soft >= sharp * highest) & (soft > 0.45 * soft.max())
    wide = ndimage.distance_transform_edt(~ridge) <= radius * scale
    return wide.reshape(28, scale, 28, scale).mean(axis=(1, 3))


def painted(ink, pen, paper):
    """Returns the levels, 0 to 1, of a pen on paper. Colours need ink [height, width, 1]."""
    return paper + ink * np.subtract(pen, paper)


def levels_of(picture):
    """Returns a picture's levels from 0 to 1 as uint8."""
    return (255 * np.clip(picture, 0, 1)).round().astype(np.uint8)


def across(height, width, random):
    """Returns how far each pixel is from one corner, in longer sides, in a random direction."""
    turn = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width] / max(height, width)
    way = np.cos(turn) * x + np.sin(turn) * y
    return way - way.min()


def light(height, width, random):
    """Returns uneven light [height, width]: of a lamp on one side, and often with a shadow."""
    way = across(height, width, random)
    light = 1 - random.uniform(0, 0.5) * way / way.max()
    if random.rand() < 0.7:
        way = across(height, width, random)
        edge, soft = random.uniform([0.15 * way.max(), 0.004], [0.4 * way.max(), 0.08])
        light *= 1 - random.uniform(0.2, 0.5) * expit((edge - way) / soft)
    return light


def grain(height, width, random):
    """Returns the texture of paper and the noise of a camera, [height, width]."""
    coarse = random.randn(height // 3 + 2, width // 3 + 2).repeat(3, 0).repeat(3, 1)
    return 0.01 * coarse[:height, :width] + 0.012 * random.randn(height, width)


def rules(height, width, spacing, squared, random):
    """Returns the lines [height, width], 0 to 1, of ruled or squared paper, which is aslant."""
    y, x = np.mgrid[:height, :width]
    turn, thick = random.uniform(-0.04, 0.04), random.uniform(0.8, 1.6)
    ink = np.zeros((height, width))
    for along in [y + turn * x] + ([x - turn * y] if squared else []):
        away = np.abs((along + random.uniform(0, spacing)) % spacing - spacing / 2)
        ink = np.maximum(ink, np.clip(thick / 2 + 0.5 - away, 0, 1))
    return ink


def anywhere(digit, random, sides=(200, 500), sizes=(0.25, 0.7)):
    """Returns the ink of a digit on a sheet. sizes: as fractions of the sheet's smaller side."""
    height, width = random.randint(*sides, 2)
    return drawn(digit, height, width, random.uniform(*sizes) * min(height, width), random)


def place(digit, random):
    pen, paper = random.uniform(0, 0.3), random.uniform(0.8, 1)
    return levels_of(painted(anywhere(digit, random), pen, paper))


def scale(digit, random):
    size = np.exp(random.uniform(np.log(20), np.log(500)))
    height, width = (size * random.uniform(1.3, 2.5, 2)).astype(int)
    if random.rand() < 0.5:  # a small digit on a large sheet
        height = width = int(min(1200, size * random.uniform(5, 12)))
    return levels_of(painted(drawn(digit, height, width, size, random), 0.15, 0.95))


def lit(digit, random):
    ink = anywhere(digit, random, (300, 700), (0.2, 0.6))
    sheet = painted(ink, random.uniform(0.05, 0.3), 0.92) * light(*ink.shape, random)
    return levels_of(sheet + grain(*ink.shape, random))


def colour(digit, random):
    ink = anywhere(digit, random)[..., np.newaxis]
    pen, paper = random.rand(2, 3)
    while np.abs(pen - paper).max() <= 0.35:
        pen, paper = random.rand(2, 3)
    return levels_of(painted(ink, pen, paper) + 0.01 * random.randn(*ink.shape))


def thickness(digit, random):
    digit = with_pen(digit, random.choice([0.4, 0.6, 0.8, 1.6, 1.8, 2]))
    return levels_of(painted(anywhere(digit, random, (250, 500), (0.3, 0.7)), 0.15, 0.95))


def ruled(digit, random):
    ink = anywhere(digit, random, (300, 700), (0.2, 0.6))
    size = np.ptp(np.argwhere(ink > 0.5), axis=0).max()
    spacing = max(12, size * random.uniform(0.25, 1.2))
    lines = rules(*ink.shape, spacing, random.rand() < 0.5, random)[..., np.newaxis]
    paper = painted(lines, random.uniform(0.45, 0.85, 3), [0.95, 0.95, 0.93])
    sheet = painted(ink[..., np.newaxis], [0.12, 0.13, 0.3], paper)
    sheet *= light(*ink.shape, random)[..., np.newaxis] if random.rand() < 0.5 else 1
    return levels_of(sheet + grain(*ink.shape, random)[..., np.newaxis])


STROKES = [  # ways to write a digit: points x y, in percent, y downwards; / lifts the pen
    (0, '50 10 25 25 20 55 35 88 60 85 78 55 70 20 48 10'),
    (0, '55 12 30 30 30 70 50 90 70 70 70 30 50 12'),
    (1, '50 10 50 90'),
    (1, '38 25 52 10 52 90'),
    (2, '25 30 35 12 60 10 72 28 60 50 25 88 78 88'),
    (2, '22 25 45 10 70 22 65 45 35 75 22 85 35 80 55 90 80 82'),
    (3, '25 18 50 10 70 22 62 40 42 48 68 55 74 75 50 90 22 82'),
    (3, '25 12 70 12 45 45 72 60 68 82 45 90 25 82'),
    (4, '35 10 25 55 78 55 / 65 12 62 92'),
    (4, '62 8 20 62 80 62 / 60 35 60 92'),
    (5, '70 10 32 10 28 45 55 40 74 60 65 85 40 92 22 82'),
    (5, '32 12 30 45 55 42 72 62 60 88 25 86 / 34 12 72 10'),
    (6, '65 8 40 30 28 60 38 88 60 88 70 68 55 52 34 62'),
    (6, '55 8 32 45 30 75 48 92 70 78 64 58 42 58 32 72'),
    (7, '20 15 78 13 55 50 42 92'),
    (7, '22 20 50 12 76 16 58 50 45 90'),
    (8, '68 20 48 10 32 25 45 42 68 62 66 85 45 92 30 75 45 52 66 34 66 20'),
    (8, '50 10 33 22 40 42 64 60 68 80 48 92 30 80 36 60 60 42 68 22 50 10'),
    (9, '68 25 50 10 30 22 34 45 55 48 70 28 66 60 60 92'),
    (9, '70 20 45 12 30 30 45 48 68 35 70 18 70 60 55 90 35 88'),
]


def stroked(digit, random):
    """Returns a digit (0 to 9) as the page sends it: round lines by a hand that is not steady."""
    side, pen = 280, 20  # pixels
    ways = [way for label, way in STROKES if label == digit]
    size = random.uniform(0.35, 0.85) * side
    place = random.uniform(0, side - size, 2)
    turn, lean, narrow = random.uniform([-0.12, -0.2, 0.8], [0.12, 0.2, 1.1])
    turned = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    matrix = 0.8 * size * np.dot([[narrow, 0], [-lean, 1]], turned)
    is_paper = np.ones((side, side), bool)
    for stroke in ways[random.randint(len(ways))].split('/'):
        points = np.array(stroke.split(), float).reshape(-1, 2) / 100 - 0.5
        points += random.uniform(-0.025, 0.025, points.shape)
        # quadratic splines between the points, as the page draws them
        degree = min(2, len(points) - 1)
        knots = np.clip(np.arange(-degree, len(points) + 1), 0, len(points) - degree)
        spline = BSpline(knots, points.dot(matrix) + size / 2 + place, degree)
        x, y = spline(np.linspace(0, knots[-1], 400)).astype(int).T
        is_paper[np.clip(y, 0, side - 1), np.clip(x, 0, side - 1)] = False
    return levels_of(1 - np.clip(pen / 2 + 0.5 - ndimage.distance_transform_edt(is_paper), 0, 1))
