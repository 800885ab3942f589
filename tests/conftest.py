import gzip
import os
import struct

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, 'data')


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


CHECKPOINT_VARIABLES = ['Variable'] + ['Variable_%d' % i for i in range(1, 9)]
CHECKPOINT_VARIABLES += [name + '/ExponentialMovingAverage' for name in CHECKPOINT_VARIABLES[:8]]


def write_checkpoint(folder, step, parameters, shadows):
    """A checkpoint as training writes them, made of NumPy arrays."""
    values = dict(zip(CHECKPOINT_VARIABLES, [*parameters, step, *shadows]))
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = {
            name: tf.Variable(np.int32(value) if name == 'Variable_8' else np.float32(value))
            for name, value in values.items()
        }
        sess.run(tf.global_variables_initializer())
        folder.mkdir(exist_ok=True)
        path = str(folder / 'mnist_model')
        tf.train.Saver(variables).save(sess, path, step, write_meta_graph=False)
