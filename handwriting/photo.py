"""A picture file becomes a picture: upright, on white paper, grey or in colour.

Owns what files may be like. What is written on a picture, `digit` finds.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

try:
    import pillow_heif
except ImportError:  # it has no wheel for every Python and machine
    pass
else:
    pillow_heif.register_heif_opener()

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50 * 10**6
TOO_MANY_PIXELS = 'has more than 50 megapixels; save it smaller'
LARGEST = 800  # pixels of the larger side that are kept

Image.init()
FORMATS = {'PNG', 'JPEG', 'MPO', 'BMP', 'DIB', 'GIF', 'WEBP', 'TIFF', 'HEIF', 'AVIF'}
FORMATS &= set(Image.OPEN)  # older Pillows have not all of them


class PictureError(ValueError):
    """A picture cannot be read, or is not one of one digit; the text is to stand behind its name.

    key: the kind of reason in a word, for which the page has its own.
    """

    exit_status = 1

    def __init__(self, key, text):
        super().__init__(text)
        self.key = key


def read(path):
    """Returns the bytes of a file. Raises PictureError."""
    try:
        with open(path, 'rb') as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        line = 'cannot be read (%s); name a picture' % error.strerror
        raise PictureError('file', line) from error
    if len(content) > MAX_BYTES:
        raise PictureError('large', 'has more than 64 MB; save it smaller')
    return content


def decode(content):
    """Returns the picture [rows, columns] or [rows, columns, 3], uint8, in the bytes of a file.

    Its larger side is at most LARGEST pixels. Raises PictureError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's own, of large pictures and odd headers
            with Image.open(io.BytesIO(content), formats=sorted(FORMATS)) as image:
                return np.asarray(_decoded(image))
    except PictureError:
        raise
    except Image.UnidentifiedImageError as error:
        advice = 'save it as JPEG or PNG'
        if content[4:12] in (b'ftypheic', b'ftypheix', b'ftypmif1') and 'HEIF' not in FORMATS:
            advice = 'pip install pillow-heif, or ' + advice
        raise PictureError('format', 'is no picture that is read here; ' + advice) from error
    except Image.DecompressionBombError as error:  # Pillow opens no picture of that size
        raise PictureError('large', TOO_MANY_PIXELS) from error
    except Exception as error:  # of a damaged file Pillow's decoders raise many kinds
        raise PictureError('damaged', 'is damaged; save it anew') from error


def _decoded(image):
    if image.width * image.height > MAX_PIXELS:
        raise PictureError('large', TOO_MANY_PIXELS)
    image.draft('RGB', (LARGEST, LARGEST))  # a large JPEG: at a half, a quarter or an eighth
    image = ImageOps.exif_transpose(image)
    if image.mode in ('I', 'F') or image.mode.startswith('I;16'):  # which Pillow would clip
        levels = np.asarray(image, np.float32)
        largest = levels.max()
        if image.mode != 'F' or largest > 1:  # a float may go from 0 to 1
            largest = max(largest, 255)
        levels = (levels * (255 / largest if largest > 0 else 0)).round()
        image = Image.fromarray(levels.astype(np.uint8))
    if 'A' in image.mode or 'a' in image.mode or 'transparency' in image.info:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    image = image.convert('L' if image.mode in ('1', 'L') else 'RGB')
    image.thumbnail((LARGEST, LARGEST), Image.BOX)
    return image
