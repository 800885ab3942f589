"""The lecture's claims, how experiments.py measures them, and the rule that judges them.

All of it was written before the first run. A result is a dictionary, a line of experiments.jsonl:
the accuracy and cross entropy at each test, in lists, and on the training digits at the end. The
prefix raw_ marks the raw weights. Everything else is of the averaged weights.
"""

import collections
import functools

import numpy as np

SEEDS = 3
EVERY = 200  # steps between two tests; in the middle, where it is 400, few rows reach 90% or 95%
LATE = 2000  # the last steps, for swings


def final(run, weights=''):
    return 100 * run[weights + 'accuracy'][-1]


def overfitting(run, weights=''):
    return 100 * run[weights + 'train_accuracy'] - final(run, weights)


def swing(run, weights=''):
    late = np.greater_equal(run['tested'], run['steps'] - LATE)
    return 100 * np.abs(np.diff(np.array(run[weights + 'accuracy'])[late])).mean()


def steps_to(percent, run, weights=''):
    """Interpolates between two tests. An accuracy that was not reached counts as the last step."""
    reached = 100 * np.array(run[weights + 'accuracy']) >= percent
    if not any(reached):
        return run['steps']
    around = slice(max(0, reached.argmax() - 1), reached.argmax() + 1)
    return np.interp(percent / 100, run[weights + 'accuracy'][around], run['tested'][around])


# better: whether more (1) or less (-1) is better; least: a difference that counts is larger
Measure = collections.namedtuple('Measure', 'name of better least')
OVERFITTING = Measure('training minus test accuracy at the end, points', overfitting, -1, 0)
FINAL = Measure('test accuracy at the end, %', final, 1, 0)
SWING = Measure('change from one test to the next in the last 2,000 steps, points', swing, -1, 0)
TO_90 = Measure('steps to 90% test accuracy', functools.partial(steps_to, 90), -1, EVERY)
TO_95 = Measure('steps to 95% test accuracy', functools.partial(steps_to, 95), -1, EVERY)

# (claim, measure, what the claim says is better, than what): pairs of a row and its weights
BASELINE, RAW = ('baseline', ''), ('baseline', 'raw_')
CLAIMS = [
    ('dropout reduces overfitting', OVERFITTING, BASELINE, ('no-dropout', '')),
    ('dropout: trains faster', TO_95, BASELINE, ('no-dropout', '')),
    ('L2: the model does not fit noise', OVERFITTING, BASELINE, ('no-l2', '')),
    ('a decaying rate: no large swings late', SWING, RAW, ('constant-rate', 'raw_')),
    ('the average is more stable', SWING, BASELINE, RAW),
    ('ReLU converges fast', TO_90, BASELINE, ('sigmoid', '')),
    ('convolutions before the fully connected layers', FINAL, BASELINE, ('no-convolution', '')),
    ('(not in the lecture) at first, raw weights are ahead', TO_90, RAW, BASELINE),
]


def verdict(measure, better, worse):
    """Judges a claim by the values of its measure, one for each seed, in the same order."""
    gains = measure.better * np.subtract(better, worse)
    if len(gains) < SEEDS:
        return 'too few seeds'
    # the seeds agree, and the difference is larger than the spread and the distance of two tests
    if min(gains) <= 0 <= max(gains) or abs(gains.mean()) <= max(np.ptp(better), measure.least):
        return 'not to be seen here'
    return 'confirmed' if gains.mean() > 0 else 'the other way round'


def rows_table(results):
    """Returns Markdown: for each row the mean of its seeds (smallest–largest)."""
    columns = {
        'test accuracy, %': final,
        'with raw weights': lambda run: final(run, 'raw_'),
        'training accuracy, %': lambda run: 100 * run['train_accuracy'],
        'test cross entropy': lambda run: run['cross_entropy'][-1],
        'steps to 90%': TO_90.of,
        'steps to 95%': TO_95.of,
    }
    lines = [['row', 'seeds', *columns, 'parameters']]
    for row in dict.fromkeys(run['row'] for run in results):
        runs = [run for run in results if run['row'] == row]
        cells = [_cell([of(run) for run in runs]) for of in columns.values()]
        lines.append([row, len(runs), *cells, format(runs[0]['parameters'], ',')])
    return _markdown(lines)


def claims_table(results):
    """Returns Markdown: for each claim the measure, both numbers and the verdict."""
    lines = [['the lecture', 'measure', 'should be better', 'than', 'seeds', 'verdict']]
    for claim, measure, *sides in CLAIMS:
        found = [
            {run['seed']: measure.of(run, weights) for run in results if run['row'] == row}
            for row, weights in sides
        ]
        seeds = sorted(set.intersection(*map(set, found)))
        values = [[side[seed] for seed in seeds] for side in found]
        names = [row + (' (raw weights)' if weights else '') for row, weights in sides]
        if seeds:
            cells = [f'{name}: {_cell(v)}' for name, v in zip(names, values)]
            lines.append([claim, measure.name, *cells, len(seeds), verdict(measure, *values)])
    return _markdown(lines)


def _cell(values):
    numbers = [np.mean(values), min(values), max(values)]
    mean, *ends = [f'{n:,.0f}' if n >= 100 else f'{n:.4g}' for n in numbers]
    return mean if len(values) == 1 else '%s (%s–%s)' % (mean, *ends)


def _markdown(lines):
    lines.insert(1, ['---'] * len(lines[0]))
    return '\n'.join('| %s |' % ' | '.join(map(str, line)) for line in lines)
