"""Draws the pictures of the README from a model folder that was trained and watched.

    python docs/images.py model

makes docs/curves.png out of the event files, with matplotlib, and docs/mistakes.png, with
mnist_lenet5_test.py, out of the current checkpoint.
"""

import os
import subprocess
import sys

import matplotlib.pyplot as plt
import tensorflow.compat.v1 as tf

DOCS = os.path.dirname(os.path.abspath(__file__))


def scalars(folder):
    """Returns {tag: ([steps], [numbers])} of the newest event file in a folder."""
    name = max(name for name in os.listdir(folder) if 'tfevents' in name)
    found = {}
    for event in tf.train.summary_iterator(os.path.join(folder, name)):
        for value in event.summary.value:
            if value.HasField('simple_value'):
                steps, numbers = found.setdefault(value.tag, ([], []))
                steps.append(event.step)
                numbers.append(value.simple_value)
    return found


def main():
    model = sys.argv[1]
    training, testing = (scalars(os.path.join(model, run)) for run in ('train', 'test'))
    plt.rcParams.update({'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), constrained_layout=True)

    steps, accuracies = testing['accuracy']
    left.plot(steps, [1 - accuracy for accuracy in accuracies], color='#165e83')
    left.set_title('test accuracy')
    right.set_title('cross entropy')
    right.plot(*training['cross_entropy'], color='#d9a58f', lw=0.5, label='a training batch')
    right.plot(*testing['cross_entropy'], color='#165e83', label='all test digits')
    right.legend(frameon=False)
    for axes in left, right:
        axes.set_yscale('log')
        axes.set_xlabel('step')
        axes.grid(alpha=0.3)
    errors = 0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01
    left.set_yticks(errors, ['%.0f%%' % (100 - 100 * error) for error in errors], minor=False)
    left.set_yticks([], minor=True)
    left.invert_yaxis()
    right.yaxis.set_major_formatter('{x:g}')
    figure.savefig(os.path.join(DOCS, 'curves.png'), dpi=100)

    script = os.path.join(os.path.dirname(DOCS), 'mnist_lenet5_test.py')
    data = os.path.join(os.path.dirname(DOCS), 'data')
    picture = os.path.join(DOCS, 'mistakes.png')
    flags = ['--model_dir', model, '--data_dir', data, '--mistakes', picture]
    subprocess.run([sys.executable, script, *flags], check=True)


if __name__ == '__main__':
    main()
