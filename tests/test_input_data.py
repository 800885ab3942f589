"""input_data: reading, serving in batches, and refusing bad files."""

import gzip
import hashlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import DATA, idx, small_mnist

import input_data

TRAIN_IMAGES = 'train-images-idx3-ubyte'
TRAIN_LABELS = 'train-labels-idx1-ubyte'


@pytest.fixture(scope='module')
def mnist():
    return input_data.read_data_sets(DATA, one_hot=True)


def test_shipped_files_are_mnist():
    for name, md5 in input_data.MNIST_MD5.items():
        with gzip.open('%s/%s.gz' % (DATA, name)) as file:
            assert hashlib.md5(file.read()).hexdigest() == md5


def test_mnist(mnist):
    assert mnist._fields == ('train', 'validation', 'test')
    assert [d.num_examples for d in mnist] == [55000, 5000, 10000]
    for data in mnist:
        assert data.images.shape == (data.num_examples, 784)
        assert data.images.dtype == np.float32
        assert data.images.min() == 0 and data.images.max() == 1
        assert data.labels.shape == (data.num_examples, 10)
        assert (data.labels.sum(axis=1) == 1).all()
        assert data.epochs_completed == 0
    # what tensorflow.examples.tutorials.mnist.input_data of TensorFlow 1.15.5 gives, to the bit
    assert hashlib.md5(mnist.train.images.tobytes()).hexdigest() == (
        '0530f260a588e0e5b4e6fa4d01c1f577'
    )
    assert hashlib.md5(mnist.train.labels.tobytes()).hexdigest() == (
        'c3a8d3cc0ddd2610d16c5b13e8c6ad50'
    )
    assert hashlib.md5(mnist.validation.images.tobytes()).hexdigest() == (
        '245ff294503c9d5416972a7652f6871e'
    )
    assert hashlib.md5(mnist.test.images.tobytes()).hexdigest() == (
        '20426c39a379a90442152f8aaaacd0eb'
    )
    assert mnist.train.labels[:5].argmax(axis=1).tolist() == [7, 3, 4, 6, 1]


def test_forms(small_dir):
    files = small_mnist()
    pixels = np.frombuffer(files[TRAIN_IMAGES], np.uint8)[16:].reshape(20, 28, 28, 1)

    def read(**options):
        return input_data.read_data_sets(str(small_dir), validation_size=4, **options)

    flat = read().train
    assert flat.images.dtype == np.float32
    assert (
        flat.images.tobytes()
        == (pixels[4:].reshape(16, 784).astype(np.float32) * np.float32(1 / 255)).tobytes()
    )
    assert flat.labels.tolist() == [(4 + i) % 10 for i in range(16)]
    assert flat.labels.dtype == np.uint8
    assert read(reshape=False).train.images.shape == (16, 28, 28, 1)
    for dtype in np.uint8, tf.uint8, 'uint8':
        assert (read(dtype=dtype, reshape=False).train.images == pixels[4:]).all()
    for dtype in np.float32, tf.float32:
        assert (read(dtype=dtype).train.images == flat.images).all()
    with pytest.raises(TypeError, match='float64'):
        read(dtype=np.float64)
    # images are scaled when they are served, or all of them once they are asked for
    data, asked = read(seed=1).train, read(seed=1).train
    assert asked.images is asked.images
    xs, _ = data.next_batch(30)
    assert xs.dtype == np.float32 and xs.max() == 1
    assert xs.tobytes() == asked.next_batch(30)[0].tobytes()
    one_hot = read(one_hot=True).train
    assert one_hot.labels.argmax(axis=1).tolist() == flat.labels.tolist()
    assert one_hot.labels.sum() == 16
    assert read(one_hot=True, num_classes=12).test.labels.shape == (10, 12)
    assert read().validation.num_examples == 4
    everything = input_data.read_data_sets(str(small_dir), validation_size=0)
    assert everything.train.num_examples == 20
    with pytest.raises(input_data.DataError, match='no examples'):
        everything.validation.next_batch(1)
    # the order of the arguments is that of TensorFlow 1's function
    positional = input_data.read_data_sets(str(small_dir), False, True, np.uint8, False, 3, 1)
    assert positional.train.images.shape == (17, 28, 28, 1)
    assert positional.train.images.dtype == np.uint8
    assert positional.train.labels.shape == (17, 10)


@pytest.mark.parametrize(
    'separator, ending, zipped',
    [('-', '', 0), ('-', '.gz', 1), ('-', '.gz', 0), ('.', '', 0), ('.', '.gz', 1)],
)
def test_names_of_the_files(tmp_path, separator, ending, zipped):
    """Also unpacked by a browser, and beside Kaggle's folders; of two files .gz is read."""
    for name, content in small_mnist().items():
        if separator == '.':
            (tmp_path / name).mkdir()
        path = tmp_path / (name.replace('-idx', separator + 'idx') + ending)
        path.write_bytes(gzip.compress(content) if zipped else content)
    assert input_data.read_data_sets(str(tmp_path), validation_size=0).train.labels[0] == 0
    if not ending:
        nines = idx(np.full(20, 9, dtype=np.uint8))
        (tmp_path / 'train-labels.idx1-ubyte.gz').write_bytes(gzip.compress(nines))
        assert input_data.read_data_sets(str(tmp_path), validation_size=0).train.labels[0] == 9


def test_another_working_folder(tmp_path, monkeypatch, capsys):
    """What is beside the module is read, if it is whole and nothing of that name is here."""
    elsewhere, folder = tmp_path / 'elsewhere', tmp_path / 'project' / 'data'
    elsewhere.mkdir()
    folder.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(input_data, '__file__', str(tmp_path / 'project' / 'input_data.py'))
    monkeypatch.setattr(input_data, 'MIRRORS', ())
    for name, content in small_mnist().items():
        with pytest.raises(input_data.DataError, match='elsewhere.data has no files, and not t'):
            input_data.read_data_sets('./data/')
        (folder / name).write_bytes(content)
    assert capsys.readouterr() == ('', '')
    assert input_data.read_data_sets('./data/', validation_size=None).train.num_examples == 19
    line = './data/ is not in %s; reading %s\n' % (elsewhere, folder)
    assert capsys.readouterr() == ('', line)
    (elsewhere / 'data').mkdir()
    with pytest.raises(input_data.DataError, match='elsewhere.data has no files'):
        input_data.read_data_sets('./data/')


def test_validation_size(tmp_path):
    """None: 5,000, or a twelfth where that leaves nothing to train on."""
    for train, size in (20, 1), (5000, 416), (5001, 5000):
        for name, content in small_mnist(train).items():
            (tmp_path / name).write_bytes(content)
        mnist = input_data.read_data_sets(str(tmp_path), validation_size=None)
        assert [len(mnist.validation.images), len(mnist.train.images)] == [size, train - size]


def test_more_classes(tmp_path):
    """EMNIST's letters, from 1 to 26: as many as the caller says, or as the labels ask for."""
    letters = {**small_mnist(), 't10k-labels-idx1-ubyte': idx(np.arange(17, 27, dtype=np.uint8))}
    for name, content in letters.items():
        (tmp_path / name).write_bytes(content)

    def read(**options):
        return input_data.read_data_sets(str(tmp_path), one_hot=True, validation_size=0, **options)

    for options in {}, {'num_classes': 27}:
        mnist = read(**options)
        assert mnist.train.labels.shape == (20, 27) and mnist.test.labels.shape == (10, 27)
        assert mnist.test.labels.argmax(axis=1).tolist() == list(range(17, 27))
    with pytest.raises(input_data.DataError, match='t10k-labels.* label 26, .*=26 .*OUTPUT_NODE'):
        read(num_classes=26)


def numbers(n, seed=0):
    labels = np.arange(n) * 10
    return input_data.DataSet(np.arange(n), labels, dtype=np.uint8, reshape=False, seed=seed)


def test_next_batch_across_the_ends_of_epochs():
    data = numbers(10)
    served = []
    for i in range(15):  # 4 at a time, 6 epochs of 10
        xs, ys = data.next_batch(4)
        assert len(xs) == 4 and (ys == xs * 10).all()
        served.extend(xs)
        # as in TensorFlow 1, an epoch counts as completed when the next one is begun
        assert data.epochs_completed == (len(served) - 1) // 10, i
    epochs = np.reshape(served, (6, 10))
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert data.images.tolist() == list(range(10))


def test_next_batch_unshuffled_and_larger_than_the_data():
    data = numbers(10)
    assert data.next_batch(7, shuffle=False)[0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert data.next_batch(7, shuffle=False)[0].tolist() == [7, 8, 9, 0, 1, 2, 3]
    assert data.epochs_completed == 1
    xs = numbers(10).next_batch(25)[0]
    assert len(xs) == 25
    assert sorted(xs[:10]) == sorted(xs[10:20]) == list(range(10))


def test_seek():
    """To any place, at the ends of epochs too: what follows is what would have followed."""
    straight = numbers(10, 5)
    served = np.concatenate([straight.next_batch(3)[0] for _ in range(20)])
    for position in range(50):
        resumed = numbers(10, seed=None)
        resumed.next_batch(7)
        resumed.seek(position, 5)
        follows = np.concatenate([resumed.next_batch(1)[0] for _ in range(10)])
        assert follows.tolist() == served[position : position + 10].tolist()


def test_the_order_and_the_values_are_frozen():
    """Those of commit aa3b33a, to the bit: a training may be finished years later."""
    for asked in False, True:
        data = input_data.read_data_sets(DATA, one_hot=True).train
        assert not asked or data.images.dtype == np.float32
        data.seek(54930, 3)
        digest = hashlib.md5()
        for _ in range(600):
            for array in data.next_batch(100):
                digest.update(array.tobytes())
        assert digest.hexdigest() == '90df621601b6201718ac213cabe25cbd'


def test_seek_shuffles_once(monkeypatch):
    shuffles = []
    shuffle = input_data.DataSet._shuffle
    monkeypatch.setattr(
        input_data.DataSet, '_shuffle', lambda self: shuffles.append(1) or shuffle(self)
    )
    data = numbers(10)
    data.seek(10**10, 0)
    assert shuffles == [1] and data.epochs_completed == 10**9


def test_seed():
    assert numbers(50, 1).next_batch(50)[0].tolist() == numbers(50, 1).next_batch(50)[0].tolist()
    assert numbers(50, 1).next_batch(50)[0].tolist() != numbers(50, 2).next_batch(50)[0].tolist()
    no_seed = [numbers(50, None).next_batch(50)[0].tolist() for _ in range(2)]
    assert no_seed[0] != no_seed[1]


def test_numpys_global_seed_between_reading_and_the_first_batch(mnist):
    orders = []
    for seed in 1, 1, 2:
        data = numbers(50, None)
        np.random.seed(seed)
        orders.append(data.next_batch(100)[0].tolist())
    assert orders[0] == orders[1] != orders[2]
    # and with a seed of its own a data set takes none of the global numbers
    np.random.seed(1)
    numbers(50).next_batch(100)
    assert np.random.rand() == np.random.RandomState(1).rand()


def test_an_epochs_end_copies_no_images(mnist):
    images = mnist.train.images
    data = input_data.DataSet(images, mnist.train.labels, dtype=np.uint8, reshape=False)
    for _ in range(2):
        data.next_batch(40000)
    assert data.epochs_completed == 1
    assert data.images is images


GOOD = small_mnist()
IMAGES, LABELS = GOOD[TRAIN_IMAGES], GOOD[TRAIN_LABELS]


@pytest.mark.parametrize(
    'name, content, problem',
    [
        (TRAIN_IMAGES + '.gz', b'<html>404</html>', 'a web page, and no data'),
        (
            TRAIN_IMAGES + '.gz',
            gzip.compress(IMAGES)[:-9],
            r'cannot be read \(Compressed file ended',
        ),
        (TRAIN_IMAGES + '.gz', gzip.compress(IMAGES)[:-8] + bytes(8), 'CRC check failed'),
        (TRAIN_IMAGES, IMAGES[:-1], 'truncated, 1 bytes are missing'),
        (TRAIN_IMAGES, IMAGES[:15], 'truncated in its header'),
        (TRAIN_IMAGES, b'', 'truncated in its header'),
        (TRAIN_IMAGES, IMAGES + b'x', '1 trailing bytes'),
        (TRAIN_IMAGES, LABELS, 'wrong magic number, 2049 and not 2051'),
        (TRAIN_IMAGES, b'\xff' * 16 + IMAGES[16:], 'wrong magic number, 4294967295'),
        (TRAIN_IMAGES, IMAGES[:4] + b'\xff' * 12 + IMAGES[16:], 'truncated'),
        (TRAIN_IMAGES, idx(np.zeros((20, 32, 30), np.uint8)), 'images of 32 x 30 pixels'),
        (TRAIN_LABELS, idx(np.zeros(19, np.uint8)), '19 labels for 20 images'),
        (TRAIN_LABELS, LABELS + bytes(3), '3 trailing bytes'),
        (TRAIN_LABELS, LABELS[:-1], 'truncated, 1 bytes are missing'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_bad_file(tmp_path, name, content, problem):
    files = {**GOOD}
    files.pop(name.replace('.gz', ''))
    for good_name, good_content in files.items():
        (tmp_path / good_name).write_bytes(good_content)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(input_data.DataError, match=problem) as caught:
        input_data.read_data_sets(str(tmp_path), validation_size=0)
    message = str(caught.value)
    assert message.startswith('%s: ' % (tmp_path / name))
    assert '\n' not in message


def test_more_bad_input(tmp_path):
    empty = small_mnist(train=0)
    for name, content in empty.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(input_data.DataError, match='holds no examples'):
        input_data.read_data_sets(str(tmp_path))
    for name, content in small_mnist().items():
        (tmp_path / name).write_bytes(content)
    for size in -1, 21:
        with pytest.raises(input_data.DataError, match='between 0 and 20. Received: %d.' % size):
            input_data.read_data_sets(str(tmp_path), validation_size=size)


def test_mutated_files_are_read_or_refused(small_dir):
    """A few hundred random changes to a file: the one-line error, or data of the right form."""
    random = np.random.RandomState(1)
    refused = 0
    for _ in range(300):
        name = TRAIN_LABELS if random.randint(2) else TRAIN_IMAGES
        path = small_dir / (name + '.gz')
        good = path.read_bytes()
        content = bytearray(GOOD[name] if random.randint(2) else good)
        plain = bytes(content) != good
        for _ in range(random.randint(1, 4)):
            at = random.randint(min(len(content), 40) if random.randint(2) else len(content))
            change = random.randint(3)
            if change == 0:
                content[at] ^= 1 << random.randint(8)
            elif change == 1:
                del content[at:]
                break
            else:
                content[at:at] = random.bytes(random.randint(1, 9))
        path.write_bytes(gzip.compress(bytes(content), 1) if plain else content)
        try:
            data = input_data.read_data_sets(str(small_dir), validation_size=0).train
            assert data.images.shape == (20, 784) and data.labels.shape == (20,)
        except input_data.DataError as error:
            assert str(error).startswith(str(path)) and '\n' not in str(error)
            refused += 1
        path.write_bytes(good)
    assert 0 < refused < 300
