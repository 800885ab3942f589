"""input_data: reads files, serves batches, and refuses bad files."""

import gzip
import hashlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import DATA, idx, small_mnist, write
from test_download import refused

import input_data

GOOD = small_mnist()
TRAIN_IMAGES, TRAIN_LABELS = 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte'
IMAGES, LABELS = GOOD[TRAIN_IMAGES], GOOD[TRAIN_LABELS]


def read(folder, **options):
    return input_data.read_data_sets(str(folder), **{'validation_size': 0, **options})


def test_mnist():
    """The files of the project are MNIST, and the default split is the lecture's."""
    for name, md5 in input_data.MNIST_MD5.items():
        with gzip.open(f'{DATA}/{name}.gz') as file:
            assert hashlib.md5(file.read()).hexdigest() == md5
    assert all(url.endswith('/mnist/') for url in input_data.MIRRORS)
    mnist = input_data.read_data_sets(DATA, one_hot=True)
    assert mnist._fields == ('train', 'validation', 'test')
    for data, n in zip(mnist, (55000, 5000, 10000)):
        assert data.num_examples == len(data.images) == len(data.labels) == n
        assert data.images.dtype == np.float32
        assert (data.images.min(), data.images.max()) == (0, 1)
        assert data.labels.shape == (n, 10) and (data.labels.sum(axis=1) == 1).all()
    assert mnist.train.labels[:5].argmax(axis=1).tolist() == [7, 3, 4, 6, 1]


def test_forms(small_dir):
    """Every option gives arrays of the promised shape, type and values."""
    pixels = np.frombuffer(IMAGES, np.uint8)[16:].reshape(20, 28, 28, 1)
    flat = read(small_dir).train
    scaled = pixels.reshape(20, 784).astype(np.float32) * np.float32(1 / 255)
    assert flat.images.dtype == np.float32 and flat.images.tobytes() == scaled.tobytes()
    assert flat.labels.dtype == np.uint8 and flat.labels.tolist() == [i % 10 for i in range(20)]
    assert read(small_dir, reshape=False).train.images.shape == (20, 28, 28, 1)
    for dtype in np.uint8, tf.uint8, 'uint8':
        assert (read(small_dir, dtype=dtype, reshape=False).train.images == pixels).all()
    assert (read(small_dir, dtype=tf.float32).train.images == scaled).all()
    with pytest.raises(TypeError, match='float64'):
        read(small_dir, dtype=np.float64)
    one_hot = read(small_dir, one_hot=True).train.labels
    assert one_hot.argmax(axis=1).tolist() == flat.labels.tolist() and one_hot.sum() == 20
    assert read(small_dir, one_hot=True, num_classes=12).test.labels.shape == (10, 12)
    # the order of the arguments is the one of TensorFlow 1
    positional = input_data.read_data_sets(str(small_dir), False, True, np.uint8, False, 3, 1).train
    assert positional.images.shape == (17, 28, 28, 1) and positional.images.dtype == np.uint8
    assert positional.labels.shape == (17, 10)


@pytest.mark.parametrize(
    'separator, ending, zipped',
    [('-', '', 0), ('-', '.gz', 1), ('-', '.gz', 0), ('.', '', 0), ('.', '.gz', 1)],
)
def test_names_of_the_files(tmp_path, separator, ending, zipped):
    """Reads files that a browser unpacked, or that lie beside Kaggle's folders; prefers .gz."""
    for name, content in GOOD.items():
        if separator == '.':
            (tmp_path / name).mkdir()
        path = tmp_path / (name.replace('-idx', separator + 'idx') + ending)
        path.write_bytes(gzip.compress(content) if zipped else content)
    assert read(tmp_path).train.labels[0] == 0
    if not ending:
        nines = gzip.compress(idx(np.full(20, 9, dtype=np.uint8)))
        write(tmp_path, {'train-labels.idx1-ubyte.gz': nines})
        assert read(tmp_path).train.labels[0] == 9


def test_another_working_folder(tmp_path, monkeypatch, capsys):
    """The folder beside the module is read if it is complete and the working folder has none."""
    elsewhere, folder = tmp_path / 'elsewhere', tmp_path / 'project' / 'data'
    write(elsewhere, {})
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(input_data, '__file__', str(tmp_path / 'project' / 'input_data.py'))
    monkeypatch.setattr(input_data, 'MIRRORS', ())
    for name, content in GOOD.items():
        refused('elsewhere.data has no files', './data/')
        write(folder, {name: content})
    assert read('./data/').train.num_examples == 20
    out, err = capsys.readouterr()
    assert not out and err.count('\n') == 1 and str(elsewhere) in err and str(folder) in err
    refused('elsewhere.data has no files', './data/', fallback=False)
    write(elsewhere / 'data', {})
    refused('elsewhere.data has no files', './data/')


@pytest.mark.parametrize('train, size', [(20, 1), (5000, 416), (5001, 5000)])
def test_default_validation_size(tmp_path, train, size):
    """None means 5,000, or a twelfth of a small data set."""
    write(tmp_path, small_mnist(train))
    mnist = read(tmp_path, validation_size=None)
    assert [len(mnist.validation.images), len(mnist.train.images)] == [size, train - size]


def test_no_examples(small_dir):
    for size in -1, 21:
        refused(f'{small_dir.name}.* 20.* {size}', small_dir, validation_size=size)
    with pytest.raises(input_data.DataError, match='no examples'):
        read(small_dir).validation.next_batch(1)
    write(small_dir, {name + '.gz': content for name, content in small_mnist(0).items()})
    refused('train-labels.* no examples', small_dir)


def test_more_classes(tmp_path):
    """EMNIST's letters, 1 to 26, make 27 classes, and fewer are an error."""
    write(tmp_path, {**GOOD, 't10k-labels-idx1-ubyte': idx(np.arange(17, 27, dtype=np.uint8))})
    for options in {}, {'num_classes': 27}:
        mnist = read(tmp_path, one_hot=True, **options)
        assert mnist.train.labels.shape == (20, 27)
        assert mnist.test.labels.argmax(axis=1).tolist() == list(range(17, 27))
    refused('t10k-labels.* label 26 .*OUTPUT_NODE', tmp_path, one_hot=True, num_classes=26)


def numbers(n, seed=0):
    """A data set of the numbers 0 to n - 1. Its labels are ten times as large."""
    images = np.arange(n)
    data = input_data.DataSet(images, images * 10, dtype=np.uint8, reshape=False, seed=seed)
    images[:] = -1  # a program may use its array again
    return data


def test_next_batch():
    """Every epoch has every example once, with its label, in a new order."""
    data = numbers(10)
    images, global_numbers = data.images, np.random.get_state()[1].tolist()
    served = []
    for _ in range(15):  # 4 at a time, 6 epochs of 10
        xs, ys = data.next_batch(4)
        assert len(xs) == 4 and (ys == xs * 10).all()
        served.extend(xs)
        # as in TensorFlow 1, an epoch counts as completed when the next one is begun
        assert data.epochs_completed == (len(served) - 1) // 10
    epochs = {tuple(epoch) for epoch in np.reshape(served, (6, 10))}
    assert len(epochs) == 6 and all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert data.images is images and images.tolist() == list(range(10))
    assert np.random.get_state()[1].tolist() == global_numbers
    xs = numbers(10).next_batch(25)[0]  # larger than the data
    assert sorted(xs[:10]) == sorted(xs[10:20]) == list(range(10)) and len(xs) == 25
    unshuffled = [numbers(10).next_batch(n, shuffle=False)[0].tolist() for n in (7, 14)]
    assert unshuffled == [[*range(7)], [*range(10), *range(4)]]


def test_seek():
    """After seek(n), any n, come the batches that would have followed. It shuffles once."""
    straight = numbers(10, 5)
    served = np.concatenate([straight.next_batch(3)[0] for _ in range(20)])
    for position in range(50):
        resumed = numbers(10, seed=None)
        resumed.next_batch(7)
        resumed.seek(position, 5 - 2**32)  # TensorFlow's reader takes any integer, too
        follows = np.concatenate([resumed.next_batch(1)[0] for _ in range(10)])
        assert follows.tolist() == served[position : position + 10].tolist()
    resumed.seek(10**10, 5)  # a shuffle for each epoch would take an hour
    assert resumed.epochs_completed == 10**9


@pytest.mark.parametrize('asked', [False, True])
def test_the_order_and_the_values_are_frozen(asked):
    """A training may be finished years later. Images are scaled when served, or when asked for."""
    data = input_data.read_data_sets(DATA, one_hot=True).train
    assert not asked or data.images.dtype == np.float32 and data.images is data.images
    data.seek(54930, 3)
    digest = hashlib.md5()
    for _ in range(600):
        for array in data.next_batch(100):
            digest.update(array.tobytes())
    assert digest.hexdigest() == '90df621601b6201718ac213cabe25cbd'


@pytest.mark.parametrize(
    'name, content, problem',
    [
        (TRAIN_IMAGES + '.gz', b'<html>404</html>', 'web page'),
        (TRAIN_IMAGES + '.gz', gzip.compress(IMAGES)[:-9], 'Compressed file ended'),
        (TRAIN_IMAGES + '.gz', gzip.compress(IMAGES)[:-8] + bytes(8), 'CRC check failed'),
        (TRAIN_IMAGES + '.gz', gzip.compress(IMAGES)[:10] + b'\xff' * 99, 'invalid block type'),
        (TRAIN_IMAGES, IMAGES[:-1], 'truncated, 1 '),
        (TRAIN_IMAGES, IMAGES[:15], 'truncated in its header'),
        (TRAIN_IMAGES, b'', 'truncated in its header'),
        (TRAIN_IMAGES, IMAGES + b'x', '1 trailing bytes'),
        (TRAIN_IMAGES, LABELS, 'magic number, 2049 .*2051'),
        (TRAIN_IMAGES, b'\xff' * 16 + IMAGES[16:], 'magic number, 4294967295'),
        (TRAIN_IMAGES, IMAGES[:4] + b'\1\0\0\0' * 2 + b'\0\1\0\0', 'truncated, 1844'),  # 2 ** 64
        (TRAIN_IMAGES, idx(np.zeros((20, 32, 30), np.uint8)), '32 x 30 pixels'),
        (TRAIN_LABELS, idx(np.zeros(19, np.uint8)), '19 labels for 20 images'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_bad_file(tmp_path, name, content, problem):
    """One line names the file, what is wrong, and what to do."""
    write(tmp_path, GOOD)
    (tmp_path / name.replace('.gz', '')).unlink()
    write(tmp_path, {name: content})
    error = refused(problem, tmp_path)
    assert error.startswith(f'{tmp_path / name}: ') and 'or delete it' in error
