"""photo: each format is read as it should be seen, and what cannot be read is said in a line."""

import io

import numpy as np
import pytest
from PIL import Image

from handwriting import photo


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


LEVELS = np.full((40, 60), 255, np.uint8)
LEVELS[10:20, 5:25] = 0  # tells how it is turned
KINDS = {'PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'AVIF', 'HEIF'} & set(Image.SAVE)
SMALL = encoded(Image.fromarray(LEVELS), 'PNG')


def assert_refused(key, text, function, argument):
    with pytest.raises(photo.PictureError, match=text) as caught:
        function(argument)
    assert (caught.value.key, caught.value.exit_status) == (key, 1)


def assert_as_levels(image, kind, **options):
    found = photo.decode(encoded(image, kind, **options))
    assert found.dtype == np.uint8 and found.shape[:2] == LEVELS.shape
    assert np.abs(np.atleast_3d(found) - LEVELS[..., np.newaxis].astype(float)).mean() < 0.8


@pytest.mark.parametrize('kind', sorted(KINDS))
@pytest.mark.parametrize('mode', ['L', 'RGB', 'P', '1'])
def test_formats(kind, mode):
    image = Image.fromarray(LEVELS).convert(mode)
    if kind in ('JPEG', 'HEIF', 'AVIF') and mode in ('P', '1'):
        image = image.convert('RGB')
    assert_as_levels(image, kind)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_photo_on_its_side_or_in_a_mirror_stands_upright(orientation):
    lying = [LEVELS, LEVELS[:, ::-1], LEVELS[::-1, ::-1], LEVELS[::-1]][(orientation - 1) % 4]
    image = Image.fromarray(np.ascontiguousarray(lying.T if orientation > 4 else lying))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_as_levels(image, 'JPEG', exif=exif.tobytes())


def test_what_is_transparent_lies_on_white_and_what_is_deep_is_scaled():
    pixels = np.dstack([0 * LEVELS, 0 * LEVELS, 0 * LEVELS, 255 - LEVELS])
    assert_as_levels(Image.fromarray(pixels), 'PNG')
    palette = Image.fromarray(LEVELS // 255).convert('P')
    palette.putpalette([0] * 768)  # black ink, and black that is transparent
    for kind in 'PNG', 'GIF':
        assert_as_levels(palette, kind, transparency=1)
    assert_as_levels(Image.fromarray(LEVELS.astype(np.uint16) * 200 + 500), 'PNG')
    assert_as_levels(Image.fromarray(LEVELS / np.float32(255)), 'TIFF')


def test_large_pictures(monkeypatch):
    """The size is known before the pixels are read. A large picture is made smaller."""
    for kind in 'JPEG', 'PNG':
        assert max(photo.decode(encoded(Image.new('L', (3000, 2000)), kind)).shape) <= photo.LARGEST
    monkeypatch.setattr(photo, 'MAX_PIXELS', 2399)
    monkeypatch.setattr(Image.Image, 'load', None)
    for pillows_own in photo.MAX_PIXELS, 100:  # Pillow raises an error at twice as many
        monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', pillows_own)
        assert_refused('large', 'megapixels; save it smaller', photo.decode, SMALL)


@pytest.mark.parametrize(
    'key, text, content',
    [('format', 'save it as JPEG or PNG$', content) for content in (b'', b'no picture')]
    + [('damaged', 'save it anew$', content) for content in (SMALL[:60], SMALL[:-30])]
    + [('format', 'pip install pillow-heif, or', b'\0\0\0\x18ftypheic')],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_what_is_no_picture(monkeypatch, key, text, content):
    monkeypatch.setattr(photo, 'FORMATS', photo.FORMATS - {'HEIF'})
    assert_refused(key, text, photo.decode, content)


def test_what_cannot_be_read(tmp_path, monkeypatch):
    assert_refused('file', 'no picture in the folder', photo.read, str(tmp_path))
    assert_refused('file', r'cannot be read \(No .*\); name a picture', photo.read, 'gone.png')
    monkeypatch.setattr(photo, 'MAX_BYTES', 3)
    assert_refused('large', 'has more than 64 MB; save it smaller', photo.read, __file__)
