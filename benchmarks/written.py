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

from support import checkpoints

import numpy as np
import sheets
import tensorflow.compat.v1 as tf

import input_data
import mnist_lenet5_backward
import mnist_lenet5_forward
import mnist_lenet5_test
from handwriting import digit, photo

KINDS = 'place', 'scale', 'lit', 'colour', 'thickness', 'ruled', 'stroked'


def form(picture, *args):
    """Returns (the digit on picture(*args), None), or (an empty digit, the reason) if refused."""
    try:
        return digit.digit(picture(*args)), None
    except photo.PictureError as error:
        return np.zeros((digit.FORM, digit.FORM), np.float32), error.key


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
    names = [name for name in sorted(os.listdir(folder)) if re.search(r'\d\.\w+$', name)]
    paths = [os.path.join(folder, name) for name in names]
    forms, reasons = zip(*(form(lambda path: photo.decode(photo.read(path)), p) for p in paths))
    writers = collections.defaultdict(list)
    for name, found, reason in zip(names, read(forms), reasons):
        is_right = reason is None and str(found) == name.split('.')[-2][-1]
        writers[name.split('-')[0]].append(is_right)
        if not is_right:
            print('%s: %s' % (name, reason or found))
    for writer, right in sorted(writers.items()):
        print('%s: %d of %d' % (writer, sum(right), len(right)))
    right = sum(writers.values(), [])
    print('all: %d of %d, %d refused' % (sum(right), len(right), len(right) - reasons.count(None)))


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
        shadows = ema.variables_to_restore()
        ckpt = checkpoints.get_checkpoint_state(args.model_dir)
        checkpoints.restore(tf.train.Saver(shadows), sess, ckpt, shadows)

        def read(digits):
            digits = np.array(digits)[..., np.newaxis]
            return mnist_lenet5_test.run_in_chunks(sess, y, x, digits).argmax(axis=1)

        if args.pictures:
            read_pictures(read, args.pictures)
        else:
            read_mnist(read, args.digits)


if __name__ == '__main__':
    main()
