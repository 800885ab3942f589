"""digit: sheets of every kind are read as MNIST's own digits are, and what is none is not."""

import itertools
from unittest.mock import Mock

import numpy as np
import pytest
import sheets
from helpers import DATA
from numpy.random import RandomState
from scipy import ndimage
from test_live import ask, live_of

import input_data
from handwriting import digit as module
from handwriting.photo import PictureError

N = 200  # digits of a kind
TEST = input_data.read_data_sets(DATA, one_hot=True).test
DIGITS, LABELS = TEST.images[:N].reshape(-1, 28, 28), TEST.labels[:N].argmax(axis=1)
MOST = {'place': 3, 'scale': 3, 'lit': 6, 'colour': 3, 'thickness': 11, 'ruled': 6}  # lost


@pytest.fixture(scope='module')
def read(trained):
    """read(digit): what the network reads on a digit in the form."""
    newest = live_of(trained)
    return lambda digit: ask(newest, '/input', digit.tobytes())[1]['logits'].argmax()


def as_read(picture):
    """The digit on a picture, or zeros and the reason."""
    try:
        return module.digit(picture), None
    except PictureError as error:
        return np.zeros((28, 28), np.float32), error.key


def rightly(read, pictures, labels):
    """Which pictures the network reads rightly. None that is refused."""
    found = zip(map(as_read, pictures), labels)
    return np.array([reason is None and read(form) == label for (form, reason), label in found])


@pytest.mark.parametrize('kind', MOST)
def test_sheets(read, kind):
    """Digits are lost that are read rightly as they are, and wrongly or not on the sheet."""
    random = RandomState(0)
    right = rightly(read, [getattr(sheets, kind)(digit, random) for digit in DIGITS], LABELS)
    lost = ((list(map(read, DIGITS)) == LABELS) & ~right).sum()
    print('%s: %d of %d' % (kind, lost, N))
    assert lost <= MOST[kind]


def test_strokes_as_the_page_draws_them(read):
    random, labels = RandomState(0), np.arange(100) % 10
    assert rightly(read, [sheets.stroked(i, random) for i in labels], labels).mean() >= 0.9


def drawn(i, place=None):
    ink = sheets.drawn(DIGITS[i], 200, 200, 110, RandomState(i), place)
    return sheets.levels_of(1 - 0.85 * ink)


def test_form():
    """A digit gets the form's box and centre of mass. One in the form stays nearly the same."""
    random, away = RandomState(2), []
    for digit in DIGITS[:50]:
        for sheet in sheets.place(digit, random), sheets.levels_of(1 - digit):
            found = module.digit(sheet)
            assert found.shape == (28, 28) and found.dtype == np.float32
            assert 0 <= found.min() and 0.9 < found.max() <= 1
            assert max(found.any(axis=axis).sum() for axis in (0, 1)) == 20
            assert np.abs(np.array(ndimage.center_of_mass(found)) - 14).max() <= 0.51
            assert len(np.unique(found)) > 8  # grey from anti-aliasing
        shifts = itertools.product([-1, 0, 1], repeat=2)  # it may lie a pixel apart
        away.append(min(np.abs(np.roll(found, shift, (0, 1)) - digit).mean() for shift in shifts))
    by_a_pixel = np.abs(np.roll(DIGITS[:50], 1, axis=2) - DIGITS[:50])
    assert np.mean(away) < 0.8 * by_a_pixel.mean()


BLANK = {
    'white': np.full((200, 300), 255, np.uint8),
    'black': np.zeros((200, 300, 3), np.uint8),
    'a pixel': np.full((1, 1), 7, np.uint8),
    'a strip': np.full((3, 800), 200, np.uint8),
    'grain': sheets.levels_of(0.94 + 0.016 * RandomState(0).randn(300, 400)),
    'squared': sheets.levels_of(1 - 0.4 * sheets.rules(300, 400, 20, True, RandomState(1))),
    'ruled': sheets.levels_of(1 - 0.6 * sheets.rules(300, 400, 40, False, RandomState(2))),
}


@pytest.mark.parametrize('name', BLANK)
def test_nothing_written(name):
    assert as_read(BLANK[name])[1] == 'nothing'


def test_light_alone():
    """The edge of a shadow is seldom mistaken for a figure."""
    empty = [sheets.levels_of(0.9 * sheets.light(300, 400, RandomState(i))) for i in range(20)]
    assert [as_read(sheet)[1] for sheet in empty].count('nothing') >= 16


@pytest.mark.parametrize('width', [4, 12, 24])
def test_lines_have_one_thickness(width):
    sheet = np.full((240, 240), 255, np.uint8)
    sheet[60:180, 100 : 100 + width] = 0
    assert module.digit(sheet).sum() / module.BOX == pytest.approx(2.5, abs=0.6)


def test_filled_squares():
    """Their skeleton may be one pixel, which no thinning removes."""
    for side in range(31, 41):
        square = np.zeros((side, side), np.uint8)
        assert module.digit(np.pad(square, 99, 'constant', constant_values=255)).max() > 0.9


@pytest.mark.parametrize('margin', [0, 1, 6])
def test_a_figure_cut_out_closely(read, margin):
    parts = []
    for i in range(50):
        sheet = drawn(i, (100, 100))
        figure = ndimage.grey_dilation(sheet < 180, 2 * [2 * margin + 1])
        parts.append(sheet[ndimage.find_objects(figure.astype(int))[0]])
        parts.append(255 - parts[-1])
    assert rightly(read, parts, LABELS[:50].repeat(2)).mean() >= 0.9


@pytest.mark.parametrize(
    'size, margin, left, width, paper, pen',
    [
        # of one pixel, as a mouse draws them, also on small sheets; and faint ones
        *[(n, n // 5, n // 2, 1, 255, pen) for n in (40, 50, 63, 100) for pen in (0, 200)],
        # a 1 from top to bottom
        *[(n, m, n // 2, w, 255, 0) for n, m, w in ((28, 1, 1), (100, 2, 2), (600, 12, 6))],
        (100, 25, 52, 2, (0, 255, 0), (0, 0, 255)),  # the same sum of red, green and blue
        (100, 25, 52, 2, (0, 0, 128), (0, 128, 0)),
        (280, 70, 142, 2, (255, 255, 255), (0, 0, 255)),  # no third pixel meets the line
    ],
)
def test_thin_lines(size, margin, left, width, paper, pen):
    sheet = np.full((size, size, *np.shape(paper)), paper, np.uint8)
    sheet[margin:-margin, left : left + width] = pen
    digit = module.digit(sheet)
    assert digit.any(axis=1).sum() == 20 and digit.any(axis=0).sum() <= 5


@pytest.mark.parametrize('shape, dtype', [((28, 28), float), ((28, 28, 4), np.uint8)])
def test_an_array_that_is_no_picture(shape, dtype):
    with pytest.raises(TypeError, match=r'^digit\(\) wants uint8 \[rows, columns\] or'):
        module.digit(np.ones(shape, dtype))


def test_several_figures():
    pairs = [([drawn(i), drawn(i + 1)], axis) for i in range(30) for axis in (0, 1)]
    assert [as_read(np.concatenate(*pair))[1] for pair in pairs].count('several') >= 58


@pytest.mark.parametrize(
    'boxes',  # top, bottom, left, right; the bar is the first
    [
        [(60, 72, 120, 190), (84, 150, 110, 122), (138, 150, 110, 180), (150, 220, 170, 182)],
        [(50, 72, 110, 260), (82, 250, 115, 130)],  # the bar has most of the ink
    ],
    ids=['5', '7'],
)
def test_a_bar_apart_belongs_to_the_figure(boxes):
    sheet = np.full((300, 300), 255, np.uint8)
    for top, bottom, left, right in boxes:
        sheet[top:bottom, left:right] = 20
    digit = module.digit(sheet)
    rows = np.flatnonzero(digit.any(axis=1))
    assert rows[-1] - rows[0] == 19 and digit[rows[1]].sum() > 5  # the bar is its top


@pytest.mark.parametrize('size, pen, gap', [(28, 2, 1), (280, 20, 9)])
def test_strokes_closer_than_the_pen_belong_together(size, pen, gap):
    """An open 4 whose left part is nearly as tall as the stem."""
    sheet, unit, stem = np.full((size, size), 255, np.uint8), size // 28, size // 2
    sheet[5 * unit : 16 * unit, stem - 8 * unit : stem - 8 * unit + pen] = 0
    sheet[16 * unit - pen : 16 * unit, stem - 8 * unit : stem - gap] = 0
    sheet[5 * unit : 24 * unit, stem : stem + pen] = 0
    assert module.digit(sheet)[10, [10, 16]].all()


@pytest.mark.parametrize('what', ['dirt', 'frame', 'window', 'cloth', 'pen'])
def test_what_is_beside_the_figure_is_not_read(read, what):
    random, sheets_with = RandomState(3), []
    for i in range(40):
        sheet = drawn(i, (100, 100))
        if what == 'dirt':  # a speck, the table, and another sheet
            sheet[10:13, 20:22], sheet[:, :9], sheet[-12:] = 60, 30, 90
        elif what == 'frame':  # around the sheet, a bit inside
            sheet[8:-8, [8, 9, -10, -9]] = sheet[[8, 9, -10, -9], 8:-8] = 40
        elif what == 'window':  # a line of its frame, which the figure touches
            top = np.flatnonzero((sheet < 180).any(axis=1))[0]
            sheet = np.concatenate([np.full_like(sheet[:1], 40), sheet[top:]])
        elif what == 'cloth':  # with a pattern, along a side
            cloth = random.randint(0, 255, (8, 20)).repeat(5, 0).repeat(10, 1)
            sheet = np.concatenate([sheet, cloth.astype(np.uint8)])
        else:  # it comes in at the edge and has more ink than the figure
            sheet[175:195, 120:] = 30
        sheets_with.append(sheet)
    least = 0.85 if what == 'cloth' else 0.9  # a part of the pattern may count as a figure
    assert rightly(read, sheets_with, LABELS[:40]).mean() >= least


def test_a_grid_is_tried_at_few_places(monkeypatch):
    """Of 400 lines, two pixels apart, only some pairs of ends are looked at."""
    percentile = Mock(wraps=np.percentile)
    monkeypatch.setattr(np, 'percentile', percentile)
    grid = (np.indices((600, 800)) % 2).all(axis=0).astype(np.uint8)
    assert as_read(255 * grid)[1] == 'nothing' and 0 < percentile.call_count < 2000
