"""Draws the pictures of the README from a model folder that was trained and watched.

    python docs/images.py model

makes docs/curves.png out of the event files, with matplotlib, and docs/mistakes.png, with
mnist_lenet5_test.py, out of the current checkpoint.
"""

import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import tensorflow.compat.v1 as tf

DOCS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(DOCS)
sys.path.insert(0, ROOT)

from support import files, pictures  # noqa: E402

BLUE = np.divide(pictures.BLUE, 255)


def scalars(folder):
    """Returns {tag: {step: number}} of the event files in a folder."""
    curves = {}
    for path in files.matching(folder, r'.*tfevents.*'):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                if value.HasField('simple_value'):
                    curves.setdefault(value.tag, {})[event.step] = value.simple_value
    if not curves:
        remedy = 'train with mnist_lenet5_backward.py and watch with mnist_lenet5_test.py'
        sys.exit(f'{folder}: has no curves; {remedy}')
    return curves


def plot(axes, numbers, **options):
    steps = sorted(numbers)
    axes.plot(steps, [numbers[step] for step in steps], **options)


def main():
    model = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    training, testing = (scalars(os.path.join(model, run)) for run in ('train', 'test'))
    plt.rcParams.update({'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), constrained_layout=True)

    errors = {step: 1 - accuracy for step, accuracy in testing['accuracy'].items()}
    plot(left, errors, color=BLUE)
    left.set_title('test accuracy')
    right.set_title('cross entropy')
    plot(right, training['cross_entropy'], color='#d9a58f', lw=0.5, label='a training batch')
    plot(right, testing['cross_entropy'], color=BLUE, label='all test digits')
    right.legend(frameon=False)
    for axes in left, right:
        axes.set_yscale('log')
        axes.set_xlabel('step')
        axes.grid(alpha=0.3)
    ticks = 0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01  # of the errors, named by the accuracy
    left.set_yticks(ticks, ['%.0f%%' % (100 - 100 * tick) for tick in ticks])
    left.set_yticks([], minor=True)
    left.invert_yaxis()
    right.yaxis.set_major_formatter('{x:g}')
    figure.savefig(os.path.join(DOCS, 'curves.png'), dpi=100)

    script, data = os.path.join(ROOT, 'mnist_lenet5_test.py'), os.path.join(ROOT, 'data')
    picture = os.path.join(DOCS, 'mistakes.png')
    flags = ['--model_dir', model, '--data_dir', data, '--mistakes', picture]
    subprocess.run([sys.executable, script, *flags], check=True)


if __name__ == '__main__':
    main()
