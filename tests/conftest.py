import gzip
import os
import struct
import sys

import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, 'data')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
sys.path.insert(0, os.path.dirname(__file__))


def idx(array):
    """The bytes of an IDX file that holds a uint8 array."""
    magic = 2048 + array.ndim
    return struct.pack('>%dI' % (1 + array.ndim), magic, *array.shape) + array.tobytes()


def small_mnist(train=20, test=10):
    """The four files of a data set of noise: {name: uncompressed bytes}."""
    random = np.random.RandomState(0)
    files = {}
    for prefix, n in ('train', train), ('t10k', test):
        files[prefix + '-images-idx3-ubyte'] = idx(
            random.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        )
        files[prefix + '-labels-idx1-ubyte'] = idx((np.arange(n) % 10).astype(np.uint8))
    return files


@pytest.fixture
def small_dir(tmp_path):
    """A folder with a small data set, gzipped."""
    for name, content in small_mnist().items():
        (tmp_path / (name + '.gz')).write_bytes(gzip.compress(content))
    return tmp_path
