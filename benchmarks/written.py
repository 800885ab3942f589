"""How much handwriting of each kind a trained network reads rightly.

    python mnist_lenet5_backward.py
    pip install -r requirements-app.txt
    python benchmarks/written.py
    python benchmarks/written.py --pictures FOLDER

Without --pictures, the script reads MNIST's test digits, as they are and on the sheets of
tests/app/sheets.py, and digits drawn in strokes as on the page. With --pictures, it reads your
pictures of one digit each. The digit is the last number of a file's name. The part before the first
hyphen names the writer (anna-3.jpg, tom-02-7.png).
"""

import argparse
import collections
import os
import re
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(sys.path[-1], 'tests', 'app'))

from support import checkpoints, files, pictures

import numpy as np
import sheets
import tensorflow.compat.v1 as tf

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test
from handwriting import digit, photo

KINDS = 'place', 'scale', 'lit', 'colour', 'thickness', 'ruled'


def form(picture, *args):
    """Returns the digit on picture(*args), and None. If refused: an empty digit, and the reason."""
    try:
        return digit.digit(picture(*args)), None
    except photo.PictureError as error:
        return np.zeros((28, 28), np.float32), error.key


def picture_in(path):
    return photo.decode(photo.read(path))


def read_mnist(read, n):
    test = input_data.read_data_sets('./data/', one_hot=True).test
    digits, labels = test.images[:n].reshape(-1, 28, 28), test.labels[:n].argmax(axis=1)

    def show(kind, digits, labels, refused=0):
        right = 100 * np.mean(read(digits) == labels)
        print('%-18s %5.1f%% of %d, %d refused' % (kind, right, len(labels), refused), flush=True)

    show('as they are', digits, labels)
    for kind in KINDS:
        random = np.random.RandomState(0)
        forms, reasons = zip(*(form(getattr(sheets, kind), digit, random) for digit in digits))
        show(kind, forms, labels, n - reasons.count(None))
    random = np.random.RandomState(0)
    labels = np.arange(n) % 10
    forms, reasons = zip(*(form(sheets.stroked, label, random) for label in labels))
    show('drawn on the page', forms, labels, n - reasons.count(None))


def read_pictures(read, folder, sheet):
    names = [name for name in sorted(os.listdir(folder)) if re.search(r'\d\.\w+$', name)]
    forms, reasons = zip(*(form(picture_in, os.path.join(folder, name)) for name in names))
    writers, wrong = collections.defaultdict(list), []
    for name, levels, found, reason in zip(names, forms, read(forms), reasons):
        label = int(re.search(r'(\d)\.\w+$', name).group(1))
        is_right = reason is None and found == label
        writers[name.split('-')[0]].append(is_right)
        if not is_right:
            print('%s: %s' % (name, reason or found))
            wrong.append(levels)
    for writer, right in sorted(writers.items()):
        print('%s: %d of %d' % (writer, sum(right), len(right)))
    right = sum(writers.values(), [])
    print('all: %d of %d, %d refused' % (sum(right), len(right), len(right) - reasons.count(None)))
    if sheet and wrong:
        levels = np.kron(np.concatenate(wrong, axis=1), np.ones((3, 3)))
        files.write(sheet, pictures.png((255 - 255 * levels).round().astype(np.uint8)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model_dir', default=mnist_lenet5_backward.MODEL_SAVE_PATH)
    parser.add_argument('--digits', type=int, default=1000, help='of each kind of sheet')
    parser.add_argument('--pictures', metavar='FOLDER', help='of labelled pictures')
    text = 'the forms that were read wrongly, in a row'
    parser.add_argument('--sheet', metavar='FILE.png', help=text)
    args = parser.parse_args()
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        y = mnist_lenet5_forward.forward(x, False, None)
        ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
        shadows = ema.variables_to_restore()
        ckpt = checkpoints.get_checkpoint_state(args.model_dir)
        checkpoints.restore(tf.train.Saver(shadows), sess, ckpt, shadows)

        def read(digits):
            digits = np.array(digits)[..., np.newaxis]
            return mnist_lenet5_test.run_in_chunks(sess, y, x, digits).argmax(axis=1)

        if args.pictures:
            read_pictures(read, args.pictures, args.sheet)
        else:
            read_mnist(read, args.digits)


if __name__ == '__main__':
    main()
