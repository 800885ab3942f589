"""photo: each format is read as it should be seen, and what cannot be read is said in a line."""

import io

import numpy as np
import pytest
from PIL import Image

from handwriting import photo

LEVELS = np.full((40, 60), 255, np.uint8)
LEVELS[10:20, 5:25] = 0  # tells how it is turned


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(content):
    """The levels of a picture, of whatever kind."""
    picture = photo.decode(content)
    assert picture.dtype == np.uint8
    return picture.astype(float) if picture.ndim == 2 else picture.mean(axis=2)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'AVIF', 'HEIF'])
@pytest.mark.parametrize('mode', ['L', 'RGB', 'P', '1'])
def test_formats(kind, mode):
    image = Image.fromarray(LEVELS).convert(mode)
    if kind not in photo.FORMATS or kind not in Image.SAVE:
        pytest.skip('this Pillow has no %s' % kind)
    if kind in ('JPEG', 'HEIF', 'AVIF') and mode in ('P', '1'):
        image = image.convert('RGB')
    found = grey(encoded(image, kind))
    assert found.shape == LEVELS.shape and np.abs(found - LEVELS).mean() < 4


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif(orientation):
    """A photo that lies on its side stands upright, and one in a mirror is turned."""
    lying = LEVELS
    if orientation in (3, 4, 7, 8):
        lying = lying[::-1]
    if orientation in (2, 3, 6, 7):
        lying = lying[:, ::-1]
    if orientation >= 5:
        lying = lying.T
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(lying)), 'JPEG', exif=exif.tobytes())
    found = grey(content)
    assert found.shape == LEVELS.shape and np.abs(found - LEVELS).mean() < 4


def test_what_is_transparent_lies_on_white():
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[..., 3] = 255 - LEVELS
    assert (grey(encoded(Image.fromarray(pixels), 'PNG')) == LEVELS).all()
    palette = Image.fromarray(LEVELS // 255).convert('P')
    palette.putpalette([0, 0, 0, 0, 0, 0] + [0] * 762)  # black ink, and black that is transparent
    for kind in 'PNG', 'GIF':
        assert (grey(encoded(palette, kind, transparency=1)) == LEVELS).all()


def test_16_bits_are_scaled():
    levels = LEVELS.astype(np.uint16) * 200 + 500
    found = grey(encoded(Image.fromarray(levels), 'PNG'))
    assert found.max() == 255 and (found < 10).sum() == (LEVELS == 0).sum()


def test_floats_from_0_to_1():
    found = grey(encoded(Image.fromarray(LEVELS / np.float32(255)), 'TIFF'))
    assert (found == LEVELS).all()


def test_large_pictures(monkeypatch):
    """The size is known before the pixels are read, and a JPEG decoded at a fraction of it."""
    large = Image.fromarray(LEVELS).resize((3000, 2000))
    for kind in 'JPEG', 'PNG':
        found = grey(encoded(large, kind))
        assert max(found.shape) <= photo.LARGEST
    monkeypatch.setattr(photo, 'MAX_PIXELS', 2399)
    monkeypatch.setattr(Image.Image, 'load', None)
    with pytest.raises(photo.PictureError, match='megapixels; save it smaller') as caught:
        photo.decode(encoded_before)
    assert caught.value.key == 'large' and caught.value.exit_status == 1
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)  # Pillow's own error, at twice as many
    with pytest.raises(photo.PictureError, match='megapixels; save it smaller'):
        photo.decode(encoded_before)


encoded_before = encoded(Image.fromarray(LEVELS), 'PNG')


def test_what_cannot_be_read(tmp_path, monkeypatch):
    for content, key in (
        (b'', 'format'),
        (b'no picture', 'format'),
        (encoded_before[:60], 'damaged'),
        (encoded_before[:-30], 'damaged'),
    ):
        with pytest.raises(photo.PictureError) as caught:
            photo.decode(content)
        assert caught.value.key == key and '\n' not in str(caught.value)
    monkeypatch.setattr(photo, 'FORMATS', {'PNG'})
    with pytest.raises(photo.PictureError, match='pip install pillow-heif, or save it as JPEG'):
        photo.decode(b'\0\0\0\x18ftypheic' + bytes(100))
    with pytest.raises(photo.PictureError, match=r'cannot be read \(.*\); name a picture'):
        photo.read(str(tmp_path))
    path = tmp_path / 'large'
    path.write_bytes(b'1234')
    assert photo.read(str(path)) == b'1234'
    monkeypatch.setattr(photo, 'MAX_BYTES', 3)
    with pytest.raises(photo.PictureError, match='has more than 64 MB; save it smaller'):
        photo.read(str(path))
