"""handwriting: sheets of every kind are read as MNIST's own digits are, and what is none is not.

A training of a thousand steps reads the test digits as they are, and on each kind of sheet.
"""

from support import checkpoints, handwriting, images

import numpy as np
import pytest
import sheets
import tensorflow.compat.v1 as tf
from conftest import DATA
from test_images import with_exif

import input_data
import mnist_lenet5_forward

N = 1000  # digits of a kind, so that chance does not decide
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

        def read(digits):
            digits = np.array(digits).reshape(-1, 28, 28, 1)
            parts = [sess.run(y, {x: digits[i : i + 250]}) for i in range(0, len(digits), 250)]
            return np.concatenate(parts).argmax(axis=1)

        yield read


def as_read(picture):
    """The digit on a picture, or zeros and the reason."""
    try:
        return handwriting.digit(picture), None
    except images.PictureError as error:
        return np.zeros((28, 28), np.float32), error.key


@pytest.mark.parametrize(
    'kind, points, n',
    [
        (sheets.place, 1, N),
        (sheets.scale, 1, N),
        (sheets.lit, 1, N),
        (sheets.colour, 1, N),
        (sheets.thickness, 3, N),
        (sheets.ruled, 3, N // 2),
    ],
    ids=lambda value: getattr(value, '__name__', ''),
)
def test_sheets(read, kind, points, n):
    random = np.random.RandomState(0)
    digits, reasons = zip(*(as_read(kind(digit, random)) for digit in DIGITS[:n]))
    right = np.mean((read(digits) == LABELS[:n]) & [reason is None for reason in reasons])
    originals = np.mean(read(DIGITS[:n]) == LABELS[:n])
    print('%s: %.1f%%, the originals %.1f%%' % (kind.__name__, 100 * right, 100 * originals))
    assert right >= originals - points / 100


def test_exif(read):
    """Photos that lie on their side in every way, as JPEG."""
    random = np.random.RandomState(0)
    digits, n = [], N // 2
    with tf.Graph().as_default(), tf.Session() as sess:
        picture = tf.placeholder(tf.uint8, [None, None, 1])
        encode = sess.make_callable(tf.image.encode_jpeg(picture, quality=85), [picture])
        for i, digit in enumerate(DIGITS[:n]):
            sheet = sheets.place(digit, random)
            orientation = i % 8 + 1
            if orientation in (3, 4, 7, 8):
                sheet = sheet[::-1]
            if orientation in (2, 3, 6, 7):
                sheet = sheet[:, ::-1]
            if orientation >= 5:
                sheet = sheet.T
            content = with_exif(encode(sheet[:, :, np.newaxis]), orientation)
            digits.append(as_read(images.decode(content))[0])
    originals = np.mean(read(DIGITS[:n]) == LABELS[:n])
    assert np.mean(read(digits) == LABELS[:n]) >= originals - 0.01


def test_a_photo_of_15_megabytes():
    """12 megapixels with a camera's noise, as a JPEG of the best quality."""
    small = drawn(3, 300, 400, 150)
    random = np.random.RandomState(0)
    photo = small.repeat(10, axis=0).repeat(10, axis=1)[:, :, np.newaxis] * 0.8
    photo = (photo + random.randint(0, 50, (3000, 4000, 3))).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as sess:
        content = sess.run(tf.image.encode_jpeg(photo, quality=100, chroma_downsampling=False))
    assert 15e6 < len(content) < images.MAX_BYTES
    assert apart(handwriting.digit(images.decode(content)), handwriting.digit(small)) < 0.06


def test_strokes_as_the_page_draws_them(read):
    random = np.random.RandomState(0)
    labels = np.arange(100) % 10
    digits, reasons = zip(*(as_read(sheets.stroked(label, random)) for label in labels))
    assert np.mean((read(digits) == labels) & [reason is None for reason in reasons]) >= 0.9


def drawn(i, height=200, width=200, size=110, place=None):
    ink = sheets.drawn(DIGITS[i], height, width, size, np.random.RandomState(i), place)
    return sheets.levels_of(1 - 0.85 * ink)


def test_form():
    """The box of 20 pixels, and the centre of mass, of a digit that lies anywhere."""
    random = np.random.RandomState(2)
    for digit in DIGITS[:50]:
        found = handwriting.digit(sheets.place(digit, random))
        assert found.shape == (28, 28) and found.dtype == np.float32
        assert 0 <= found.min() and 0.99 < found.max() <= 1
        rows, columns = found.any(axis=1).sum(), found.any(axis=0).sum()
        assert max(rows, columns) == 20
        for axis in 0, 1:
            middle = (found.sum(axis=1 - axis) * np.arange(28)).sum() / found.sum()
            assert abs(middle - 14) <= 0.51
        assert len(np.unique(found)) > 8  # grey from anti-aliasing


def test_a_digit_in_the_form_stays_as_it_is():
    away, by_a_pixel = [], []
    for digit in DIGITS[:100]:
        grey = (255 * digit).round().astype(np.uint8)
        away += [np.abs(handwriting.digit(pixels) - digit).mean() for pixels in (grey, 255 - grey)]
        by_a_pixel.append(np.abs(np.roll(digit, 1) - digit).mean())
    assert np.mean(away) < 0.7 * np.mean(by_a_pixel)


@pytest.mark.parametrize(
    'picture',
    [
        np.full((200, 300), 255, np.uint8),
        np.zeros((200, 300, 3), np.uint8),
        np.full((1, 1), 7, np.uint8),
        np.full((3, 2000), 200, np.uint8),
        (240 + 4 * np.random.RandomState(0).randn(300, 400)).astype(np.uint8),
        np.random.RandomState(0).randint(0, 256, (300, 400, 3)).astype(np.uint8),
        sheets.levels_of(0.9 * sheets.light(300, 400, np.random.RandomState(1))),
        sheets.levels_of(1 - 0.4 * sheets.rules(300, 400, 20, True, np.random.RandomState(1))),
        sheets.levels_of(1 - 0.6 * sheets.rules(300, 400, 40, False, np.random.RandomState(2))),
    ],
    ids=['white', 'black', 'a pixel', 'a strip', 'grain', 'noise', 'light', 'squared', 'ruled'],
)
def test_nothing_written(picture):
    assert as_read(picture)[1] == 'nothing'


def test_a_filled_loop_takes_no_line_away():
    """A 6 by a thick marker: its loop is thinned, and its line is not."""
    y, x = np.mgrid[:240, :200]
    sheet = (y - 150) ** 2 + (x - 90) ** 2 < 40**2
    sheet |= (np.abs(x - 70 - (150 - y) / 3) < 12) & (y > 30) & (y < 150)
    digit = handwriting.digit(sheets.levels_of(1 - 0.9 * sheet))
    rows = np.flatnonzero(digit.any(axis=1))
    assert len(rows) == 20 and (digit[rows[2:8]].sum(axis=1) > 2.2).all()
    assert digit[rows[10:]].sum(axis=1).max() < 20 * 80 / 160  # as wide as it was written


def apart(one, other):
    """The mean difference of two digits, which may lie a pixel apart."""
    shifts = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    return min(np.abs(np.roll(one, shift, (0, 1)) - other).mean() for shift in shifts)


def test_a_figure_that_reaches_into_a_shadow():
    y, x = np.mgrid[:200, :200]
    for i in range(20):
        sheet = drawn(i, place=(120, 115))
        clean = handwriting.digit(sheet)
        for across in x - 0.3 * y - 85, y + 0.2 * x - 140, x - 0.45 * y - 110:
            shadow = 0.5 + 0.5 / (1 + np.exp(np.clip(across / 2, -50, 50)))
            assert apart(handwriting.digit((sheet * shadow).round().astype(np.uint8)), clean) < 0.06


@pytest.mark.parametrize('margin', [1, 2, 6])
def test_a_figure_cut_out_closely(margin):
    for i in range(100):
        sheet = drawn(i, place=(100, 100))
        rows, columns = (np.flatnonzero((sheet < 180).any(axis=axis)) for axis in (1, 0))
        part = sheet[rows[0] - margin : rows[-1] + 1 + margin]
        part = part[:, columns[0] - margin : columns[-1] + 1 + margin]
        clean = handwriting.digit(sheet)
        for each in part, 255 - part:
            assert apart(handwriting.digit(each), clean) < 0.06


def test_a_blot_is_no_digit():
    y, x = np.mgrid[:200, :200]
    blot = sheets.levels_of(1.0 * ((y - 90) ** 2 + (x - 80) ** 2 > 20**2))
    assert as_read(blot)[1] == 'nothing'


def test_several_figures():
    found = [as_read(np.concatenate([drawn(i), drawn(i + 1)], axis=1))[1] for i in range(40)]
    found += [as_read(np.concatenate([drawn(i), drawn(i + 1)], axis=0))[1] for i in range(40)]
    assert found == ['several'] * 80


def test_a_stroke_apart_belongs_to_the_figure():
    """The bar of a 5, which stops short of it."""
    sheet = np.full((300, 300), 255, np.uint8)
    sheet[60:72, 120:190] = 20  # the bar
    sheet[84:150, 110:122] = 20
    sheet[138:150, 110:180] = 20
    sheet[150:220, 170:182] = 20
    sheet[208:220, 105:170] = 20
    digit = handwriting.digit(sheet)
    rows = np.flatnonzero(digit.sum(axis=1) > 2)
    assert rows[-1] - rows[0] == 19 and digit[rows[0]].sum() > 5  # the bar is its top


def test_dirt_and_what_lies_in_at_the_edge_are_not_read():
    for i in range(20):
        sheet = drawn(i, place=(90, 110))
        clean = handwriting.digit(sheet)
        sheet[10:13, 20:22] = 60  # a speck
        sheet[:, :9] = 30  # the table
        sheet[-12:] = 90  # another sheet
        assert np.abs(handwriting.digit(sheet) - clean).mean() < 0.02
