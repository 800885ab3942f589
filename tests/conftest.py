import gzip
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import support  # noqa: F401  # its settings, before a test file imports TensorFlow

import pytest
from helpers import DATA, ROOT, SIGNALS, Folder, Noise, small_mnist, write

# it would hide from the tests of the scripts what buffers do
os.environ.pop('PYTHONUNBUFFERED', None)


def pytest_configure(config):
    """With PYTHONWARNDEFAULTENCODING=1 these files may open none without naming its encoding."""
    ours = 'support|mnist_lenet5|input_data|test_|conftest|helpers|reference'
    for line in 'ignore::EncodingWarning', 'error::EncodingWarning:(%s)' % ours:
        if sys.version_info >= (3, 10):
            config.addinivalue_line('filterwarnings', line)


def pytest_runtest_setup(item):
    if os.name != 'posix' and item.get_closest_marker('posix'):
        pytest.skip('needs POSIX')


@pytest.fixture
def small_dir(tmp_path):
    """A folder with a small data set, gzipped."""
    files = {name + '.gz': gzip.compress(content) for name, content in small_mnist().items()}
    write(tmp_path, files)
    return tmp_path


@pytest.fixture
def handlers():
    """Those of a process in the foreground, whatever runs the tests; and the old ones after it."""
    old = {signum: signal.signal(signum, signal.SIG_DFL) for signum in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for signum, handler in old.items():
        signal.signal(signum, handler)


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    """train(steps): a run on batches of two; returns its steps on stdout and its stderr."""
    import mnist_lenet5_backward

    monkeypatch.setattr(mnist_lenet5_backward, 'BATCH_SIZE', 2)
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', str(tmp_path / 'model'))

    def run(steps, data=None, **options):
        monkeypatch.setattr(mnist_lenet5_backward, 'STEPS', steps)
        mnist_lenet5_backward.backward(SimpleNamespace(train=data or Noise()), **options)
        captured = capsys.readouterr()
        line = r'After (\d+) training step\(s\), loss on training batch is \S+\.'
        found = [re.fullmatch(line, printed) for printed in captured.out.splitlines()]
        return [int(match.group(1)) for match in found], captured.err

    run.model = tmp_path / 'model'
    return run


@pytest.fixture
def train_small(train, monkeypatch):
    """`train` on another network, as a student might write it: one fully connected layer."""
    import tensorflow.compat.v1 as tf

    import mnist_lenet5_forward

    def forward(x, train, regularizer, seed=None):
        w = mnist_lenet5_forward.get_weight([784, 10], regularizer)
        b = mnist_lenet5_forward.get_bias([10])
        x = tf.reshape(x, [-1, 784])
        return tf.matmul(mnist_lenet5_forward.dropout(x, 0.5, seed) if train else x, w) + b

    monkeypatch.setattr(mnist_lenet5_forward, 'forward', forward)
    return train


ON_ADAM = """
from support import command_line
import tensorflow.compat.v1 as tf

tf.train.GradientDescentOptimizer = lambda learning_rate: tf.train.AdamOptimizer(0.001)
import mnist_lenet5_backward
command_line.launch(mnist_lenet5_backward.main)
"""


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    """A folder with a checkpoint that reads 98% of the test digits. Adam needs few steps for it."""
    folder = str(tmp_path_factory.mktemp('trained') / 'model')
    flags = ['--steps', '300', '--data_dir', DATA, '--model_dir', folder]
    command = [sys.executable, '-c', ON_ADAM, *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return folder


@pytest.fixture
def folder(tmp_path):
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default():
        tf.get_variable_scope().set_use_resource(True)
        folder = Folder(tmp_path / 'model')
        yield folder
        folder.sess.close()
