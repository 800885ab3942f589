"""docs/using.md: its code, as it stands there, gives the network's logits."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import DATA, ROOT, write_checkpoint

import input_data

SHADOWS = reference.initial_parameters(seed=1)


def blocks(page):
    with open(os.path.join(ROOT, 'docs', page), encoding='utf-8') as file:
        return re.findall(r'^```(?:python|bash)\n(.*?)^```', file.read(), re.MULTILINE | re.DOTALL)


READ, WEIGHTS, EXPORT, SAVED_MODEL, TFLITE, CONVERT, ONNX, META, IMPORT = blocks('using.md')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """run(code): runs a block after the first and the export; returns the `logits` that it sets."""
    folder = tmp_path_factory.mktemp('using')
    write_checkpoint(folder / 'model', 301, reference.initial_parameters(seed=0), SHADOWS)
    names, old = {}, os.getcwd()

    def run(code):
        names.pop('logits', None)
        exec(code, names)
        return names.get('logits')

    os.chdir(str(folder))  # it has no data, so that those of the project are taken
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PATH', os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH'])
        run.first = run(READ)
        run.names = names
        run(EXPORT)
        yield run
    os.chdir(old)


@pytest.fixture(scope='module')
def expected():
    digits = input_data.read_data_sets(DATA).test.images[:100].reshape(-1, 28, 28, 1)
    return reference.logits(digits.astype(float), SHADOWS)


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_read(run, expected):
    near(run.first, expected)


def test_weights(run):
    run(WEIGHTS)
    for found, wanted in zip(run.names['weights'], SHADOWS):
        assert (found == wanted.astype(np.float32)).all()
    assert len(run.names['weights']) == 8


@pytest.mark.skipif(tf.VERSION.startswith('1.'), reason='TensorFlow 2 only')
def test_saved_model(run, expected):
    near(run(SAVED_MODEL), expected)


def test_tflite(run, expected):
    near(run(TFLITE), expected)


def test_onnx(run, expected):
    """No requirement: python -m pip install tf2onnx onnxruntime."""
    pytest.importorskip('tf2onnx')
    pytest.importorskip('onnxruntime')
    assert CONVERT.startswith('python -m ')
    subprocess.run([sys.executable] + CONVERT.split()[1:], check=True)
    near(run(ONNX), expected)


def test_import_meta_graph(run, expected):
    names = dict(run.names)
    run(META)
    near(run(IMPORT), expected)
    run.names.update(names)


def test_the_code_is_the_same_in_both_languages():
    assert blocks('using.zh-CN.md') == blocks('using.md')
