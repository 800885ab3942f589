"""docs/using.md: its code, exactly as it stands there, gives the network's logits."""

import codeop
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from helpers import DATA, ROOT, needs_ascii_on_windows, write_checkpoint

import input_data

SHADOWS = reference.initial_parameters(seed=1)


def blocks(page):
    with open(os.path.join(ROOT, 'docs', page), encoding='utf-8') as file:
        return re.findall(r'^```(?:python|bash)\n(.*?)^```', file.read(), re.MULTILINE | re.DOTALL)


READ, WEIGHTS, FRAME, EXPORT, SAVED_MODEL, TFLITE, CONVERT, ONNX, META, IMPORT = blocks('using.md')


@pytest.fixture(scope='module')
def names(tmp_path_factory):
    """The names that the first block sets, in a folder with a checkpoint."""
    folder = tmp_path_factory.mktemp('using')
    write_checkpoint(folder / 'model', 301, reference.initial_parameters(seed=0), SHADOWS)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(str(folder))  # it has no data, so that those of the project are taken
        patch.setenv('PATH', os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH'])
        exec(READ, names)
        yield names


TF2_ONLY = pytest.mark.skipif(tf.VERSION.startswith('1.'), reason='TensorFlow 2 only')


@pytest.mark.parametrize(
    'code',
    [
        pytest.param('', id='read'),
        pytest.param(SAVED_MODEL, id='SavedModel', marks=TF2_ONLY),
        pytest.param(TFLITE, id='TFLite'),
        pytest.param(ONNX, id='ONNX'),  # needs: python -m pip install tf2onnx onnxruntime
        pytest.param(META + IMPORT, id='import_meta_graph'),
    ],
)
def test_logits(names, code):
    """The code after the first block and the export sets other `logits`, and all are right."""
    names = dict(names)
    if code:
        needs_ascii_on_windows(os.getcwd())
        shutil.rmtree('exported', ignore_errors=True)
        exec(EXPORT, names)
        names.pop('logits')
    if code == ONNX:
        pytest.importorskip('tf2onnx')
        pytest.importorskip('onnxruntime')
        assert CONVERT.startswith('python -m ')
        subprocess.run([sys.executable] + CONVERT.split()[1:], check=True)
    exec(code, names)
    digits = input_data.read_data_sets(DATA).test.images[:100].reshape(-1, 28, 28, 1)
    expected = reference.logits(digits.astype(float), SHADOWS)
    atol = 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(names['logits'], expected, rtol=1e-3, atol=atol)


def test_weights(names):
    exec(WEIGHTS, names)
    assert len(names['weights']) == 8
    for found, wanted in zip(names['weights'], SHADOWS):
        assert (found == wanted.astype(np.float32)).all()


def test_a_frame(names):
    pytest.importorskip('skimage')
    ink = np.kron(names['images'][0, ..., 0], np.ones((20, 20)))
    names = dict(names, frame=(255 * (1 - ink)).astype(np.uint8))
    exec(FRAME, names)
    expected = reference.logits(names['levels'][np.newaxis, ..., np.newaxis], SHADOWS)
    np.testing.assert_allclose(names['logits'], expected, rtol=1e-3, atol=1e-2)


def test_one_can_paste_the_code_into_a_prompt():
    """Before Python 3.13, an empty line must end an indented block."""
    for block in READ, WEIGHTS, FRAME, EXPORT, SAVED_MODEL, TFLITE, ONNX, META, IMPORT:
        typed = ''
        for line in block.split('\n'):
            typed += '\n' + line
            typed = '' if codeop.compile_command(typed) else typed  # raises SyntaxError


def test_the_code_is_the_same_in_both_languages():
    assert blocks('using.zh-CN.md') == blocks('using.md')
