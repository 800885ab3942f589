"""images: what each kind of file is decoded to, and what is refused in a line."""

import struct
import zlib

from support import images

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

PICTURE = np.random.RandomState(0).randint(0, 256, (6, 9, 3)).astype(np.uint8)


def encoded(kind, picture, **options):
    with tf.Graph().as_default(), tf.Session() as sess:
        return sess.run(getattr(tf.image, 'encode_' + kind)(picture, **options))


def chunk(kind, content):
    body = kind + content
    return struct.pack('>I', len(content)) + body + struct.pack('>I', zlib.crc32(body))


def png(width, depth, colour_type, rows, *chunks):
    head = struct.pack('>IIBBBBB', width, len(rows), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b''.join(b'\0' + row for row in rows))
    parts = chunk(b'IHDR', head), *chunks, chunk(b'IDAT', pixels), chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def bmp(width, height, bits, pixels, size=40, compression=0, more=b''):
    head = struct.pack('<IiiHHIIiiII', size, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    offset = 14 + len(head) + len(more)
    total = offset + len(pixels)
    return b'BM' + struct.pack('<IHHI', total, 0, 0, offset) + head + more + pixels


def gif(frames, transparent=None, size=(2, 2), place=(0, 0), frame=(2, 2)):
    """Frames of 2 x 2 pixels, each one of four colours."""
    colours = bytes([255, 255, 255, 0, 0, 0, 200, 10, 20, 90, 90, 90])
    content = b'GIF89a' + struct.pack('<HHBBB', size[0], size[1], 0x91, 0, 0) + colours
    for codes in frames:
        flags = 0 if transparent is None else 1
        content += b'\x21\xf9\x04' + struct.pack('<BHB', flags, 10, transparent or 0) + b'\0'
        content += b'\x2c' + struct.pack('<HHHHB', *place, *frame, 0) + b'\x02'
        codes = [4, *codes[:2], 4, *codes[2:], 5]  # clear, ..., end; so all are of three bits
        bits = sum(code << 3 * i for i, code in enumerate(codes))
        content += b'\x03' + struct.pack('<I', bits)[:3] + b'\0'
    return content + b';'


def exif(orientation, order='>'):
    tags = struct.pack(order + 'HHIHH', 0x0112, 3, 1, orientation, 0)
    other = struct.pack(order + 'HHII', 0x010F, 2, 4, 0)
    head = b'MM' if order == '>' else b'II'
    head += struct.pack(order + 'HI', 42, 8) + struct.pack(order + 'H', 2)
    return head + other + tags + struct.pack(order + 'I', 0)


def with_exif(jpeg, orientation, order='>'):
    body = b'Exif\0\0' + exif(orientation, order)
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + jpeg[2:]


def refused(content):
    with pytest.raises(images.PictureError) as caught:
        images.decode(content)
    assert '\n' not in str(caught.value)
    assert caught.value.exit_status == 1
    return caught.value.key, str(caught.value)


def test_png():
    assert (images.decode(encoded('png', PICTURE)) == PICTURE).all()
    grey = images.decode(encoded('png', PICTURE[:, :, :1]))
    assert (grey == PICTURE[:, :, :1]).all() and grey.shape == PICTURE.shape
    deep = PICTURE[:, :, :1].astype(np.uint16) * 257
    assert (images.decode(encoded('png', deep)) == PICTURE[:, :, :1]).all()


@pytest.mark.parametrize('depth', [1, 2, 4])
@pytest.mark.parametrize('transparent', [False, True])
def test_png_of_few_bits(depth, transparent):
    """TensorFlow gives its alpha, where it has none, too few bits."""
    row = bytes([int('00011011', 2)] * 2)
    levels = np.array([int(b) for b in '0001101100011011']).reshape(-1, depth)
    levels = levels.dot(2 ** np.arange(depth)[::-1]) * 255 // (2**depth - 1)
    trns = [chunk(b'tRNS', struct.pack('>H', 0))] if transparent else []
    found = images.decode(png(16 // depth, depth, 0, [row], *trns))[0, :, 0]
    expected = np.where(levels == 0, 255, levels) if transparent else levels
    assert (found == expected).all()
    colours = chunk(b'PLTE', bytes(range(60, 60 + 3 * 2**depth)))
    found = images.decode(png(16 // depth, depth, 3, [row], colours))[0, :, 1]
    assert (found == 61 + 3 * (levels * (2**depth - 1) // 255)).all()


def test_transparent_png_lies_on_white_paper():
    alpha = np.random.RandomState(1).randint(0, 256, (6, 9, 1)).astype(np.uint8)
    alpha[0, :3] = [[0], [255], [128]]
    found = images.decode(encoded('png', np.concatenate([PICTURE, alpha], axis=2)))
    expected = 255 + alpha / 255.0 * (PICTURE - 255.0)
    assert np.abs(found - expected).max() <= 1
    found = images.decode(encoded('png', np.concatenate([PICTURE[:, :, :1], alpha], axis=2)))
    assert np.abs(found - (255 + alpha / 255.0 * (PICTURE[:, :, :1] - 255.0))).max() <= 1


@pytest.mark.parametrize('shape', [(40, 60, 3), (40, 60, 1)])
def test_jpeg(shape):
    picture = np.linspace(0, 255, 40 * 60).reshape(40, 60, 1).astype(np.uint8)
    picture = np.ones(shape, np.uint8) * picture
    for progressive in False, True:
        found = images.decode(encoded('jpeg', picture, quality=95, progressive=progressive))
        assert found.shape == (40, 60, 3) and np.abs(found - picture.astype(int)).max() < 12


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif(orientation, order):
    """The picture's corners: where Exif says that the first row and column are seen."""
    seen = np.full((32, 48, 3), 255, np.uint8)
    seen[:16, :16] = 0  # dark at the top on the left
    rows, columns = {
        1: ('top', 'left'),
        2: ('top', 'right'),
        3: ('bottom', 'right'),
        4: ('bottom', 'left'),
        5: ('left', 'top'),
        6: ('right', 'top'),
        7: ('right', 'bottom'),
        8: ('left', 'bottom'),
    }[orientation]
    stored = seen if rows in ('top', 'bottom') else seen.transpose(1, 0, 2)
    stored = stored[::-1] if rows in ('bottom', 'right') else stored
    stored = stored[:, ::-1] if columns in ('bottom', 'right') else stored
    jpeg = with_exif(encoded('jpeg', stored, quality=95), orientation, order)
    found = images.decode(jpeg)
    assert found.shape == seen.shape and np.abs(found.astype(int) - seen).max() < 40
    pixels = [row.tobytes() for row in stored]
    content = png(stored.shape[1], 8, 2, pixels, chunk(b'eXIf', exif(orientation, order)))
    assert (images.decode(content) == seen).all()


def test_exif_that_is_damaged():
    jpeg = encoded('jpeg', PICTURE)
    plain = images.decode(jpeg)
    for orientation in 0, 9, 6000:
        assert (images.decode(with_exif(jpeg, orientation)) == plain).all()
    whole = b'Exif\0\0' + exif(6)
    for length in range(len(whole) - 6):
        cut = b'\xff\xe1' + struct.pack('>H', length + 2) + whole[:length]
        assert (images.decode(jpeg[:2] + cut + jpeg[2:]) == plain).all()


def test_bmp():
    pixels = b''.join(row[:, ::-1].tobytes() + b'\0' for row in PICTURE)  # a row of 27 bytes
    assert (images.decode(bmp(9, -6, 24, pixels)) == PICTURE).all()
    assert (images.decode(bmp(9, 6, 24, pixels)) == PICTURE[::-1]).all()


@pytest.mark.parametrize('fourth', [0, 77, 255])
def test_bmp_of_32_bits(fourth):
    """Its fourth byte is alpha only where the header says so, and anything elsewhere."""
    four = np.concatenate([PICTURE[:, :, ::-1], np.full((6, 9, 1), fourth, np.uint8)], axis=2)
    assert (images.decode(bmp(9, -6, 32, four.tobytes())) == PICTURE).all()
    masks = struct.pack('<IIII', 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    found = images.decode(bmp(9, -6, 32, four.tobytes(), 108, 3, masks))
    alpha = (fourth or 255) / 255.0  # all of it transparent: nobody meant that
    assert np.abs(found - (255 + alpha * (PICTURE - 255.0))).max() <= 1
    # decoded in the other order once more: TensorFlow 1 keeps the number of channels of the first
    test_bmp()


def test_gif():
    """The first frame of several."""
    found = images.decode(gif([[0, 1, 2, 3], [3, 3, 3, 3]]))
    assert found.tolist() == [[[255] * 3, [0] * 3], [[200, 10, 20], [90] * 3]]


@pytest.mark.parametrize(
    'content, key, text',
    [
        (b'', 'format', 'is no picture; save it as JPEG, PNG, BMP or GIF'),
        (b'hello', 'format', 'is no picture; save it as JPEG, PNG, BMP or GIF'),
        (b'\0\0\0\x18ftypheic', 'format', 'is a HEIC picture; save it as JPEG'),
        (b'\0\0\0\x18ftypmif1', 'format', 'is a HEIC picture; save it as JPEG'),
        (b'\0\0\0\x18ftypavif', 'format', 'is a AVIF picture; save it as JPEG'),
        (b'RIFF\0\0\0\0WEBPVP8 ', 'format', 'is a WebP picture; save it as JPEG'),
        (b'RIFF\0\0\0\0WAVE', 'format', 'is no picture; save it as JPEG, PNG, BMP or GIF'),
        (bmp(8, 4, 8, bytes(32)), 'bmp', 'is a BMP of 8 bits a pixel; save it as PNG'),
        (bmp(8, 4, 1, bytes(32)), 'bmp', 'is a BMP of 1 bits a pixel; save it as PNG'),
        (bmp(8, 4, 16, bytes(64)), 'bmp', 'is a BMP of 16 bits a pixel; save it as PNG'),
        (bmp(8, 4, 24, bytes(96), 12), 'bmp', 'is a BMP of an old kind; save it as PNG'),
        (bmp(8, 4, 24, bytes(96), 40, 1), 'bmp', 'is a BMP of a rare kind; save it as PNG'),
        (bmp(8, 4, 32, bytes(160), 40, 3), 'bmp', 'is a BMP of a rare kind; save it as PNG'),
        (gif([[0, 1, 2, 3]], 2), 'gif', 'is a GIF with transparent parts; save it as PNG'),
        (
            gif([[0, 1, 2, 3]], size=(4, 4), place=(1, 1)),
            'gif',
            'is a GIF whose first frame is a part of it; save it as PNG',
        ),
    ],
)
def test_refused(content, key, text):
    assert refused(content) == (key, text)


def test_large_pictures_are_refused_from_their_header(monkeypatch):
    monkeypatch.setattr(images, '_decoder', None)
    line = 'has 51 megapixels, more than 50; save it smaller'
    jpeg = bytearray(encoded('jpeg', PICTURE))
    place = jpeg.index(b'\xff\xc0') + 5
    jpeg[place : place + 4] = struct.pack('>HH', 6000, 8500)
    assert refused(bytes(jpeg)) == ('large', line)
    assert refused(png(8500, 8, 0, [b''] * 6000)) == ('large', line)
    large_gif = gif([[0, 1, 2, 3]], size=(8500, 6000), frame=(8500, 6000))
    assert refused(large_gif) == ('large', line)


@pytest.mark.parametrize('kind', ['png', 'jpeg', 'bmp', 'gif'])
def test_damaged(kind, capfd):
    """Cut anywhere: one exception, and no word of TensorFlow's beside it."""
    content = {
        'png': encoded('png', PICTURE),
        'jpeg': encoded('jpeg', PICTURE),
        'bmp': bmp(9, 6, 24, bytes(28 * 6)),
        'gif': gif([[0, 1, 2, 3]]),
    }[kind]
    images.decode(content)
    capfd.readouterr()
    least = {'png': 8, 'jpeg': 3, 'bmp': 2, 'gif': 4}[kind]
    for length in range(least, len(content) - 16, 7):
        key, line = refused(content[:length])
        assert key in ('damaged', 'bmp'), line
    assert capfd.readouterr().err == ''


def test_large_jpeg_is_decoded_smaller():
    picture = np.full((300, 9000, 3), 255, np.uint8)
    picture[:, :3000] = 0
    found = images.decode(encoded('jpeg', picture))
    assert found.shape == (75, 2250, 3)
    assert (found[:, :740] < 30).all() and (found[:, 760:] > 225).all()


def test_read(tmp_path, monkeypatch):
    path = tmp_path / 'x.png'
    path.write_bytes(b'abc')
    assert images.read(str(path)) == b'abc'
    monkeypatch.setattr(images, 'MAX_BYTES', 2 * 2**20)
    path.write_bytes(bytes(2 * 2**20 + 1))
    for name, line in (
        (path, 'has more than 2 MB; save it smaller'),
        (tmp_path, 'is no file; name a picture'),
        (tmp_path / 'y', 'cannot be read (No such file or directory); name a picture'),
        ('a\0b', 'cannot be read (embedded null byte); name a picture'),
    ):
        with pytest.raises(images.PictureError) as caught:
            images.read(str(name))
        assert str(caught.value) == line
