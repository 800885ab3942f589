"""Image files: PNG, JPEG, BMP and the first frame of a GIF, as they should be seen.

TensorFlow decodes them, and some of them wrongly without a word. So a file's header is read first:
how large the picture is, how a camera was held, and what TensorFlow would not get right.
"""

import functools
import os
import struct
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

MAX_PIXELS = 50 * 10**6
MAX_BYTES = 64 * 2**20
LARGE = 4000  # pixels of a JPEG's larger side; of more, it is decoded at a half, a quarter, ...

OTHERS = (  # place in the file, what is there, what it is
    (4, b'ftyphei', 'HEIC'),
    (4, b'ftyphev', 'HEIC'),
    (4, b'ftypmif1', 'HEIC'),
    (4, b'ftypmsf1', 'HEIC'),
    (4, b'ftypavi', 'AVIF'),
    (8, b'WEBP', 'WebP'),
)


class PictureError(Exception):
    """A picture cannot be read; `key` names the kind of reason in a word.

    The text is to stand behind the name of the picture and a colon.
    """

    exit_status = 1

    def __init__(self, key, text):
        super().__init__(text)
        self.key = key


def read(path):
    """Returns the bytes of a file. Raises PictureError."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise PictureError('file', 'is no file; name a picture')
        with open(path, 'rb') as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError for a name that no file can have
        reason = getattr(error, 'strerror', None) or str(error)
        raise PictureError('file', 'cannot be read (%s); name a picture' % reason) from error
    if len(content) > MAX_BYTES:
        line = 'has more than %d MB; save it smaller'
        raise PictureError('large', line % (MAX_BYTES // 2**20))
    return content


def decode(content):
    """Returns the picture [rows, columns, 3], uint8, in the bytes of a file: upright, and with
    white paper behind what is transparent.

    A large JPEG may come out at a half, a quarter or an eighth of its size. Raises PictureError.
    """
    found = [kind for head, kind in FORMATS.items() if content.startswith(head)]
    if not found:
        raise _unknown(content)
    ((name, header),) = found
    try:
        width, height, channels, content = header(content)
    except (struct.error, IndexError) as error:
        raise PictureError('damaged', 'is a damaged %s; save it anew' % name) from error
    if width * height > MAX_PIXELS:
        line = 'has %.0f megapixels, more than %d; save it smaller'
        raise PictureError('large', line % (width * height / 1e6, MAX_PIXELS / 1e6))
    ratio = 1
    while name == 'JPEG' and ratio < 8 and max(width, height) / ratio > LARGE:
        ratio *= 2
    try:
        picture = _decoder(name, channels, ratio)(content)
    except tf.errors.OpError as error:
        raise PictureError('damaged', 'is a damaged %s; save it anew' % name) from error
    picture = picture.reshape(picture.shape[-3:])
    if channels == 4:
        alpha = picture[:, :, 3:].astype(np.uint16)
        over_white = 255 - (255 - picture[:, :, :3].astype(np.uint16)) * alpha // 255
        picture = over_white.astype(np.uint8)
    return upright(picture, orientation(content))


def _unknown(content):
    for place, head, name in OTHERS:
        if content[place:].startswith(head):
            return PictureError('format', 'is a %s picture; save it as JPEG' % name)
    return PictureError('format', 'is no picture; save it as JPEG, PNG, BMP or GIF')


@functools.lru_cache(maxsize=None)
def _decoder(name, channels, ratio):
    """Returns TensorFlow's decoder of a format, made once: to make it takes longer than to run."""
    with tf.Graph().as_default():
        content = tf.placeholder(tf.string, [])
        if name == 'PNG':
            decoded = tf.image.decode_png(content, channels)
        elif name == 'JPEG':
            decoded = tf.image.decode_jpeg(content, channels, ratio=ratio)
        elif name == 'BMP':
            decoded = tf.image.decode_bmp(content, channels)
        else:
            decoded = tf.image.decode_gif(content)
        return tf.Session().make_callable(decoded, [content])


def _png(content):
    """Returns width, height, channels to decode and content of a PNG; so do the three below."""
    kinds = {kind for kind, _, _ in chunks(content)}
    width, height, _, colour_type = struct.unpack_from('>IIBB', content, 16)
    # of fewer than 8 bits TensorFlow gives a wrong alpha where the file has none
    transparent = colour_type & 4 or b'tRNS' in kinds
    return width, height, 4 if transparent else 3, content


def _jpeg(content):
    size, pixels = None, len(content)
    for marker, begin, pixels in segments(content):  # noqa: B007
        # SOF0 to SOF15: the frame, except DHT, JPG and DAC, which have numbers among them
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = struct.unpack_from('>HH', content, begin + 1)
    if not size or content.find(b'\xff\xd9', pixels) < 0:  # it has no end
        raise IndexError
    return size[1], size[0], 3, content


def _bmp(content):
    offset, size = struct.unpack_from('<II', content, 10)
    if size < 40:
        raise PictureError('bmp', 'is a BMP of an old kind; save it as PNG')
    width, height, _, bits, compression = struct.unpack_from('<iiHHI', content, 18)
    if bits not in (24, 32):
        raise PictureError('bmp', 'is a BMP of %d bits a pixel; save it as PNG' % bits)
    masks = struct.unpack_from('<III', content, 54) if compression == 3 else None
    if compression not in (0, 3) or masks not in (None, (0xFF0000, 0xFF00, 0xFF)):
        raise PictureError('bmp', 'is a BMP of a rare kind; save it as PNG')
    width, height = abs(width), abs(height)
    if len(content) < offset + height * ((width * bits // 8 + 3) // 4 * 4):
        raise IndexError
    if bits == 32:
        alpha_mask = struct.unpack_from('<I', content, 66)[0] if size >= 56 else 0
        pixels = np.frombuffer(content, np.uint8, 4 * width * height, offset).reshape(-1, 4)
        if not alpha_mask or not pixels[:, 3].any():  # the fourth byte says nothing
            pixels = pixels.copy()
            pixels[:, 3] = 255
            content = content[:offset] + pixels.tobytes()
    # these masks are the usual order; TensorFlow 1 takes the compression for bits
    content = content[:30] + bytes(4) + content[34:]
    return width, height, bits // 8, content


def _gif(content):
    """The content ends after the first frame."""
    width, height, flags = struct.unpack_from('<HHB', content, 6)
    place = 13 + _colours(flags)
    while content[place] == 0x21:  # an extension
        if content[place + 1] == 0xF9 and content[place + 3] & 1:
            raise PictureError('gif', 'is a GIF with transparent parts; save it as PNG')
        place = _after_blocks(content, place + 2)
    if content[place] != 0x2C:
        raise IndexError
    left, top, columns, rows, flags = struct.unpack_from('<HHHHB', content, place + 1)
    if (left, top, columns, rows) != (0, 0, width, height):
        raise PictureError('gif', 'is a GIF whose first frame is a part of it; save it as PNG')
    end = _after_blocks(content, place + 10 + _colours(flags) + 1)
    return width, height, 3, content[:end] + b';'


def _colours(flags):
    """Returns the bytes of a GIF's table of colours."""
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0


def _after_blocks(content, place):
    """Returns where a GIF's blocks that begin at a place end: with one of no bytes."""
    while content[place]:
        place += 1 + content[place]
    return place + 1


FORMATS = {
    b'\x89PNG\r\n\x1a\n': ('PNG', _png),
    b'\xff\xd8\xff': ('JPEG', _jpeg),
    b'BM': ('BMP', _bmp),
    b'GIF8': ('GIF', _gif),
}


def segments(content):
    """Yields the segments of a JPEG before its pixels: marker, begin and end of what is in them."""
    place = 2
    while True:
        while content[place] == content[place + 1] == 0xFF:  # may be repeated
            place += 1
        fill, marker, length = struct.unpack_from('>BBH', content, place)
        if fill != 0xFF or marker == 0xDA or length < 2:
            return
        yield marker, place + 4, place + 2 + length
        place += 2 + length


def chunks(content):
    """Yields the chunks of a PNG: kind, begin and end of what is in them. Raises IndexError."""
    place, kind = 8, None
    while kind != b'IEND':
        length, kind = struct.unpack_from('>I4s', content, place)
        begin, end = place + 8, place + 8 + length
        if struct.unpack_from('>I', content, end)[0] != zlib.crc32(content[place + 4 : end]):
            raise IndexError('a chunk is not as it was written')
        yield kind, begin, end
        place = end + 4


def orientation(content):
    """Returns how a camera was held, 1 to 8, as the Exif data of a JPEG or PNG have it; 1 if none.

    The standard (CIPA DC-008) has it as tag 0x0112 of the first directory.
    """
    try:
        if content.startswith(b'\xff\xd8'):
            for marker, begin, end in segments(content):
                if marker == 0xE1 and content[begin : begin + 6] == b'Exif\0\0':
                    return _tag(content[begin + 6 : end])
        if content.startswith(b'\x89PNG'):
            for kind, begin, end in chunks(content):
                if kind == b'eXIf':
                    return _tag(content[begin:end])
    except (struct.error, IndexError, KeyError):  # a picture can be seen without
        pass
    return 1


def _tag(exif):
    """Returns the orientation in Exif data, which are a TIFF without a picture."""
    order = {b'II': '<', b'MM': '>'}[exif[:2]]
    (place,) = struct.unpack_from(order + 'I', exif, 4)
    (entries,) = struct.unpack_from(order + 'H', exif, place)
    for entry in range(entries):
        tag, kind, _, value = struct.unpack_from(order + 'HHIH', exif, place + 2 + 12 * entry)
        if tag == 0x0112 and kind == 3 and 1 <= value <= 8:
            return value
    return 1


def upright(picture, orientation):
    """Returns a picture [rows, columns, 3] as it was seen through the camera."""
    if orientation >= 5:
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return picture
