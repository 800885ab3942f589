"""How much handwriting of each kind a trained network reads correctly.

    python mnist_lenet5_backward.py
    pip install -r requirements-app.txt
    python benchmarks/written.py
    python benchmarks/written.py --pictures FOLDER

Without --pictures, the script reads MNIST's test digits, as they are and on the sheets of
tests/app/sheets.py, and digits drawn in strokes as on the page. With --pictures, it reads your
pictures of one digit each, and compares three ways to make the form: the app's, and `lecture` and
`tutorial` below. The last character before the file's ending is the digit. The part of the name
before the first hyphen is the writer (anna-3.jpg, tom-02-7.png).
"""

import argparse
import collections
import glob
import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(sys.path[-1], 'tests', 'app'))

from support import checkpoints

import numpy as np
import sheets
import tensorflow.compat.v1 as tf
from PIL import Image, ImageOps
from scipy import ndimage
from skimage.filters import threshold_otsu

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test
from handwriting import digit, photo

KINDS = 'place', 'scale', 'lit', 'colour', 'thickness', 'ruled', 'stroked'


def form(picture, *args, prepare=digit.digit):
    """Returns (prepare(picture(*args)), None), or (an empty digit, why it is refused)."""
    try:
        return prepare(picture(*args)), None
    except photo.PictureError as error:
        return np.zeros((digit.FORM, digit.FORM), np.float32), error.key


def lecture(picture):
    """Returns the form as the usual app after the lecture makes it: True where a level is below
    white by 50 or more.
    """
    small = Image.fromarray(picture).convert('L').resize((digit.FORM, digit.FORM), Image.LANCZOS)
    return 255.0 - np.array(small) >= 50


def tutorial(picture):
    """Returns the form as many tutorials make it: Otsu, a box of 20, the centre of mass."""
    grey = np.array(Image.fromarray(picture).convert('L'))
    light = grey > threshold_otsu(grey)
    ink = Image.fromarray(light if light.mean() < 0.5 else ~light).convert('L')
    ink = ImageOps.pad(ink.crop(ink.getbbox()), (digit.BOX, digit.BOX))
    padded = np.array(ImageOps.expand(ink, (digit.FORM - digit.BOX) // 2)) / 255
    middle = np.array(ndimage.center_of_mass(padded))
    return ndimage.shift(padded, np.round(digit.FORM / 2 - middle), order=0)


def read_mnist(read, n):
    test = input_data.read_data_sets('./data/', one_hot=True).test
    digits = test.images[:n].reshape(-1, digit.FORM, digit.FORM)
    labels, drawn = test.labels[:n].argmax(axis=1), np.arange(n) % 10
    print('%-11s %5.1f%% of %d' % ('as they are', 100 * np.mean(read(digits) == labels), n))
    for kind in KINDS:
        written, label = (drawn, drawn) if kind == 'stroked' else (digits, labels)
        random = np.random.RandomState(0)
        forms, reasons = zip(*(form(getattr(sheets, kind), each, random) for each in written))
        right, refused = 100 * np.mean(read(forms) == label), n - reasons.count(None)
        print('%-11s %5.1f%% of %d, %d refused' % (kind, right, n, refused), flush=True)


def read_pictures(read, folder):
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), '*[0-9].*')))
    if not paths:
        sys.exit(f'{folder}: no picture whose name ends in its digit')
    labels, answers = [path.split('.')[-2][-1] for path in paths], {}
    for prepare in lecture, tutorial, digit.digit:
        made = [
            form(lambda p: photo.decode(photo.read(p)), path, prepare=prepare) for path in paths
        ]
        forms, reasons = zip(*made)
        answers[prepare] = [reason or str(found) for found, reason in zip(read(forms), reasons)]
    writers = collections.defaultdict(list)
    for name, label, answer in zip(map(os.path.basename, paths), labels, answers[digit.digit]):
        writers[name.split('-')[0]].append(answer == label)
        if answer != label:
            print('%s: %s' % (name, answer))
    for writer, right in sorted(writers.items()):
        print('%s: %d of %d' % (writer, sum(right), len(right)))
    for prepare, found in answers.items():
        right, refused = np.equal(found, labels).sum(), sum(len(answer) > 1 for answer in found)
        print('%s: %d of %d, %d refused' % (prepare.__name__, right, len(paths), refused))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model_dir', default=mnist_lenet5_backward.MODEL_SAVE_PATH)
    parser.add_argument('--digits', type=int, default=1000, help='of each kind of sheet')
    parser.add_argument('--pictures', metavar='FOLDER', help='of labelled pictures')
    args = parser.parse_args()
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, digit.FORM, digit.FORM, 1])
        y = mnist_lenet5_forward.forward(x, False, None)
        ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
        ckpt = checkpoints.get_checkpoint_state(args.model_dir) or sys.exit('train first')
        checkpoints.restore(tf.train.Saver(ema.variables_to_restore()), sess, ckpt)

        def read(digits):
            digits = np.array(digits)[..., np.newaxis]
            return mnist_lenet5_test.run_in_chunks(sess, y, x, digits).argmax(axis=1)

        if args.pictures:
            read_pictures(read, args.pictures)
        else:
            read_mnist(read, args.digits)


if __name__ == '__main__':
    main()
