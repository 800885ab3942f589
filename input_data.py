"""MNIST: finds the four files (or downloads them), checks them, serves them in batches.

It stands in for the vanished tensorflow.examples.tutorials.mnist.input_data:

    mnist = input_data.read_data_sets('./data/', one_hot=True)
    xs, ys = mnist.train.next_batch(100)  # [100, 784] float32 from 0 to 1, [100, 10]

The format of the files (IDX) is described in https://yann.lecun.com/exdb/mnist/.
"""

import collections
import functools
import gzip
import hashlib
import http.client
import operator
import os
import struct
import sys
import urllib.request
import zlib

import numpy as np

IMAGE_SIZE = 28  # pixels, both ways
NUM_CLASSES = 10
DEFAULT_SOURCE_URL = 'https://storage.googleapis.com/cvdf-datasets/mnist/'
MIRRORS = (DEFAULT_SOURCE_URL, 'https://ossci-datasets.s3.amazonaws.com/mnist/')
TIMEOUT_SECS = 30  # without a byte from a mirror

TRAIN_IMAGES = 'train-images-idx3-ubyte'
TRAIN_LABELS = 'train-labels-idx1-ubyte'
TEST_IMAGES = 't10k-images-idx3-ubyte'
TEST_LABELS = 't10k-labels-idx1-ubyte'
MNIST_MD5 = {  # of the uncompressed files
    TRAIN_IMAGES: '6bbc9ace898e44ae57da46a324031adb',
    TRAIN_LABELS: 'a25bea736e30d166cdddb491f175f624',
    TEST_IMAGES: '2646ac647ad5339dbf082846283269ea',
    TEST_LABELS: '27ae3e4e09519cfbb04c329615203637',
}

Datasets = collections.namedtuple('Datasets', ['train', 'validation', 'test'])


class DataError(ValueError):
    """A file is missing, unreadable or wrong; one line says which, how, and what to do."""

    exit_status = 1  # of a script that it ends


class DataSet:
    """Images and their labels, served in batches.

    images: [n, ...], in the order of the file; labels: [n] or [n, 10]; seed: of the order in
    which next_batch serves them, None for a new one every time; scale: images are uint8 and to
    be served as float32 from 0 to 1, of which a whole data set takes four times the memory.
    """

    def __init__(self, images, labels, seed=None, scale=False):
        self._images = images
        self._labels = labels
        self._seed = seed
        self._scale = scale
        self._order = np.arange(len(images))
        self._epochs_completed = 0
        self._index_in_epoch = 0

    @property
    def images(self):
        self._images = self._scaled(self._images)
        return self._images

    @property
    def labels(self):
        return self._labels

    @property
    def num_examples(self):
        return len(self._images)

    @property
    def epochs_completed(self):
        return self._epochs_completed

    def next_batch(self, batch_size, fake_data=False, shuffle=True):
        """Returns the next `batch_size` images and labels.

        Every example comes once an epoch, in a new random order; with shuffle=False in the
        order of the epoch before, at first the file's. A batch that crosses the end of an
        epoch takes the rest of it and the start of the next.
        """
        _refuse_fake_data(fake_data)
        if not self.num_examples:
            raise DataError('next_batch: this data set has no examples')
        if shuffle and self._epochs_completed == self._index_in_epoch == 0:
            self._shuffle()
        end = self._index_in_epoch + batch_size
        chosen = self._order[self._index_in_epoch : end]
        while end > self.num_examples:
            end -= self.num_examples
            self._epochs_completed += 1
            if shuffle:
                self._shuffle()
            chosen = np.concatenate([chosen, self._order[:end]])
        self._index_in_epoch = end
        # take is faster than an index
        images, labels = self._images.take(chosen, axis=0), self._labels.take(chosen, axis=0)
        return self._scaled(images), labels

    def seek(self, position, seed):
        """Goes where a new DataSet with `seed` (an int) is after serving `position` examples.

        That takes the time of one shuffle, wherever it is.
        """
        self._seed = seed
        self._epochs_completed, self._index_in_epoch = divmod(position, self.num_examples or 1)
        self._shuffle()

    def _scaled(self, images):
        if self._scale and images.dtype == np.uint8:
            return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        return images

    def _shuffle(self):
        """Puts the examples into the order of this epoch, a function of it and the seed."""
        seed = None if self._seed is None else [self._seed, self._epochs_completed]
        self._order = np.random.RandomState(seed).permutation(self.num_examples)


def read_data_sets(
    train_dir,
    fake_data=False,
    one_hot=False,
    dtype=np.float32,
    reshape=True,
    validation_size=5000,
    seed=None,
    source_url=DEFAULT_SOURCE_URL,
):
    """Reads the four IDX files in `train_dir`, gzipped or not; downloads what is missing.

    one_hot: labels are [n, 10] float64 and not class numbers, [n] uint8.
    dtype: float32 for grey levels from 0 to 1, uint8 for 0 to 255; NumPy's or TensorFlow's.
    reshape: images are [n, 784] and not [n, 28, 28, 1].
    validation_size: how many of the first training examples make the validation set.
    seed: of the order of the batches; None for a new one every time.
    source_url: where to download from, ending in '/'; if it is not the default, only there.

    Returns Datasets(train, validation, test), for MNIST 55,000, 5,000 and 10,000 examples.
    Raises DataError for a file that is missing, unreadable or wrong.
    """
    _refuse_fake_data(fake_data)
    dtype = np.dtype(getattr(dtype, 'as_numpy_dtype', dtype))
    if dtype not in (np.float32, np.uint8):
        raise TypeError('dtype is %s, and can be float32 or uint8' % dtype)
    _download_missing(train_dir, source_url or DEFAULT_SOURCE_URL)
    train_images, train_labels = _read_pair(train_dir, TRAIN_IMAGES, TRAIN_LABELS)
    test_images, test_labels = _read_pair(train_dir, TEST_IMAGES, TEST_LABELS)
    if not 0 <= validation_size <= len(train_images):
        raise DataError(
            '%s: %d training images are too few for validation_size=%d; use a larger data set'
            % (train_dir, len(train_images), validation_size)
        )

    def data_set(images, labels):
        if reshape:
            images = images.reshape(len(images), IMAGE_SIZE * IMAGE_SIZE)
        if one_hot:
            labels = np.eye(NUM_CLASSES)[labels]
        return DataSet(images, labels, seed, scale=dtype == np.float32)

    return Datasets(
        train=data_set(train_images[validation_size:], train_labels[validation_size:]),
        validation=data_set(train_images[:validation_size], train_labels[:validation_size]),
        test=data_set(test_images, test_labels),
    )


def _refuse_fake_data(fake_data):
    if fake_data:
        raise ValueError('fake_data is not supported: make a DataSet of your own arrays')


def _read_pair(train_dir, images_name, labels_name):
    """Returns images [n, 28, 28, 1] and labels [n], both uint8."""
    path = _find(train_dir, images_name)
    images = _read_idx(path, magic=2051, dimensions=3)
    if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise _bad(path, 'images of %d x %d pixels, not 28 x 28' % images.shape[1:])
    path = _find(train_dir, labels_name)
    labels = _read_idx(path, magic=2049, dimensions=1)
    if len(labels) != len(images):
        raise _bad(path, '%d labels for %d images' % (len(labels), len(images)))
    if not len(labels):
        raise _bad(path, 'holds no examples')
    if labels.max() >= NUM_CLASSES:
        raise _bad(path, 'has the label %d, and 9 is the largest' % labels.max())
    return images[..., np.newaxis], labels


def _bad(path, problem):
    return DataError(
        '%s: %s; put a good file in its place, or delete it to download MNIST' % (path, problem)
    )


def _find(train_dir, name):
    """Returns the path of the file `name`, the gzipped one if there are two, or None."""
    for path in (os.path.join(train_dir, name + '.gz'), os.path.join(train_dir, name)):
        if os.path.exists(path):
            return path
    return None


def _read_idx(path, magic, dimensions):
    """Returns the uint8 array in an IDX file: a magic number, the shape, the elements."""
    content = _read(path)
    header = struct.Struct('>%dI' % (1 + dimensions))
    if len(content) < header.size:
        raise _bad(path, 'truncated in its header')
    found, *shape = header.unpack_from(content)
    if found != magic:
        raise _bad(path, 'wrong magic number, %d and not %d' % (found, magic))
    # Python's integers, which do not overflow
    excess = len(content) - header.size - functools.reduce(operator.mul, shape)
    if excess < 0:
        raise _bad(path, 'truncated, %d bytes are missing' % -excess)
    if excess > 0:
        raise _bad(path, '%d trailing bytes' % excess)
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)


def _read(path):
    """Returns the uncompressed bytes of a file."""
    try:
        with (gzip.open if path.endswith('.gz') else open)(path, 'rb') as file:
            return file.read()
    except EOFError as error:
        raise _bad(path, 'truncated') from error
    except (OSError, zlib.error) as error:  # OSError is also what gzip raises
        raise _bad(path, 'cannot be read (%s)' % error) from error


def _download_missing(train_dir, source_url):
    paths = {name: _find(train_dir, name) for name in MNIST_MD5}
    missing = [name for name in paths if not paths[name]]
    if not missing:
        return
    if os.path.exists(train_dir) and not os.path.isdir(train_dir):
        raise DataError('%s: is not a folder; use another one' % train_dir)
    for name, path in paths.items():
        if path and _md5(_read(path)) != MNIST_MD5[name]:
            raise DataError(
                "%s: %s is missing, and not downloaded because %s is not MNIST's; add it"
                % (train_dir, missing[0], os.path.basename(path))
            )
    for name in missing:
        content = _download(name + '.gz', source_url, MNIST_MD5[name])
        _write_in_one_step(os.path.join(train_dir, name + '.gz'), content)


def _md5(content):
    return hashlib.md5(content).hexdigest()


def _download(name, source_url, md5):
    """Returns the gzipped file `name` from the first mirror that has the right one."""
    failures = []
    for mirror in MIRRORS if source_url == DEFAULT_SOURCE_URL else (source_url,):
        try:
            content = _fetch(mirror + name)
            if _md5(gzip.decompress(content)) == md5:
                return content
            failure = 'the MD5 is not that of MNIST'
        except (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException) as error:
            failure = error
        failures.append('%s%s: %s' % (mirror, name, failure))
    raise DataError(
        'cannot download %s; copy the missing file into the data folder by hand'
        % ', nor '.join(failures)
    )


def _fetch(url):
    """Returns the bytes at `url`, counting them on stderr."""
    content = b''
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECS) as response:
        try:
            for chunk in iter(lambda: response.read(1 << 20), b''):
                content += chunk
                _say('\rdownloading %s: %.1f MB' % (url, len(content) / 1e6))
        finally:
            _say('\n')
    return content


def _say(text):
    if sys.stderr:  # print would take stdout for None
        print(text, end='', file=sys.stderr, flush=True)


def _write_in_one_step(path, content):
    partial = '%s.%d.part' % (path, os.getpid())  # train and test may both be downloading
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(partial, 'wb') as file:
            file.write(content)
        os.replace(partial, path)
    except OSError as error:
        raise DataError('%s: cannot be written (%s)' % (path, error.strerror)) from error
    finally:
        if os.path.exists(partial):
            os.remove(partial)
