"""processor: --bfloat16, where there is such arithmetic and where there is none."""

import os
import shutil
from types import SimpleNamespace

import processor

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import command_line
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


def test_processors_without_bfloat16(monkeypatch, tmp_path, capsys):
    cpuinfo = tmp_path / 'cpuinfo'
    monkeypatch.setattr(processor, 'CPUINFO', str(cpuinfo))
    monkeypatch.setattr('sys.argv', ['mnist_lenet5_backward.py', '--bfloat16'])
    if hasattr(tf.ConfigProto().graph_options.rewrite_options, processor.BFLOAT16_OPTION):
        cpuinfo.write_text('flags\t\t: avx2 avx512_bf16 sse\n')
        assert command_line.parse_training(1, 'model', 1).bfloat16
        cpuinfo.write_text('flags\t\t: amx_bf16\n')
        assert command_line.parse_training(1, 'model', 1).bfloat16
        os.remove(str(cpuinfo))  # not Linux: nobody knows
        assert command_line.parse_training(1, 'model', 1).bfloat16
        cpuinfo.write_text('flags\t\t: avx2 avx512f\n')
    with pytest.raises(SystemExit) as ended:
        command_line.parse_training(1, 'model', 1)
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert 'error: argument --bfloat16: ' in line and ' no bfloat16 arithmetic' in line
