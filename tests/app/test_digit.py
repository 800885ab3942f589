"""digit: sheets of every kind are read as MNIST's own digits are, and what is none is not.

A trained network reads each test digit as it is, and on each kind of sheet.
"""

from support import checkpoints

import numpy as np
import pytest
import sheets
import tensorflow.compat.v1 as tf
from helpers import DATA

import input_data
import mnist_lenet5_forward
from handwriting import digit as module
from handwriting.photo import PictureError

N = 200  # digits of a kind
TEST = input_data.read_data_sets(DATA, one_hot=True).test
DIGITS, LABELS = TEST.images[:N].reshape(-1, 28, 28), TEST.labels[:N].argmax(axis=1)


@pytest.fixture(scope='module')
def read(trained):
    """read(digits): what the network reads."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        y = mnist_lenet5_forward.forward(x, False, None)
        shadows = tf.train.ExponentialMovingAverage(0.99).variables_to_restore()
        ckpt = checkpoints.get_checkpoint_state(trained)
        checkpoints.restore(tf.train.Saver(shadows), sess, ckpt, shadows)
        yield lambda digits: sess.run(y, {x: np.array(digits)[..., np.newaxis]}).argmax(axis=1)


def as_read(picture):
    """The digit on a picture, or zeros and the reason."""
    try:
        return module.digit(picture), None
    except PictureError as error:
        return np.zeros((28, 28), np.float32), error.key


@pytest.mark.parametrize(
    'kind, most',
    [
        (sheets.place, 3),
        (sheets.scale, 3),
        (sheets.lit, 6),
        (sheets.colour, 3),
        (sheets.thickness, 11),
        (sheets.ruled, 6),
    ],
    ids=lambda value: getattr(value, '__name__', ''),
)
def test_sheets(read, kind, most):
    """most: of those that are read rightly as they are and wrongly, or not, on the sheet."""
    random = np.random.RandomState(0)
    digits, reasons = zip(*(as_read(kind(digit, random)) for digit in DIGITS))
    right = (read(digits) == LABELS) & [reason is None for reason in reasons]
    lost = (read(DIGITS) == LABELS) & ~right
    print('%s: %d of %d' % (kind.__name__, lost.sum(), N))
    assert lost.sum() <= most


def test_strokes_as_the_page_draws_them(read):
    random = np.random.RandomState(0)
    labels = np.arange(100) % 10
    digits, reasons = zip(*(as_read(sheets.stroked(label, random)) for label in labels))
    assert np.mean((read(digits) == labels) & [reason is None for reason in reasons]) >= 0.9


def drawn(i, height=200, width=200, size=110, place=None):
    ink = sheets.drawn(DIGITS[i], height, width, size, np.random.RandomState(i), place)
    return sheets.levels_of(1 - 0.85 * ink)


def apart(one, other):
    """The mean difference of two digits, which may lie a pixel apart."""
    shifts = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    return min(np.abs(np.roll(one, shift, (0, 1)) - other).mean() for shift in shifts)


def test_form():
    """The box of 20 pixels, and the centre of mass, of a digit that lies anywhere."""
    random = np.random.RandomState(2)
    for digit in DIGITS[:50]:
        found = module.digit(sheets.place(digit, random))
        assert found.shape == (28, 28) and found.dtype == np.float32
        assert 0 <= found.min() and 0.9 < found.max() <= 1
        rows, columns = found.any(axis=1).sum(), found.any(axis=0).sum()
        assert max(rows, columns) == 20
        for axis in 0, 1:
            middle = (found.sum(axis=1 - axis) * np.arange(28)).sum() / found.sum()
            assert abs(middle - 14) <= 0.51
        assert len(np.unique(found)) > 8  # grey from anti-aliasing


def test_a_digit_in_the_form_stays_nearly_as_it_is():
    away, by_a_pixel = [], []
    for digit in DIGITS[:100]:
        grey = (255 * digit).round().astype(np.uint8)
        away += [apart(module.digit(pixels), digit) for pixels in (grey, 255 - grey)]
        by_a_pixel.append(np.abs(np.roll(digit, 1) - digit).mean())
    assert np.mean(away) < 0.8 * np.mean(by_a_pixel)


@pytest.mark.parametrize(
    'picture',
    [
        np.full((200, 300), 255, np.uint8),
        np.zeros((200, 300, 3), np.uint8),
        np.full((1, 1), 7, np.uint8),
        np.full((3, 800), 200, np.uint8),
        (240 + 4 * np.random.RandomState(0).randn(300, 400)).astype(np.uint8),
        sheets.levels_of(1 - 0.4 * sheets.rules(300, 400, 20, True, np.random.RandomState(1))),
        sheets.levels_of(1 - 0.6 * sheets.rules(300, 400, 40, False, np.random.RandomState(2))),
    ],
    ids=['white', 'black', 'a pixel', 'a strip', 'grain', 'squared', 'ruled'],
)
def test_nothing_written(picture):
    assert as_read(picture)[1] == 'nothing'


def test_light_alone():
    """The edge of a shadow is seldom taken for a figure."""
    randoms = [np.random.RandomState(i) for i in range(20)]
    empty = [sheets.levels_of(0.9 * sheets.light(300, 400, random)) for random in randoms]
    assert [as_read(sheet)[1] for sheet in empty].count('nothing') >= 16


@pytest.mark.parametrize('margin', [0, 1, 6])
def test_a_figure_cut_out_closely(margin):
    """Light or dark."""
    found = []
    for i in range(50):
        sheet = drawn(i, place=(100, 100))
        rows, columns = (np.flatnonzero((sheet < 180).any(axis=axis)) for axis in (1, 0))
        part = sheet[rows[0] - margin : rows[-1] + 1 + margin]
        part = part[:, columns[0] - margin : columns[-1] + 1 + margin]
        clean = as_read(sheet)[0]
        found += [apart(as_read(each)[0], clean) for each in (part, 255 - part)]
    assert np.mean(np.array(found) > 0.06) <= 0.15


@pytest.mark.parametrize('size', [40, 50, 63, 100])
def test_lines_of_one_pixel(size):
    """As a mouse draws them, also on small sheets; and faint ones."""
    for level in 0, 200:
        sheet = np.full((size, size), 255, np.uint8)
        sheet[size // 5 : -size // 5, size // 2] = level
        digit = module.digit(sheet)
        assert digit.any(axis=1).sum() == 20 and digit.any(axis=0).sum() <= 5


def test_several_figures():
    found = [as_read(np.concatenate([drawn(i), drawn(i + 1)], axis=1))[1] for i in range(30)]
    found += [as_read(np.concatenate([drawn(i), drawn(i + 1)], axis=0))[1] for i in range(30)]
    assert found.count('several') >= 58


def test_a_stroke_apart_belongs_to_the_figure():
    """The bar of a 5, which stops short of it."""
    sheet = np.full((300, 300), 255, np.uint8)
    sheet[60:72, 120:190] = 20  # the bar
    sheet[84:150, 110:122] = 20
    sheet[138:150, 110:180] = 20
    sheet[150:220, 170:182] = 20
    sheet[208:220, 105:170] = 20
    digit = module.digit(sheet)
    rows = np.flatnonzero(digit.any(axis=1))
    assert rows[-1] - rows[0] == 19 and digit[rows[1]].sum() > 5  # the bar is its top


def test_a_bar_with_most_of_the_ink_belongs_to_the_figure():
    """As that of a 7 whose line is broken below it."""
    sheet = np.full((300, 300), 255, np.uint8)
    sheet[50:72, 110:260] = 20
    sheet[82:250, 115:130] = 20
    rows = np.flatnonzero(module.digit(sheet).any(axis=1))
    assert rows[-1] - rows[0] == 19


def framed(sheet, random):
    """The line of a window's frame, which the figure touches."""
    top = np.flatnonzero((sheet < 180).any(axis=1))[0]
    return np.concatenate([np.full_like(sheet[:1], 40), sheet[top:]])


def boxed(sheet, random):
    """A frame around the sheet, a bit inside."""
    sheet[8:-8, [8, 9, -10, -9]] = sheet[[8, 9, -10, -9], 8:-8] = 40
    return sheet


def on_cloth(sheet, random):
    """A patterned strip along a side."""
    cloth = random.randint(0, 255, (8, 20)).repeat(5, 0).repeat(10, 1)
    return np.concatenate([sheet, cloth.astype(np.uint8)])


def beside_a_pen(sheet, random):
    """Something dark that comes in at the edge, with more ink than the figure."""
    sheet[175:195, 120:] = 30
    return sheet


@pytest.mark.parametrize('kind', [framed, boxed, on_cloth, beside_a_pen], ids=lambda f: f.__name__)
def test_what_is_beside_the_sheet_is_not_read(read, kind):
    random = np.random.RandomState(3)
    digits, _ = zip(*(as_read(kind(drawn(i, place=(100, 100)), random)) for i in range(40)))
    assert np.mean(read(digits) == LABELS[:40]) >= 0.9


def test_a_grid_is_tried_at_few_places(monkeypatch):
    """Of 400 lines, two pixels apart, only some pairs of ends are looked at."""
    tried, percentile = [], np.percentile

    def counted(*args, **options):
        tried.append(args)
        return percentile(*args, **options)

    monkeypatch.setattr(np, 'percentile', counted)
    grid = np.zeros((600, 800), np.float32)
    grid[:, ::2] = grid[::2] = 1
    module.without_rules(grid)
    assert len(tried) < 2000


def test_dirt_and_what_lies_in_at_the_edge_are_not_read():
    for i in range(20):
        sheet = drawn(i, place=(90, 110))
        clean = module.digit(sheet)
        sheet[10:13, 20:22] = 60  # a speck
        sheet[:, :9] = 30  # the table
        sheet[-12:] = 90  # another sheet
        assert apart(module.digit(sheet), clean) < 0.03
