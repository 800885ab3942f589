"""MNIST: finds the four files (or downloads them), checks them, serves them in batches.

It stands in for the vanished tensorflow.examples.tutorials.mnist.input_data, and for the module
behind it, tensorflow.contrib.learn.python.learn.datasets.mnist:

    mnist = input_data.read_data_sets('./data/', one_hot=True)
    xs, ys = mnist.train.next_batch(100)  # [100, 784] float32 from 0 to 1, [100, 10]

The format of the files (IDX) is described in https://yann.lecun.com/exdb/mnist/; Fashion-MNIST
and EMNIST have it, too.
"""

import collections
import contextlib
import functools
import gzip
import hashlib
import http.client
import io
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

MNIST_MD5 = {  # of the uncompressed files
    'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
    'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
    't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
    't10k-labels-idx1-ubyte': '27ae3e4e09519cfbb04c329615203637',
}

Datasets = collections.namedtuple('Datasets', ['train', 'validation', 'test'])


class DataError(ValueError):
    """A file is missing, unreadable or wrong; one line says which, how, and what to do."""

    exit_status = 1  # of a script that it ends


class DataSet:
    """Images and their labels, served in batches.

    images: [n, 28, 28, 1] or of another shape; labels: [n] or [n, classes].
    fake_data, one_hot: there are none, and next_batch(n, fake_data=True) serves a constant.
    dtype: float32 to multiply the images by 1/255, uint8 to leave them as they are.
    reshape: flatten each image.
    seed: of the order in which next_batch serves them. None: NumPy's global random numbers decide
    it, so that np.random.seed repeats it.

    Old programs also read and assign _images, _labels, _num_examples, _index_in_epoch and
    _epochs_completed.
    """

    def __init__(
        self,
        images,
        labels,
        fake_data=False,
        one_hot=False,
        dtype=np.float32,
        reshape=True,
        seed=None,
    ):
        dtype = np.dtype(getattr(dtype, 'as_numpy_dtype', dtype))  # TensorFlow's or NumPy's
        if dtype not in (np.float32, np.uint8):
            raise TypeError('dtype is %s, and can be float32 or uint8' % dtype)
        if len(images) != len(labels):
            raise ValueError('%d images and %d labels' % (len(images), len(labels)))
        if reshape and not fake_data:
            images = images.reshape(len(images), np.prod(images.shape[1:], dtype=int))
        self.one_hot = one_hot
        self._images = images
        self._to_scale = dtype == np.float32 and not fake_data
        self._labels = labels
        self._num_examples = 10000 if fake_data else len(images)
        self._seed = seed
        self._order = np.arange(0)  # in which the examples are served, in this epoch
        self._epochs_completed = 0
        self._index_in_epoch = 0

    images = property(operator.attrgetter('_images'))
    labels = property(operator.attrgetter('_labels'))
    num_examples = property(operator.attrgetter('_num_examples'))
    epochs_completed = property(operator.attrgetter('_epochs_completed'))

    @property
    def _images(self):
        self._images = self._scaled(self._stored)  # only now: it takes four times the memory
        return self._stored

    @_images.setter
    def _images(self, images):
        self._stored, self._to_scale = images, False

    def next_batch(self, batch_size, fake_data=False, shuffle=True):
        """Returns the next `batch_size` images and labels.

        Every example comes once an epoch, in a new random order; with shuffle=False in the
        order of the epoch before, at first the file's. A batch that crosses the end of an
        epoch takes the rest of it and the start of the next.
        """
        if fake_data:
            label = [1] + [0] * (NUM_CLASSES - 1) if self.one_hot else 0
            return [[1] * IMAGE_SIZE**2] * batch_size, [label] * batch_size
        if not self._num_examples:
            raise DataError('next_batch: this data set has no examples')
        if shuffle and self._epochs_completed == self._index_in_epoch == 0:
            self._shuffle()
        elif len(self._order) != self._num_examples:  # not shuffled yet, or assigned
            self._order = np.arange(self._num_examples)
        end = self._index_in_epoch + batch_size
        chosen = self._order[self._index_in_epoch : end]
        while len(chosen) < batch_size:
            self._epochs_completed += 1
            if shuffle:
                self._shuffle()
            end = batch_size - len(chosen)
            chosen = np.concatenate([chosen, self._order[:end]])
        self._index_in_epoch = end
        # take is faster than an index
        images, labels = self._stored.take(chosen, axis=0), self._labels.take(chosen, axis=0)
        return self._scaled(images), labels

    def seek(self, position, seed):
        """Goes where a new DataSet with `seed` (an int) is after serving `position` examples.

        That takes the time of one shuffle, wherever it is.
        """
        self._seed = seed
        self._epochs_completed, self._index_in_epoch = divmod(position, self._num_examples or 1)
        self._shuffle()

    def _scaled(self, images):
        if self._to_scale:
            return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        return images

    def _shuffle(self):
        """Puts the examples into a new order; with a seed, a function of it and the epoch."""
        random = np.random
        if self._seed is not None:
            random = np.random.RandomState([self._seed, self._epochs_completed])
        self._order = random.permutation(self._num_examples)


def read_data_sets(
    train_dir,
    fake_data=False,
    one_hot=False,
    dtype=np.float32,
    reshape=True,
    validation_size=5000,
    seed=None,
    source_url=DEFAULT_SOURCE_URL,
    num_classes=None,
):
    """Reads the four IDX files in `train_dir`, gzipped or not; downloads what is missing.

    If there is no `train_dir`, as when an editor runs a script from elsewhere, but one with the
    four files beside this module, that is read, and a line on stderr says so. If `train_dir` has
    none of the files and the download fails, MNIST is read from a folder data/, here or beside this
    module, and a line on stderr says so.

    fake_data: read nothing, return DataSets of fake data.
    one_hot: labels are [n, num_classes] float64 and not class numbers, [n] uint8.
    dtype: float32 for grey levels from 0 to 1, uint8 for 0 to 255; NumPy's or TensorFlow's.
    reshape: images are [n, 784] and not [n, 28, 28, 1].
    validation_size: how many of the first training examples make the validation set; None for
    5,000, or a twelfth (MNIST's share) where there are not more than these.
    seed: of the order of the batches, see DataSet.
    source_url: where to download from, ending in '/': if that is not MNIST's, only there, and
    whatever has the form of these files is taken.
    num_classes: None for ten, or as many as the labels ask for.

    Returns Datasets(train, validation, test), for MNIST 55,000, 5,000 and 10,000 examples.
    Raises DataError for a file that is missing, unreadable or wrong, or a label too large.
    """
    if fake_data:
        return Datasets(*[DataSet([], [], True, one_hot, dtype, seed=seed) for _ in range(3)])
    # yann.lecun.com, which old programs name, no longer gives the files
    is_mnist = source_url in ('', None, DEFAULT_SOURCE_URL) or '//yann.lecun.com/' in source_url
    if is_mnist:
        train_dir = _here_or_beside(train_dir)
    try:
        _download_missing(train_dir, source_url, is_mnist)
    except DataError:
        wanted, train_dir = train_dir, is_mnist and _folder_with_mnist()
        if not train_dir or any(_find(wanted, name) for name in MNIST_MD5):
            raise
        _say('cannot download MNIST to %s; reading %s\n' % (os.path.abspath(wanted), train_dir))
    images, labels = _read_pair(train_dir, 'train', num_classes)
    test_images, test_labels = _read_pair(train_dir, 't10k', num_classes)
    if validation_size is None:
        validation_size = 5000 if len(images) > 5000 else len(images) // 12
    if not 0 <= validation_size <= len(images):
        text = '%s: Validation size should be between 0 and %d. Received: %d.'
        raise DataError(text % (train_dir, len(images), validation_size))
    if one_hot:
        largest = max(NUM_CLASSES - 1, labels.max(), test_labels.max())
        num_classes = num_classes or 1 + int(largest)
        labels = dense_to_one_hot(labels, num_classes)
        test_labels = dense_to_one_hot(test_labels, num_classes)
    data_set = functools.partial(DataSet, dtype=dtype, reshape=reshape, seed=seed)
    return Datasets(
        train=data_set(images[validation_size:], labels[validation_size:]),
        validation=data_set(images[:validation_size], labels[:validation_size]),
        test=data_set(test_images, test_labels),
    )


def load_mnist(train_dir='MNIST-data'):
    return read_data_sets(train_dir)


def extract_images(f):
    """Returns the images in an IDX file open for reading bytes, [n, rows, columns, 1] uint8."""
    return _parse(_unpack(f), dimensions=3)[..., np.newaxis]


def extract_labels(f, one_hot=False, num_classes=NUM_CLASSES):
    """Returns the labels in an IDX file open for reading bytes, [n] uint8 or one-hot."""
    labels = _parse(_unpack(f), dimensions=1)
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


def dense_to_one_hot(labels_dense, num_classes):
    """Returns [n, num_classes] float64 for class numbers [n]."""
    return np.eye(num_classes)[np.ravel(labels_dense)]


def _here_or_beside(train_dir):
    """Returns `train_dir`, or the one beside this file, if only that is there and has the data."""
    beside = os.path.abspath(os.path.join(os.path.dirname(__file__), train_dir))
    if os.path.exists(train_dir) or not all(_find(beside, name) for name in MNIST_MD5):
        return train_dir
    _say('%s is not in %s; reading %s\n' % (train_dir, os.getcwd(), beside))
    return beside


def _folder_with_mnist():
    """Returns the folder data/, here or beside this file, that has MNIST's four files, or None.

    Files of another data set may have the same names.
    """
    for parent in os.getcwd(), os.path.dirname(os.path.abspath(__file__)):
        folder = os.path.join(parent, 'data')
        paths = {name: _find(folder, name) for name in MNIST_MD5}
        with contextlib.suppress(DataError):  # a damaged file
            if all(path and _md5(path) == MNIST_MD5[name] for name, path in paths.items()):
                return folder
    return None


def _read_pair(train_dir, prefix, num_classes):
    """Returns images [n, 28, 28, 1] and labels [n], both uint8."""
    path = _find(train_dir, prefix + '-images-idx3-ubyte')
    with _naming(path), open(path, 'rb') as file:
        images = extract_images(file)
        if images.shape[1:3] != (IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError('images of %d x %d pixels, not 28 x 28' % images.shape[1:3])
    path = _find(train_dir, prefix + '-labels-idx1-ubyte')
    with _naming(path), open(path, 'rb') as file:
        labels = extract_labels(file)
        if len(labels) != len(images):
            raise ValueError('%d labels for %d images' % (len(labels), len(images)))
        if not len(labels):
            raise ValueError('holds no examples')
        if num_classes is not None and labels.max() >= num_classes:
            text = "has the label %d, too large for num_classes=%d (the scripts' OUTPUT_NODE)"
            raise ValueError(text % (labels.max(), num_classes))
    return images, labels


@contextlib.contextmanager
def _naming(path):
    """What cannot be read becomes a DataError that names the file."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error) as error:  # OSError is gzip's, too
        problem = error if isinstance(error, ValueError) else 'cannot be read (%s)' % error
        raise DataError(
            '%s: %s; put a good file in its place, or delete it to download it' % (path, problem)
        ) from error


def _find(train_dir, name):
    """Returns the path of the file `name`, the gzipped one if there are several, or None."""
    dotted = name.replace('-idx', '.idx')  # as 7-Zip and Kaggle write it
    for file_name in (name + '.gz', dotted + '.gz', name, dotted):
        path = os.path.join(train_dir, file_name)
        if os.path.isfile(path):
            return path
    return None


def _parse(content, dimensions):
    """Returns the array in the bytes of an IDX file: a magic number, the shape, the elements."""
    if content[:99].lstrip()[:1] == b'<':  # from a hotel's network, or saved in a browser
        raise ValueError('a web page, and no data')
    header = struct.Struct('>%dI' % (1 + dimensions))
    if len(content) < header.size:
        raise ValueError('truncated in its header')
    found, *shape = header.unpack_from(content)
    if found != 2048 + dimensions:  # 2048 is for bytes without a sign
        raise ValueError('wrong magic number, %d and not %d' % (found, 2048 + dimensions))
    # Python's integers, which do not overflow
    excess = len(content) - header.size - functools.reduce(operator.mul, shape)
    if excess < 0:
        raise ValueError('truncated, %d bytes are missing' % -excess)
    if excess > 0:
        raise ValueError('%d trailing bytes' % excess)
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)


def _unpack(file):
    """Returns the uncompressed bytes, whatever its name is: browsers unpack and keep the .gz."""
    packed = file.read(2) == b'\x1f\x8b'
    file.seek(0)
    return gzip.GzipFile(fileobj=file).read() if packed else file.read()


def _download_missing(train_dir, source_url, is_mnist):
    paths = {name: _find(train_dir, name) for name in MNIST_MD5}
    missing = [name for name in paths if not paths[name]]
    if not missing:
        return
    folder = os.path.abspath(train_dir)
    there = ', '.join(sorted(os.listdir(folder))[:12]) if os.path.isdir(folder) else ''
    found = '%s has %s, and not %s' % (folder, there or 'no files', ', '.join(missing))
    others = [path for name, path in paths.items() if path and _md5(path) != MNIST_MD5[name]]
    if is_mnist and others:
        name = os.path.basename(others[0])
        raise DataError("%s; not downloaded, because %s is not MNIST's; add it" % (found, name))
    for name in missing:
        content = _download(name, source_url, is_mnist, found)
        _write_in_one_step(os.path.join(train_dir, name + '.gz'), content)


def _md5(path):
    with _naming(path), open(path, 'rb') as file:
        return hashlib.md5(_unpack(file)).hexdigest()


def _download(name, source_url, is_mnist, found):
    """Returns the gzipped file `name` from the first mirror that has the right one."""
    failures = []
    for mirror in MIRRORS if is_mnist else (source_url,):
        try:
            content = _fetch(mirror + name + '.gz')
            unpacked = _unpack(io.BytesIO(content))
            _parse(unpacked, dimensions=3 if 'images' in name else 1)
            if not is_mnist or hashlib.md5(unpacked).hexdigest() == MNIST_MD5[name]:
                return content
            failure = 'the MD5 is not that of MNIST'
        except (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException) as error:
            failure = str(error).strip()  # that of a broken proxy may end in a newline
        failures.append('%s%s.gz: %s' % (mirror, name, failure))
    sources = ', nor '.join(failures)
    raise DataError('cannot download %s; %s; copy it there by hand' % (sources, found))


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
