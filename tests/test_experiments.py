"""benchmarks/experiments.py: it measures what the scripts measure, skips finished rows, and follows
its rule; the page has its table.
"""

import importlib
import json
import os
import sys

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
    monkeypatch.setattr(experiments.input_data, 'read_data_sets', lambda *args, **options: data)
    flags = ['no-convolution', '--seeds', '1', '--steps', '9', '--digits', '30']
    monkeypatch.setattr(sys, 'argv', ['experiments.py', *flags])
    for _ in range(2):  # the second finds everything finished
        experiments.main()
        content = (tmp_path / 'benchmarks' / 'experiments.jsonl').read_text(encoding='ascii')
        results = [json.loads(line) for line in content.splitlines()]
        assert [result['row'] for result in results] == ['baseline', 'no-convolution']
        assert capsys.readouterr().out == experiments.table(results) + '\n'
    baseline, no_convolution = results
    assert (baseline['parameters'], no_convolution['parameters']) == (1663370, 397510)
    folder = tmp_path / 'model' / 'experiments' / 'baseline-9-steps-30-digits-seed-1'
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(folder))
    tested = mnist_lenet5_test.test(data, once=True)
    assert baseline['accuracy'] == pytest.approx(float(tested), abs=1e-6)
    assert baseline['accuracy'] != baseline['raw_accuracy'] != baseline['train_accuracy']


@pytest.mark.parametrize(
    'row, said',
    [
        ((0.5, 0.6), 'confirmed'),
        ((0.9, 0.9), 'not to be seen here'),  # the gains are not larger than the spread
        ((0.5, 0.95), 'not to be seen here'),  # the seeds do not agree
        ((1.5, 1.6), 'the other way round'),
    ],
)
def test_verdict(experiments, row, said):
    results = [
        dict(row=name, seed=seed, accuracy=accuracy, raw_accuracy=accuracy)
        for name, accuracies in (('baseline', (0.9, 0.92)), ('a', row))
        for seed, accuracy in enumerate(accuracies)
    ]
    assert experiments.verdict(results, 'a') == said


@pytest.mark.parametrize('page', ['experiments.md', 'experiments.zh-CN.md'])
def test_the_page_has_the_table(experiments, page):
    with open(os.path.join(ROOT, 'benchmarks', 'experiments.jsonl'), encoding='ascii') as file:
        table = experiments.table([json.loads(line) for line in file])
    with open(os.path.join(ROOT, 'docs', page), encoding='utf-8') as file:
        assert table.split('\n', 1)[1] in file.read()
