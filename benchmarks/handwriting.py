"""How much handwriting of each kind a trained network reads rightly.

    python mnist_lenet5_backward.py
    pip install scikit-learn pillow
    apt-get install fonts-breip fonts-bwht fonts-dkg-handwriting fonts-humor-sans fonts-kiloji \\
        fonts-klee fonts-kristi fonts-rufscript fonts-seto fonts-sjfonts fonts-yusei-magic
    python benchmarks/handwriting.py

MNIST's test digits, as they are and on the sheets of tests/sheets.py; drawings as the page sends
them; and digits of other writers: the 13 of the test part of "Optical Recognition of Handwritten
Digits" (Alpaydin and Kaynak, 1998; 8x8 pixels, here 240x240), and 17 fonts of people's own hands.
"""

import argparse
import fnmatch
import glob
import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(sys.path[-1], 'tests'))

from support import checkpoints, handwriting, images

import numpy as np
import sheets
import tensorflow.compat.v1 as tf
from conftest import DATA
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward

FONTS = (
    'BecauseWe*-Regular.otf Breip.ttf Delphine.ttf Humor-Sans.ttf KleeOne-Regular.ttf Kristi.ttf '
    'Rufscript010.ttf SteveHand.ttf YuseiMagic-Regular.ttf dkg.ttf kiloji.ttf setofont.ttf'
).split()
KINDS = (
    sheets.place,
    sheets.scale,
    sheets.lit,
    sheets.colour,
    sheets.thickness,
    sheets.ruled,
)


def optical(digit):
    """A sheet with one of scikit-learn's digits."""
    places = (np.arange(240) + 0.5) / 20 - 2.5
    ink = sheets.levels(digit / 16, places[:, np.newaxis], places[np.newaxis])
    return sheets.levels_of(1 - 0.85 * np.clip(0.5 + 3 * (ink - 0.5), 0, 1))


def written(digit, font):
    """A sheet with a digit of a font."""
    sheet = Image.new('L', (280, 280), 250)
    ImageDraw.Draw(sheet).text((140, 140), str(digit), fill=30, font=font, anchor='mm')
    return np.array(sheet)


def fonts():
    files = glob.glob('/usr/share/fonts/**/*.?tf', recursive=True)
    found = [file for file in files for name in FONTS if fnmatch.fnmatch(file, '*/' + name)]
    if len(found) != 17:
        sys.exit('error: install the fonts of Debian as above; found %s' % found)
    return [ImageFont.truetype(file, 180) for file in sorted(found)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model_dir', default=mnist_lenet5_backward.MODEL_SAVE_PATH)
    parser.add_argument('--digits', type=int, default=1000, help='of each kind of sheet')
    args = parser.parse_args()
    tf.disable_eager_execution()
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    y = mnist_lenet5_forward.forward(x, False, None)
    ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
    shadows = ema.variables_to_restore()
    sess = tf.Session()
    ckpt = checkpoints.get_checkpoint_state(args.model_dir)
    checkpoints.restore(tf.train.Saver(shadows), sess, ckpt, shadows)
    print(ckpt.model_checkpoint_path)

    def show(kind, digits, labels):
        right = 0
        for digit, label in zip(digits, labels):
            if digit is None:
                continue
            read = sess.run(y, feed_dict={x: digit[np.newaxis, :, :, np.newaxis]})
            right += read.argmax() == label
        print('%-20s %5.1f%% of %d' % (kind, 100 * right / len(labels), len(labels)), flush=True)

    def show_sheets(kind, pictures, labels):
        show(kind, map(digit_or_nothing, pictures), labels)

    test = input_data.read_data_sets(DATA, one_hot=True).test
    digits, labels = test.images[: args.digits].reshape(-1, 28, 28), test.labels.argmax(axis=1)
    labels = labels[: args.digits]
    show('as they are', digits, labels)
    for kind in KINDS:
        random = np.random.RandomState(0)
        show_sheets(kind.__name__, (kind(digit, random) for digit in digits), labels)
    random = np.random.RandomState(0)
    ten = np.arange(args.digits) % 10
    show_sheets('drawn on the page', (sheets.stroked(digit, random) for digit in ten), ten)
    others = load_digits()
    show_sheets('13 other writers', map(optical, others.images), others.target)
    pairs = [(digit, font) for font in fonts() for digit in range(10)]
    show_sheets('17 fonts', (written(*pair) for pair in pairs), [digit for digit, _ in pairs])


def digit_or_nothing(picture):
    try:
        return handwriting.digit(picture)
    except images.PictureError:  # that counts as read wrongly
        return None


if __name__ == '__main__':
    main()
