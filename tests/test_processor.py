"""processor: which arithmetic is chosen on which processor, and who goes first."""

import os
import platform
import shutil
import subprocess
import sys
from types import SimpleNamespace

from support import processor, terminal

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import ROOT

import input_data
import mnist_lenet5_backward

needs_bfloat16 = pytest.mark.skipif(
    processor.lacks_bfloat16() is not None or not os.path.exists(processor.CPUINFO),
    reason=processor.lacks_bfloat16() or 'nobody knows what this processor has',
)


def digits():
    noise = np.random.RandomState(0)
    labels = np.eye(10)[noise.randint(0, 10, 300)]
    return input_data.DataSet(noise.rand(300, 784).astype(np.float32), labels)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """train(steps, bfloat16): a run on batches of 100; returns the bytes of its last checkpoint."""
    model = tmp_path / 'model'
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(model))

    def run(steps, bfloat16):
        monkeypatch.setattr(mnist_lenet5_backward, 'STEPS', steps)
        monkeypatch.setattr(mnist_lenet5_backward, 'BFLOAT16', bfloat16)
        mnist_lenet5_backward.backward(SimpleNamespace(train=digits()))
        return (model / ('mnist_model-%d.data-00000-of-00001' % steps)).read_bytes()

    run.model = model
    return run


@needs_bfloat16
def test_bfloat16_resumes_exactly_and_saves_float32(train):
    straight = train(6, True)
    types = tf.train.load_checkpoint(str(train.model / 'mnist_model-6'))
    types = types.get_variable_to_dtype_map()
    assert types.pop('Variable_8') == tf.int32
    assert set(types.values()) == {tf.float32}
    shutil.rmtree(str(train.model))
    for steps in 2, 3:
        train(steps, True)
    assert train(6, True) == straight
    shutil.rmtree(str(train.model))
    assert train(6, False) != straight


def refused(capsys):
    with pytest.raises(SystemExit) as ended:
        terminal.parse_training(1, 'model', 1)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_processors_without_bfloat16(monkeypatch, tmp_path, capsys):
    cpuinfo = tmp_path / 'cpuinfo'
    monkeypatch.setattr(processor, 'CPUINFO', str(cpuinfo))
    monkeypatch.setattr('sys.argv', ['mnist_lenet5_backward.py', '--bfloat16'])
    monkeypatch.setattr(platform, 'machine', lambda: 'x86_64')
    cpuinfo.write_text('flags\t\t: avx2 avx512f\n', encoding='utf-8')
    line = refused(capsys)
    assert 'error: argument --bfloat16: ' in line and ' no bfloat16 arithmetic' in line


@needs_bfloat16
@pytest.mark.parametrize('machine, names', [('x86_64', None), ('arm64', None), ('aarch64', 'bf16')])
def test_where_nobody_knows_tensorflow_is_asked(monkeypatch, tmp_path, machine, names):
    """macOS and Windows have no such file, and ARM has other names in it."""
    monkeypatch.setattr(processor, 'CPUINFO', str(tmp_path / 'cpuinfo'))
    if names:
        (tmp_path / 'cpuinfo').write_text('Features : ' + names, encoding='utf-8')
    monkeypatch.setattr(platform, 'machine', lambda: machine)
    assert processor.lacks_bfloat16() is None
    monkeypatch.setattr(processor, 'session_config', lambda bfloat16: None)  # as if ignored
    assert processor.lacks_bfloat16() == (
        'TensorFlow does not use bfloat16 arithmetic on this processor (%s)' % machine
    )


@needs_bfloat16
def test_bfloat16_that_is_switched_off(tmp_path):
    """It must not train in float32 in silence."""
    script = os.path.join(ROOT, 'mnist_lenet5_backward.py')
    ended = subprocess.run(
        [sys.executable, script, '--bfloat16', '--steps', '1'],
        cwd=str(tmp_path),
        env=dict(os.environ, TF_ENABLE_ONEDNN_OPTS='0'),
        stderr=subprocess.PIPE,
    )
    assert ended.returncode == 2
    assert b'argument --bfloat16: TensorFlow does not use bfloat16' in ended.stderr


@pytest.mark.parametrize(
    'cpuinfo, chosen, expected',
    [
        ('flags : sse4_2 avx avx2', None, '1'),
        ('flags : sse4_2 avx avx2', '0', '0'),
        ('flags : sse4_2 avx', None, None),
        ('flags : sse4_2 avx', '1', '1'),
        (None, None, None),  # not Linux: nobody knows
    ],
)
def test_onednn(monkeypatch, tmp_path, cpuinfo, chosen, expected):
    monkeypatch.setattr(processor, 'CPUINFO', str(tmp_path / 'cpuinfo'))
    if cpuinfo:
        (tmp_path / 'cpuinfo').write_text(cpuinfo, encoding='utf-8')
    monkeypatch.setenv('TF_ENABLE_ONEDNN_OPTS', 'to be undone')
    if chosen is None:
        del os.environ['TF_ENABLE_ONEDNN_OPTS']
    else:
        os.environ['TF_ENABLE_ONEDNN_OPTS'] = chosen
    processor.choose_arithmetic()
    assert os.environ.get('TF_ENABLE_ONEDNN_OPTS') == expected


@pytest.mark.parametrize('script', ['mnist_lenet5_backward', 'mnist_lenet5_test'])
def test_onednn_is_chosen_before_tensorflow_is_imported(tmp_path, script):
    """TensorFlow reads the variable then, and never again; on whatever processor this runs."""
    cpuinfo = tmp_path / 'cpuinfo'
    cpuinfo.write_text('flags : sse4_2 avx avx2', encoding='utf-8')
    code = """
import builtins, os, sys

class Finder:
    def find_spec(self, name, *args):
        if name == 'tensorflow':
            sys.exit('chosen: %%s' %% os.environ.get('TF_ENABLE_ONEDNN_OPTS'))

def instead(function):
    return lambda path, *args, **names: function(
        %r if path == '/proc/cpuinfo' else path, *args, **names
    )

sys.meta_path.insert(0, Finder())
builtins.open, os.path.exists = instead(open), instead(os.path.exists)
import %s
"""
    environment = {k: v for k, v in os.environ.items() if k != 'TF_ENABLE_ONEDNN_OPTS'}
    command = [sys.executable, '-c', code % (str(cpuinfo), script)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    assert ended.stderr.split() == [b'chosen:', b'1']
