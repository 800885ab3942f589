"""A picture file becomes a picture: upright, on white paper, grey or in colour.

Knows the formats and limits of files. `digit` finds what is written on a picture.
"""

import contextlib
import glob
import io
import os
import warnings

from support import console

import numpy as np
from PIL import Image, ImageOps

with contextlib.suppress(ImportError):  # not every Python and machine has a wheel for it
    import pillow_heif

    pillow_heif.register_heif_opener()

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50 * 10**6
TOO_MANY_PIXELS = 'has more than 50 megapixels; save it smaller'
LARGEST = 800  # pixels of the larger side that are kept

Image.init()
FORMATS = {'PNG', 'JPEG', 'MPO', 'BMP', 'DIB', 'GIF', 'WEBP', 'TIFF', 'HEIF', 'AVIF'}
FORMATS &= set(Image.OPEN)  # older versions of Pillow do not have all
ENDINGS = tuple(end for end, name in Image.registered_extensions().items() if name in FORMATS)


class PictureError(console.Error):
    """A picture cannot be read, or does not show one digit. The text follows the file's name.

    key: one word for the reason. The page has its own text for it.
    """

    def __init__(self, key, text):
        super().__init__(text)
        self.key = key


def paths(names):
    """Returns the paths of the pictures that `names` stand for: a folder stands for its picture
    files, a pattern (which Windows' cmd does not expand) for what it matches, a file for itself.
    """
    found = []
    for name in names:
        if os.path.isdir(name):
            files = filter(os.path.isfile, glob.glob(os.path.join(glob.escape(name), '*')))
            files = [path for path in files if path.lower().endswith(ENDINGS)]
        else:
            files = [] if os.path.lexists(name) else paths(glob.glob(name))
        found += sorted(files) or [name]
    return found


def read(path):
    """Returns the bytes of a file. Raises PictureError."""
    try:
        with open(path, 'rb') as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        why = 'no picture in the folder' if os.path.isdir(path) else error.strerror
        raise PictureError('file', f'cannot be read ({why}); name a picture') from error
    if len(content) > MAX_BYTES:
        raise PictureError('large', 'has more than 64 MB; save it smaller')
    return content


def decode(content):
    """Returns the picture [rows, columns] or [rows, columns, 3], uint8, in the bytes of a file.

    Its larger side is at most LARGEST pixels. Raises PictureError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow warns of large pictures and odd headers
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
    except Exception as error:  # Pillow raises many kinds of errors for damaged files
        raise PictureError('damaged', 'is damaged; save it anew') from error


def _decoded(image):
    if image.width * image.height > MAX_PIXELS:
        raise PictureError('large', TOO_MANY_PIXELS)
    image.draft('RGB', (LARGEST, LARGEST))  # decodes a large JPEG at 1/2, 1/4 or 1/8 size
    image = ImageOps.exif_transpose(image)
    if image.mode in ('I', 'F') or image.mode.startswith('I;16'):  # Pillow would clip these modes
        levels = np.asarray(image, np.float32)
        is_fraction = image.mode == 'F' and 0 < levels.max() <= 1
        levels = (levels * (255 / max(levels.max(), 0 if is_fraction else 255))).round()
        image = Image.fromarray(levels.astype(np.uint8))
    if 'A' in image.mode or 'a' in image.mode or 'transparency' in image.info:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    image = image.convert('L' if image.mode in ('1', 'L') else 'RGB')
    image.thumbnail((LARGEST, LARGEST), Image.BOX)
    return image
