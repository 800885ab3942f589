"""benchmarks/experiments.py: it measures what the scripts measure, trains what is missing, and
follows its rule; the pages have its tables.
"""

import importlib
import json
import os
import re
import runpy
import sys
from unittest import mock

import numpy as np
import pytest
from helpers import ROOT

import input_data
import mnist_lenet5_backward
import mnist_lenet5_test


@pytest.fixture
def experiments(monkeypatch):
    monkeypatch.syspath_prepend(os.path.join(ROOT, 'benchmarks'))
    return importlib.import_module('experiments')


def test_accuracies_are_those_of_the_test_script(experiments, tmp_path, monkeypatch, capsys):
    (tmp_path / 'benchmarks').mkdir()
    random = np.random.RandomState(2)
    noise = [random.rand(300, 784).astype(np.float32), np.eye(10)[random.randint(0, 10, 300)]]
    noise = input_data.DataSet(*noise, dtype=np.uint8)
    data = input_data.Datasets(train=noise, validation=None, test=noise)
    monkeypatch.setattr(experiments, 'ROOT', str(tmp_path))
    monkeypatch.setattr(experiments.claims, 'EVERY', 4)

    def run(*flags):
        monkeypatch.setattr(sys, 'argv', ['experiments.py', '--seeds', '1', *flags])
        experiments.main()
        return capsys.readouterr().out

    length, rows = ['--steps', '9', '--digits', '30'], ['baseline', 'no-convolution']
    with mock.patch.object(input_data, 'read_data_sets', lambda *args, **options: data):
        one = dict.fromkeys(('accuracy', 'cross_entropy', 'raw_accuracy', 'raw_cross_entropy'), 0.5)
        with mock.patch.object(experiments, 'measure', side_effect=[one, ZeroDivisionError]):
            with pytest.raises(ZeroDivisionError):  # a stop between two tests
                run('baseline', *length)
        tables = run(*rows, *length)
        assert run('baseline', *length) == tables
    monkeypatch.setattr(input_data, 'read_data_sets', None)  # without a row it needs no data
    assert run(*length) == tables != run('--digits', '30')  # the latter have another length
    with open(tmp_path / 'benchmarks' / 'experiments.jsonl', encoding='ascii') as file:
        baseline, no_convolution = map(json.loads, file)
    assert (baseline['parameters'], no_convolution['parameters']) == (1663370, 397510)
    assert baseline['tested'] == [4, 8, 9] and baseline['accuracy'][0] == 0.5
    folder = tmp_path / 'model' / 'experiments' / 'baseline-9-steps-30-digits-seed-1'
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(folder))
    tested = mnist_lenet5_test.test(data, once=True)
    assert baseline['accuracy'][-1] == pytest.approx(float(tested), abs=1e-6)
    assert baseline['raw_accuracy'][-1] not in (
        baseline['accuracy'][-1],
        baseline['train_accuracy'],
    )


def test_measures(experiments):
    run = dict(steps=6000, tested=[200, 400, 3800, 4000, 4200, 6000])
    run.update(accuracy=[0.84, 0.92, 0.94, 0.98, 0.96, 0.97], train_accuracy=0.99)
    run.update(raw_accuracy=[0.91, 0.92, 0.93, 0.94, 0.93, 0.935], raw_train_accuracy=0.985)
    names = 'FINAL', 'OVERFITTING', 'SWING', 'TO_90', 'TO_95'
    for weights, values in ('', (97, 2, 1.5, 350, 3850)), ('raw_', (93.5, 5, 0.75, 200, 6000)):
        measured = [getattr(experiments.claims, name).of(run, weights) for name in names]
        assert measured == pytest.approx(values)


@pytest.mark.parametrize('sign', [1, -1])
@pytest.mark.parametrize(
    'worse, least, said',
    [
        ((8, 8.5, 9), 1, 'confirmed'),
        ((8, 8.5, 9), 2, 'not to be seen here'),  # two tests are as far apart
        ((9.5, 9.5, 10), 0, 'not to be seen here'),  # less than the spread of 1
        ((1, 2, 11.5), 0, 'not to be seen here'),  # the seeds do not agree
        ((13, 13, 13), 0, 'the other way round'),
        ((1, 2), 0, 'too few seeds'),
    ],
)
def test_verdict(experiments, sign, worse, least, said):
    better = np.array([10, 10.5, 11])[: len(worse)]
    measure = experiments.claims.Measure('', None, sign, least)
    assert experiments.claims.verdict(measure, sign * better, sign * np.array(worse)) == said


@pytest.mark.parametrize('name', ['experiments.md', 'experiments.zh-CN.md'])
def test_the_pages_have_the_tables_and_a_row_to_paste(experiments, name):
    with open(os.path.join(ROOT, 'docs', name), encoding='utf-8') as file:
        page = file.read()
    written = runpy.run_path(os.path.join(ROOT, 'docs', 'experiments.py'))['page']
    assert written(page, 'zh' in name) == page
    verdicts = 'confirmed|not to be seen here|the other way round|too few seeds'
    assert bool(re.search(verdicts, page)) == ('zh' not in name)
    pasted = re.search(r'^ +(.*\}),$', page, re.MULTILINE).group(1)
    for replaced in eval('{%s}' % pasted, vars(experiments)).values():
        for target, value in replaced.items():
            with mock.patch(target, value):  # there is such a name
                pass
