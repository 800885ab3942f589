"""Makes sheets of paper with one of MNIST's digits on them, as a scanner, a phone or a program
would give them. It shares no code with `handwriting`, which is to read them.
"""

import numpy as np


def levels(digit, rows, columns):
    """A digit, as [28, 28], at any places, paper beyond its edge: Catmull and Rom's cubic."""
    last = np.array(digit.shape) + 5
    digit = np.pad(digit, 3, 'constant')
    row, column = np.floor(rows).astype(int), np.floor(columns).astype(int)
    total = np.zeros(np.broadcast(rows, columns).shape)
    weights = [cubic(rows - row), cubic(columns - column)]
    for i in range(4):
        for j in range(4):
            places = np.clip(row + 2 + i, 0, last[0]), np.clip(column + 2 + j, 0, last[1])
            total += weights[0][i] * weights[1][j] * digit[places]
    return np.clip(total, 0, 1)


def cubic(t):
    return [
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    ]


def drawn(digit, height, width, size, random, place=None, slant=0.03):
    """Ink [height, width] from 0 to 1 of a digit whose 20 pixels are `size` pixels on the sheet.

    place: of the digit's middle; None for anywhere that it fits. It is turned and slanted a bit.
    """
    half = 0.58 * size
    if place is None:
        place = [random.uniform(min(half, n / 2), max(n - half, n / 2)) for n in (height, width)]
    turn, lean = random.uniform(-slant, slant, 2)
    top, left = (max(int(middle - 0.9 * size), 0) for middle in place)
    bottom, right = (int(middle + 0.9 * size) for middle in place)
    y, x = np.mgrid[top : min(bottom, height), left : min(right, width)] + 0.5
    y, x = (y - place[0]) * 20 / size, (x - place[1]) * 20 / size
    v = levels(
        digit, 13.5 + y * np.cos(turn) + x * np.sin(turn), 13.5 + x + lean * y - y * np.sin(turn)
    )
    ink = np.zeros((height, width))
    # a pen has a sharper edge; with a still sharper one, the faintest lines would be gone
    ink[top:bottom, left:right] = np.clip(0.5 + (v - 0.5) * min(2, max(1, size / 40)), 0, 1)
    return ink


def with_pen(digit, radius, scale=8):
    """A digit [28, 28] drawn anew along the ridges of its lines by a pen of another thickness.

    radius: in pixels of the digit.
    """
    places = (np.arange(28 * scale) + 0.5) / scale - 0.5
    fine = levels(digit, places[:, np.newaxis], places[np.newaxis])
    soft = disc_sum(fine, 0.9 * scale) / (0.81 * scale**2 * np.pi)
    sharp = 0.85 if radius < 1 else 0.93  # a ridge that has no gaps; or keeps small loops open
    ridge = (soft >= sharp * shifted_max(soft, int(1.1 * scale))) & (soft > 0.45 * soft.max())
    wide = disc_sum(ridge, radius * scale) > 0.5
    return wide.reshape(28, scale, 28, scale).mean(axis=(1, 3))


def disc_sum(picture, radius):
    n = len(picture)
    y, x = np.mgrid[:n, :n]
    y, x = np.minimum(y, n - y), np.minimum(x, n - x)
    disc = (y**2 + x**2 <= radius**2).astype(float)
    return np.fft.irfft2(np.fft.rfft2(picture) * np.fft.rfft2(disc), (n, n))


def shifted_max(picture, reach):
    best = picture
    for down in range(-reach, reach + 1, 2):
        for across in range(-reach, reach + 1, 2):
            if down**2 + across**2 <= reach**2:
                best = np.maximum(best, np.roll(picture, (down, across), (0, 1)))
    return best


def painted(ink, pen, paper):
    """Colours or levels, 0 to 1, of a pen on paper."""
    pen, paper = np.array(pen, float), np.array(paper, float)
    return paper + ink[..., np.newaxis] * (pen - paper)


def light(height, width, random):
    """Uneven light [height, width]: a lamp on one side and often a shadow that lies in."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    turn = random.uniform(0, 2 * np.pi)
    across = np.cos(turn) * (x - x.mean()) + np.sin(turn) * (y - y.mean())
    light = 1 - random.uniform(0, 0.5) * (across - across.min()) / np.ptp(across)
    if random.rand() < 0.7:
        turn = random.uniform(0, 2 * np.pi)
        across = np.cos(turn) * (x - x.mean()) + np.sin(turn) * (y - y.mean())
        edge = random.uniform(0.15, 0.4) * np.ptp(across) + across.min()
        soft = random.uniform(0.004, 0.08)
        light *= 1 - random.uniform(0.2, 0.5) / (
            1 + np.exp(np.clip((across - edge) / soft, -50, 50))
        )
    return light


def grain(height, width, random):
    """The texture of paper and the noise of a camera."""
    coarse = random.randn(height // 3 + 2, width // 3 + 2).repeat(3, 0).repeat(3, 1)
    return 0.01 * coarse[:height, :width] + 0.012 * random.randn(height, width)


def rules(height, width, spacing, squared, random):
    """Lines [height, width] from 0 to 1 of ruled or squared paper, which lies a bit aslant."""
    y, x = np.mgrid[:height, :width]
    turn, thick = random.uniform(-0.04, 0.04), random.uniform(0.8, 1.6)
    ink = np.zeros((height, width))
    for along in [y + turn * x] + ([x - turn * y] if squared else []):
        away = np.abs((along + random.uniform(0, spacing)) % spacing - spacing / 2)
        ink = np.maximum(ink, np.clip(thick / 2 + 0.5 - away, 0, 1))
    return ink


def levels_of(picture):
    return (255 * np.clip(picture, 0, 1)).round().astype(np.uint8)


def place(digit, random):
    height, width = random.randint(200, 500, 2)
    ink = drawn(digit, height, width, random.uniform(0.25, 0.7) * min(height, width), random)
    return levels_of(painted(ink, [random.uniform(0, 0.3)], [random.uniform(0.8, 1)])[..., 0])


def scale(digit, random):
    size = np.exp(random.uniform(np.log(20), np.log(500)))
    height, width = (size * random.uniform(1.3, 2.5, 2)).astype(int)
    if random.rand() < 0.5:  # a small digit on a large sheet
        height = width = int(min(1200, size * random.uniform(5, 12)))
    ink = drawn(digit, height, width, size, random)
    return levels_of(painted(ink, [0.15], [0.95])[..., 0])


def lit(digit, random):
    height, width = random.randint(300, 700, 2)
    ink = drawn(digit, height, width, random.uniform(0.2, 0.6) * min(height, width), random)
    sheet = painted(ink, [random.uniform(0.05, 0.3)], [0.92])[..., 0] * light(height, width, random)
    return levels_of(sheet + grain(height, width, random))


def colour(digit, random):
    height, width = random.randint(200, 500, 2)
    ink = drawn(digit, height, width, random.uniform(0.25, 0.7) * min(height, width), random)
    while True:
        pen, paper = random.rand(2, 3)
        if np.abs(pen - paper).max() > 0.35:
            return levels_of(painted(ink, pen, paper) + 0.01 * random.randn(height, width, 1))


def thickness(digit, random):
    height, width = random.randint(250, 500, 2)
    size = random.uniform(0.3, 0.7) * min(height, width)
    digit = with_pen(digit, random.choice([0.4, 0.6, 0.8, 1.6, 1.8, 2]))
    ink = drawn(digit, height, width, size, random)
    return levels_of(painted(ink, [0.15], [0.95])[..., 0])


def ruled(digit, random):
    height, width = random.randint(300, 700, 2)
    size = random.uniform(0.2, 0.6) * min(height, width)
    ink = drawn(digit, height, width, size, random)
    spacing = max(12, size * random.uniform(0.25, 1.2))
    lines = rules(height, width, spacing, random.rand() < 0.5, random)
    paper = painted(lines, random.uniform(0.45, 0.85, 3), [0.95, 0.95, 0.93])
    sheet = paper + ink[..., np.newaxis] * (np.array([0.12, 0.13, 0.3]) - paper)
    sheet *= light(height, width, random)[..., np.newaxis] if random.rand() < 0.5 else 1
    return levels_of(sheet + grain(height, width, random)[..., np.newaxis])


STROKES = {  # ways to write each digit: points x y, in percent, y downwards; / lifts the pen
    0: [
        '50 10 25 25 20 55 35 88 60 85 78 55 70 20 48 10',
        '55 12 30 30 30 70 50 90 70 70 70 30 50 12',
    ],
    1: [
        '50 10 50 90',
        '58 8 44 92',
        '38 25 52 10 52 90',
    ],
    2: [
        '25 30 35 12 60 10 72 28 60 50 25 88 78 88',
        '22 25 45 10 70 22 65 45 35 75 22 85 35 80 55 90 80 82',
    ],
    3: [
        '25 18 50 10 70 22 62 40 42 48 68 55 74 75 50 90 22 82',
        '25 12 70 12 45 45 72 60 68 82 45 90 25 82',
    ],
    4: [
        '35 10 25 55 78 55 / 65 12 62 92',
        '62 8 20 62 80 62 / 60 35 60 92',
    ],
    5: [
        '70 10 32 10 28 45 55 40 74 60 65 85 40 92 22 82',
        '32 12 30 45 55 42 72 62 60 88 25 86 / 34 12 72 10',
    ],
    6: [
        '65 8 40 30 28 60 38 88 60 88 70 68 55 52 34 62',
        '55 8 32 45 30 75 48 92 70 78 64 58 42 58 32 72',
    ],
    7: [
        '20 15 78 13 55 50 42 92',
        '22 20 50 12 76 16 58 50 45 90',
    ],
    8: [
        '68 20 48 10 32 25 45 42 68 62 66 85 45 92 30 75 45 52 66 34 66 20',
        '50 10 33 22 40 42 64 60 68 80 48 92 30 80 36 60 60 42 68 22 50 10',
    ],
    9: [
        '68 25 50 10 30 22 34 45 55 48 70 28 66 60 60 92',
        '70 20 45 12 30 30 45 48 68 35 70 18 70 60 55 90 35 88',
    ],
}


def stroked(digit, random, side=280, pen=20):
    """A drawing of a digit as the page sends it: levels [side, side] of round lines.

    It is of any size and at any place, turned, slanted, and the hand is not steady.
    """
    way = STROKES[digit][random.randint(len(STROKES[digit]))]
    strokes = [np.array(stroke.split(), float).reshape(-1, 2) / 100 for stroke in way.split('/')]
    size = random.uniform(0.35, 0.85) * side
    place = [random.uniform(0, side - size) for _ in 'xy']
    turn, lean, narrow = (
        random.uniform(-0.12, 0.12),
        random.uniform(-0.2, 0.2),
        random.uniform(0.8, 1.1),
    )
    y, x = np.mgrid[:side, :side] + 0.5
    nearest = np.full((side, side), np.inf)
    for stroke in strokes:
        points = stroke - 0.5 + random.uniform(-0.025, 0.025, (len(stroke), 2))
        points[:, 0] = narrow * points[:, 0] - lean * points[:, 1]
        points = points.dot([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points = smooth(points * 0.8 * size + size / 2 + place)
        for (x0, y0), (x1, y1) in zip(points[:-1], points[1:]):
            length = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-9)
            along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1)
            away = np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
            nearest = np.minimum(nearest, away)
    return levels_of(1 - np.clip(pen / 2 + 0.5 - nearest, 0, 1))


def smooth(points):
    """A line through the middles between points, bent towards the points: quadratic Bezier."""
    if len(points) < 3:
        return points
    middles = (points[1:] + points[:-1]) / 2
    t = np.linspace(0, 1, 5)[:, np.newaxis]
    parts = [points[:1]]
    for before, point, after in zip(middles[:-1], points[1:-1], middles[1:]):
        parts.append((1 - t) ** 2 * before + 2 * t * (1 - t) * point + t**2 * after)
    return np.concatenate([*parts, points[-1:]])
