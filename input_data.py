"""Reads MNIST's four files, downloads missing ones, checks them, and serves batches.

The module replaces tensorflow.examples.tutorials.mnist.input_data, which TensorFlow 2 lacks, and
the module behind it, tensorflow.contrib.learn.python.learn.datasets.mnist:

    mnist = input_data.read_data_sets('./data/', one_hot=True)
    xs, ys = mnist.train.next_batch(100)  # [100, 784] float32 from 0 to 1, [100, 10]

https://yann.lecun.com/exdb/mnist/ describes the format of the files, IDX. Fashion-MNIST and EMNIST
use the same format.
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
import re
import struct
import sys
import urllib.request
import zlib

import numpy as np

IMAGE_SIZE = 28  # rows and columns
NUM_CLASSES = 10
DEFAULT_SOURCE_URL = 'https://storage.googleapis.com/cvdf-datasets/mnist/'
MIRRORS = (DEFAULT_SOURCE_URL, 'https://ossci-datasets.s3.amazonaws.com/mnist/')
TIMEOUT_SECS = 30  # a download fails after this time without a byte

MNIST_MD5 = {  # of the uncompressed files
    'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
    'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
    't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
    't10k-labels-idx1-ubyte': '27ae3e4e09519cfbb04c329615203637',
}

Datasets = collections.namedtuple('Datasets', ['train', 'validation', 'test'])


class DataError(ValueError):
    """The data cannot be used. One line names the file or argument, the problem, the remedy."""

    exit_status = 1  # a script that this error stops ends with this status


class DataSet:
    """Images and their labels, served in batches.

    images: [n, 28, 28, 1], or n images of another shape. labels: [n] or [n, classes].
    fake_data: neither flatten nor scale the images, and set num_examples to 10,000.
    next_batch(n, fake_data=True) serves constants, whatever the images are.
    one_hot: whether these constant labels are one-hot.
    dtype: float32 multiplies the images by 1/255, uint8 leaves them unchanged.
    reshape: flatten each image.
    seed: decides the order of the examples. Without a seed, np.random's global state does.

    TensorFlow 1 programs also read and assign _images, _labels, _num_examples, _index_in_epoch and
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
        dtype = np.dtype(getattr(dtype, 'as_numpy_dtype', dtype))  # of TensorFlow or NumPy
        if dtype not in (np.float32, np.uint8):
            raise TypeError(f'dtype must be float32 or uint8, not {dtype}')
        if len(images) != len(labels):
            raise ValueError(f'{len(images)} images need as many labels, not {len(labels)}')
        if reshape and not fake_data:
            images = images.reshape(len(images), np.prod(images.shape[1:], dtype=int))
        self.one_hot = one_hot
        self._stored = np.array(images)  # a program may change its own array later
        self._to_scale = dtype == np.float32 and not fake_data
        self._labels = np.array(labels)
        self._num_examples = 10000 if fake_data else len(images)
        self._seed = seed
        self._order = np.arange(0)  # the numbers of the examples, in the order of this epoch
        self._epochs_completed = 0
        self._index_in_epoch = 0

    images = property(operator.attrgetter('_images'))
    labels = property(operator.attrgetter('_labels'))
    num_examples = property(operator.attrgetter('_num_examples'))
    epochs_completed = property(operator.attrgetter('_epochs_completed'))

    @property
    def _images(self):
        if self._to_scale:  # only now, because float32 takes four times the memory
            self._images = self._scaled(self._stored)
        return self._stored

    @_images.setter
    def _images(self, images):
        self._stored, self._to_scale = images, False

    def next_batch(self, batch_size, fake_data=False, shuffle=True):
        """Returns the next `batch_size` images and labels.

        Each epoch serves every example once, in a new random order. shuffle=False keeps the
        previous order, which is the file's at first. A batch may cross the end of an epoch.
        """
        if fake_data:
            label = [1] + [0] * (NUM_CLASSES - 1) if self.one_hot else 0
            return [[1] * IMAGE_SIZE**2] * batch_size, [label] * batch_size
        if not self._num_examples:
            raise DataError('next_batch: the data set has no examples; use one that has some')
        if shuffle and self._epochs_completed == self._index_in_epoch == 0:
            self._shuffle()
        elif len(self._order) != self._num_examples:  # no order yet, or _num_examples is new
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
        # take is faster than indexing
        return self._scaled(self._stored.take(chosen, axis=0)), self._labels.take(chosen, axis=0)

    def seek(self, position, seed):
        """Moves to where a new DataSet with `seed` (an int) is after serving `position` examples.
        After a whole epoch, epochs_completed counts it at once, and not with the next batch.

        However large the position is, this takes the time of one shuffle.
        """
        self._seed = seed
        self._epochs_completed, self._index_in_epoch = divmod(position, self._num_examples or 1)
        self._shuffle()

    def _scaled(self, images):
        if self._to_scale:
            return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        return images

    def _shuffle(self):
        """Draws a new order. With a seed, the order depends on the seed and the epoch only."""
        random = np.random
        if self._seed is not None:
            random = np.random.RandomState([self._seed % 2**32, self._epochs_completed])
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
    fallback=True,
):
    """Reads the four IDX files in `train_dir`, gzipped or not. Downloads missing files.

    With `fallback`, and without a source_url of another data set, another folder replaces a
    `train_dir` without IDX files. A line on stderr names that folder:
    - if there is no `train_dir`, the folder of this name beside this module, if complete
    - else a folder data/ with MNIST, in the working folder or beside this module

    fake_data: read nothing. The DataSets then serve only next_batch(n, fake_data=True).
    one_hot: labels are [n, num_classes] float64 instead of class numbers [n] uint8.
    dtype: float32 for grey levels from 0 to 1, uint8 for 0 to 255. NumPy's or TensorFlow's type.
    reshape: images are [n, 784] instead of [n, 28, 28, 1].
    validation_size: this many of the first training examples become the validation set.
    None means 5,000, or a twelfth of the examples if there are at most 5,000.
    seed: decides the order of the batches, see DataSet.
    source_url: an address that ends in '/'. If it is not an address of MNIST, only this address
    is asked, and the files need not be MNIST.
    num_classes: the length of a one-hot label. None means ten, or more if a label needs more.
    fallback: see above.

    Returns Datasets(train, validation, test): 55,000, 5,000 and 10,000 examples of MNIST.
    Raises DataError if a file is missing, unreadable or wrong, or cannot be downloaded, or if a
    label is too large, or validation_size is.
    """
    if fake_data:
        return Datasets(*[DataSet([], [], True, one_hot, dtype, seed=seed) for _ in range(3)])
    # TensorFlow 1 programs name yann.lecun.com, which no longer offers the files
    is_mnist = source_url in ('', None, DEFAULT_SOURCE_URL) or '//yann.lecun.com/' in source_url
    if is_mnist and fallback:
        train_dir = _here_or_elsewhere(train_dir)
    is_new = not os.path.exists(train_dir)
    _download_missing(train_dir, source_url, is_mnist)
    if is_new and is_mnist and not fallback:
        _say(f'made {os.path.abspath(train_dir)} and downloaded MNIST into it\n')
    images, labels = _read_pair(train_dir, 'train', num_classes)
    test_images, test_labels = _read_pair(train_dir, 't10k', num_classes)
    if validation_size is None:
        validation_size = 5000 if len(images) > 5000 else len(images) // 12
    if not 0 <= validation_size <= len(images):
        sizes = f'from 0 to {len(images)}, not {validation_size}'
        raise DataError(f'{train_dir}: validation_size must be {sizes}')
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
    """Returns the images [n, rows, columns, 1] uint8 of an IDX file that is open in mode 'rb'."""
    return _parse(_unpack(f), dimensions=3)[..., np.newaxis]


def extract_labels(f, one_hot=False, num_classes=NUM_CLASSES):
    """Returns the labels, [n] uint8 or one-hot, of an IDX file that is open in mode 'rb'."""
    labels = _parse(_unpack(f), dimensions=1)
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


def dense_to_one_hot(labels_dense, num_classes):
    """Returns [n, num_classes] float64 for class numbers [n]."""
    return np.eye(num_classes)[np.ravel(labels_dense)]


def _here_or_elsewhere(train_dir):
    """Returns `train_dir`, or, if it has no IDX files, another folder that needs no download."""
    if _idx_files(train_dir):
        return train_dir
    beside = os.path.abspath(os.path.join(os.path.dirname(__file__), train_dir))
    is_beside = not os.path.exists(train_dir) and all(_find(beside, name) for name in MNIST_MD5)
    folder = beside if is_beside else _folder_with_mnist()
    if folder:
        _say(f'{os.path.abspath(train_dir)} has no data; reading {folder}\n')
    return folder or train_dir


def _folder_with_mnist():
    """Returns the folder data/ with MNIST's files, here or beside this file, or None.

    Compares the MD5, because files of another data set may have the same names.
    """
    for parent in os.getcwd(), os.path.dirname(os.path.abspath(__file__)):
        folder = os.path.join(parent, 'data')
        paths = {name: _find(folder, name) for name in MNIST_MD5}
        with contextlib.suppress(DataError):  # a file may be damaged
            if all(path and _md5(path) == MNIST_MD5[name] for name, path in paths.items()):
                return folder
    return None


def _read_pair(train_dir, prefix, num_classes):
    """Returns images [n, 28, 28, 1] and labels [n], both uint8."""
    path = _find(train_dir, prefix + '-images-idx3-ubyte')
    with _naming(path), open(path, 'rb') as file:
        images = extract_images(file)
        _, rows, columns, _ = images.shape
        if {rows, columns} != {IMAGE_SIZE}:
            right = f'{IMAGE_SIZE} x {IMAGE_SIZE}'
            raise ValueError(f'images of {rows} x {columns} pixels, not {right}')
    path = _find(train_dir, prefix + '-labels-idx1-ubyte')
    with _naming(path), open(path, 'rb') as file:
        labels = extract_labels(file)
        if len(labels) != len(images):
            raise ValueError(f'{len(labels)} labels for {len(images)} images')
        if not len(labels):
            raise ValueError('no examples')
    if num_classes is not None and labels.max() >= num_classes:
        classes = f'num_classes={num_classes}; increase num_classes (in the scripts OUTPUT_NODE)'
        raise DataError(f'{path}: the label {labels.max()} is too large for {classes}')
    return images, labels


@contextlib.contextmanager
def _naming(path):
    """Turns the errors of reading a file into a DataError that names the file."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error) as error:  # only ValueErrors are ours
        why = error if isinstance(error, ValueError) else f'cannot be read ({error})'
        raise DataError(f'{path}: {why}; replace it, or delete it to download it again') from error


def _find(train_dir, name):
    """Returns the path of the file `name` in a folder, or None. Prefers the gzipped file."""
    dotted = name.replace('-idx', '.idx')  # 7-Zip and Kaggle write a dot
    for file_name in (name + '.gz', dotted + '.gz', name, dotted):
        path = os.path.join(train_dir, file_name)
        if os.path.isfile(path):
            return path
    return None


def _idx_files(folder):
    """Returns the paths, sorted, of a folder's IDX files, whatever data they have."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    names = [name for name in names if re.search(r'idx\d-ubyte(\.gz)?$', name)]
    return list(filter(os.path.isfile, [os.path.join(folder, name) for name in names]))


def _parse(content, dimensions):
    """Returns the array in the bytes of an IDX file: a magic number, the shape, the elements."""
    if content[:99].lstrip()[:1] == b'<':  # a network's log-in page, or a page that a browser saved
        raise ValueError('a web page instead of data')
    header = struct.Struct('>%dI' % (1 + dimensions))
    if len(content) < header.size:
        raise ValueError('truncated in its header')
    magic, *shape = header.unpack_from(content)
    if magic != 2048 + dimensions:  # 2048 stands for unsigned bytes
        raise ValueError(f'wrong magic number, {magic} instead of {2048 + dimensions}')
    # not np.prod, which may overflow
    excess = len(content) - header.size - functools.reduce(operator.mul, shape)
    if excess < 0:
        raise ValueError(f'truncated, {-excess} bytes are missing')
    if excess > 0:
        raise ValueError(f'{excess} trailing bytes')
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(shape)


def _unpack(file):
    """Returns the uncompressed bytes. The name may mislead: browsers unpack, but keep '.gz'."""
    packed = file.read(2) == b'\x1f\x8b'
    file.seek(0)
    return gzip.GzipFile(fileobj=file).read() if packed else file.read()


def _download_missing(train_dir, source_url, is_mnist):
    """Downloads what is missing. Adds no file of MNIST to the files of another data set."""
    paths = {name: _find(train_dir, name) for name in MNIST_MD5}
    missing = [name for name in paths if not paths[name]]
    if not missing:
        return
    folder = os.path.abspath(train_dir)
    names = ', '.join(sorted(os.listdir(folder))[:12]) if os.path.isdir(folder) else ''
    problem = f'{folder} has {names or "no files"}, but needs {", ".join(missing)}'
    present = list(filter(None, paths.values())) or _idx_files(train_dir)
    other = next((path for path in present if _md5(path) not in MNIST_MD5.values()), None)
    if is_mnist and other:
        remedy = 'so nothing is downloaded; rename the files, or add the missing ones'
        raise DataError(f"{problem}; {os.path.basename(other)} is not MNIST's, {remedy}")
    for name in missing:
        content = _download(name, source_url, is_mnist, problem)
        _write_in_one_step(os.path.join(train_dir, name + '.gz'), content)


def _md5(path):
    with _naming(path), open(path, 'rb') as file:
        return hashlib.md5(_unpack(file)).hexdigest()


def _download(name, source_url, is_mnist, problem):
    """Returns the gzipped file `name` from the first mirror that has the right one."""
    failures = []
    for mirror in MIRRORS if is_mnist else (source_url,):
        try:
            content = _fetch(mirror + name + '.gz')
            unpacked = _unpack(io.BytesIO(content))
            _parse(unpacked, dimensions=3 if 'images' in name else 1)
            if not is_mnist or hashlib.md5(unpacked).hexdigest() == MNIST_MD5[name]:
                return content
            failure = "the MD5 is not MNIST's"
        except (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException) as error:
            failure = str(error).strip()  # the text may end in a newline, if a proxy is broken
        failures.append(f'{mirror}{name}.gz: {failure}')
    raise DataError(f'cannot download {", nor ".join(failures)}; {problem}; copy the files there')


def _fetch(url):
    """Returns the bytes at `url`, and counts them on stderr."""
    content = b''
    _say(f'downloading {url}')
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECS) as response:
            for chunk in iter(lambda: response.read(1 << 20), b''):
                content += chunk
                _say(f'\rdownloading {url}: {len(content) / 1e6:.1f} MB')
    finally:
        _say('\n')
    return content


def _say(text):
    if sys.stderr:  # None under pythonw, and print(file=None) would write to stdout
        print(text, end='', file=sys.stderr, flush=True)


def _write_in_one_step(path, content):
    partial = f'{path}.{os.getpid()}.part'  # another process may be downloading the same file
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(partial, 'wb') as file:
            file.write(content)
        os.replace(partial, path)
    except OSError as error:
        remedy = 'use another folder, or make room'
        raise DataError(f'{path}: cannot be written ({error.strerror}); {remedy}') from error
    finally:
        with contextlib.suppress(OSError):  # a virus scanner may keep it open
            os.remove(partial)
