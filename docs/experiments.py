"""Draws docs/experiments.png out of benchmarks/experiments.jsonl: a dot for each row and seed.

    python docs/experiments.py

needs matplotlib.
"""

import json
import os
import sys

import matplotlib.pyplot as plt
import numpy as np

DOCS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(DOCS))

from support import pictures  # noqa: E402


def main():
    with open(os.path.join(DOCS, '..', 'benchmarks', 'experiments.jsonl')) as file:
        results = [json.loads(line) for line in file]
    rows = list(dict.fromkeys(result['row'] for result in results))
    rows.insert(1, 'raw-weights')
    raw = [
        dict(
            r, row='raw-weights', accuracy=r['raw_accuracy'], train_accuracy=r['raw_train_accuracy']
        )
        for r in results
        if r['row'] == 'baseline'
    ]
    plt.rcParams.update({'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False})
    figure, axes = plt.subplots(figsize=(9, 4.6), constrained_layout=True)
    for key, colour, label in (
        ('train_accuracy', pictures.ORANGE, 'its own training digits, without dropout'),
        ('accuracy', pictures.BLUE, 'the 10,000 test digits'),
    ):
        # a logarithmic scale has no place for 100%
        points = [(max(0.01, 100 * (1 - r[key])), rows.index(r['row'])) for r in results + raw]
        axes.scatter(*zip(*points), s=22, color=np.divide(colour, 255), alpha=0.7, label=label)
    axes.set_xscale('log')
    ticks = 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50
    errors = [100 * (1 - r[key]) for r in results for key in ('accuracy', 'train_accuracy')]
    axes.set_xticks(ticks, ['100%', *('%g%%' % (100 - tick) for tick in ticks[1:])])
    axes.set_xticks([], minor=True)
    axes.set_xlim(1.2 * max(errors), 0.008)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.set_xlabel('accuracy')
    axes.legend(frameon=False, loc='lower center', bbox_to_anchor=(0.5, 1), ncol=2)
    figure.savefig(os.path.join(DOCS, 'experiments.png'), dpi=100)


if __name__ == '__main__':
    main()
