"""checkpoints: whoever saves, damages or deletes files in the folder, a whole one is left."""

import builtins
import errno
import gc
import locale
import os
import re
import shutil
import stat
from types import SimpleNamespace

from support import checkpoints

import numpy as np
import pytest
import reference
import tensorflow.compat.v1 as tf
from conftest import Happening, at_first_call, ended, saved_steps, write_checkpoint

import input_data
import mnist_lenet5_backward
import mnist_lenet5_test

DATA_SUFFIX = '.data-00000-of-00001'
TEMPORARY = '.mnist_lenet5_tmp'


def manager(model):
    return checkpoints.Manager(str(model / 'mnist_model'), {})


# Saved
@pytest.mark.posix
def test_order_of_a_save(train, monkeypatch):
    """Down to the disk in this order: seed, checkpoint, its name in `checkpoint`; then deletes."""
    calls = []

    def log(verb, path):
        calls.append('%s %s' % (verb, os.path.relpath(str(path), str(train.model))))

    paths = {}  # of file descriptors

    def open_and_tell(path, *args):
        fd = open_(path, *args)
        paths[fd] = path
        return fd

    open_, fsync, replace, remove = os.open, os.fsync, os.replace, os.remove
    monkeypatch.setattr(os, 'open', open_and_tell)
    monkeypatch.setattr(os, 'fsync', lambda fd: log('flush', paths[fd]) or fsync(fd))
    monkeypatch.setattr(os, 'replace', lambda old, new: log('replace', new) or replace(old, new))
    monkeypatch.setattr(os, 'remove', lambda path: log('remove', path) or remove(path))
    first = [
        'flush seed' + TEMPORARY,
        'replace seed',
        'flush .',
        'flush arithmetic' + TEMPORARY,
        'replace arithmetic',
        'flush .',
        'flush mnist_model-1' + DATA_SUFFIX,
        'flush mnist_model-1.index',
        'flush .',
        'flush checkpoint' + TEMPORARY,
        'replace checkpoint',
        'flush .',
    ]
    train(1)
    assert calls == first
    train.model.rename(train.model.parent / 'first')  # as good as deleted
    train(5, Happening(3, lambda: [train.model.rename(train.model.parent / '2nd'), calls.clear()]))
    assert calls == [call.replace('-1', '-5') for call in first]
    for _ in range(4):
        train(1)
    train(1, Happening(1, calls.clear))
    assert calls == [
        'flush mnist_model-10' + DATA_SUFFIX,
        'flush mnist_model-10.index',
        'flush .',
        'flush checkpoint' + TEMPORARY,
        'replace checkpoint',
        'flush .',
        'remove mnist_model-5' + DATA_SUFFIX,
        'remove mnist_model-5.index',
        'flush checkpoint' + TEMPORARY,  # its name leaves when it is gone
        'replace checkpoint',
        'flush .',
    ]


def test_temporary_files_of_a_dead_run(train):
    train(1)
    ours = [
        'mnist_model-2.index.tempstate123',
        'mnist_model-2.data-00000-of-00001.tempstate9',
        'checkpoint' + TEMPORARY,
        'seed' + TEMPORARY,
        'arithmetic' + TEMPORARY,
        'checkpoint.tmp',  # of older versions
        'seed.tmp',
    ]
    others = [
        'notes.tmp',
        'seed.tmpl',
        'checkpoint.tmp0123456789abcdef',
        'notes' + TEMPORARY,
        'tempstate1',
        'best-2.index.tempstate123',
        'mnist_model-7.index',
        'mnist_model-7' + DATA_SUFFIX,
    ]
    for name in ours + others:
        (train.model / name).write_bytes(b'')
    beside = train.model.parent / ours[0]
    beside.write_bytes(b'')
    train(1)
    names = set(os.listdir(str(train.model)))
    assert not set(ours) & names and set(others) < names
    assert beside.exists()


@pytest.mark.posix
def test_deleted_folder(train):
    """The next save makes it anew, with the seed, and locks it."""
    data = Happening(102, lambda: shutil.rmtree(str(train.model)))
    assert train(202, data)[0] == [1, 101, 201, 202]
    assert saved_steps(train.model) == [201, 202]
    assert (train.model / 'seed').exists()

    others = []

    def delete_and_let_another_in():
        shutil.rmtree(str(train.model))
        others.append(manager(train.model).__enter__())

    with pytest.raises(checkpoints.CheckpointError, match='process %d trains' % os.getpid()):
        train(404, Happening(10, delete_and_let_another_in))
    others[0].__exit__(None, None, None)
    assert saved_steps(train.model) == []


@pytest.mark.posix
def test_folder_deleted_in_a_save(train, monkeypatch):
    at_first_call(monkeypatch, 'fsync', lambda: shutil.rmtree(str(train.model)))
    assert train(1)[0] == [1]
    assert saved_steps(train.model) == [1]
    assert '"mnist_model-1"' in (train.model / 'checkpoint').read_text(encoding='utf-8')


# A folder and a file system that resist
def test_second_trainer(train):
    train.model.mkdir()
    (train.model / 'lock').write_text('123456\n', encoding='utf-8')  # of a process that has died
    with manager(train.model):
        before = sorted(os.listdir(str(train.model)))
        with pytest.raises(checkpoints.CheckpointError) as caught:
            train(1)
        assert 'lock: process %d trains in this folder;' % os.getpid() in str(caught.value)
        assert sorted(os.listdir(str(train.model))) == before
    assert train(1)[0] == [1]


@pytest.mark.posix
@pytest.mark.parametrize('size', ['50m', None])
def test_full_disk(train, size):
    """A real one where a small file system may be mounted, and a limit to the size of files."""
    train.model.mkdir()
    mount = 'mount -t tmpfs -o size=%s tmpfs %s 2>/dev/null' % (size, train.model)
    mounted = size and not os.system(mount)
    try:
        if mounted:
            status, error = ended(train.model, '')
            reason, steps = 'No space left', [1, 2, 3]
        else:
            train(1)
            status, error = ended(
                train.model, 'resource.setrlimit(resource.RLIMIT_FSIZE, (5000000, 5000000))'
            )
            reason, steps = 'File too large', [1]
        assert status == 1
        assert error.startswith('error: %s: cannot be written to (' % train.model)
        assert reason in error
        assert saved_steps(train.model) == steps
        assert not [name for name in os.listdir(str(train.model)) if 'temp' in name]
        if mounted:  # room for another
            os.remove(str(train.model / ('mnist_model-1' + DATA_SUFFIX)))
        start = 'training from step %d ' % steps[-1]
        assert start in train(steps[-1] + 1)[1]
    finally:
        if mounted:
            gc.collect()
            os.system('umount %s' % train.model)


@pytest.mark.posix
def test_read_only_folder(train):
    """For root, who may write everywhere, a file system that becomes read-only."""
    train.model.mkdir()
    mounted = not os.system('mount -t tmpfs tmpfs %s 2>/dev/null' % train.model)
    try:
        train(1)
        if mounted:
            gc.collect()  # TensorFlow 1.15.5 has the event file in a cycle, open
            assert not os.system('mount -o remount,ro %s' % train.model)
        else:
            train.model.chmod(0o555)
        with pytest.raises(checkpoints.CheckpointError) as caught:
            train(1)
        assert str(caught.value).startswith('%s: cannot be written to (' % train.model)
        assert '\n' not in str(caught.value)
    finally:
        if mounted:
            gc.collect()
            os.system('umount %s' % train.model)
        else:
            train.model.chmod(0o755)


# Damaged
def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize('suffix', ['.index', DATA_SUFFIX])
@pytest.mark.parametrize(
    'damage',
    [
        lambda content: content[: len(content) // 2],
        lambda content: b'',
        lambda content: None,
        flip,
    ],
)
def test_damaged_checkpoint(train, monkeypatch, suffix, damage):
    """The highest step that is whole is taken; 10 is higher than 9."""
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(11)
    path = train.model / ('mnist_model-11' + suffix)
    content = damage(path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    steps, err = train(1)
    assert steps == [11]
    (line,) = [line for line in err.splitlines() if 'instead' in line]
    assert line.startswith('%s: cannot be restored (' % (train.model / 'mnist_model-11'))
    assert line.endswith('; taking mnist_model-10 instead')
    assert saved_steps(train.model) == [7, 8, 9, 10, 11]
    assert 'instead' not in train(1)[1]


def test_several_damaged_checkpoints(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(4)
    for name in 'mnist_model-4.index', 'mnist_model-3' + DATA_SUFFIX:
        (train.model / name).write_bytes(b'')
    steps, err = train(3)
    assert steps == [3]
    assert re.search('mnist_model-4: cannot be restored .*; taking mnist_model-2 instead\n', err)


@pytest.mark.parametrize(
    'content', [None, b'', b'garbage', b'\xff\xfe', b'model_checkpoint_path: ""']
)
def test_garbled_checkpoint_file(train, monkeypatch, content):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(11)
    state = train.model / 'checkpoint'
    if content is None:
        state.unlink()
    else:
        state.write_bytes(content)
    steps, err = train(1)
    assert steps == [12]
    problem = 'missing' if content is None else 'cannot be read'
    assert '%s: %s; taking mnist_model-11 instead\n' % (state, problem) in err
    # nobody knows any more which may be deleted
    assert saved_steps(train.model) == [7, 8, 9, 10, 11, 12]


def test_going_back(train, monkeypatch):
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    train(5)
    state = train.model / 'checkpoint'
    state.write_text(
        state.read_text(encoding='utf-8').replace('"mnist_model-5"', '"mnist_model-3"', 1),
        encoding='utf-8',
    )
    steps, err = train(1)
    assert steps == [4] and 'instead' not in err
    state.write_text(
        state.read_text(encoding='utf-8').replace('"mnist_model-4"', '"mnist_model-1"', 1),
        encoding='utf-8',
    )
    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 10)
    assert train(11)[0] == [11]
    assert saved_steps(train.model) == [1, 3, 4, 5, 11]  # 1 counts as saved after 5


@pytest.mark.parametrize('state', [b'garbage', b'model_checkpoint_path: "mnist_model-9"'])
def test_nothing_is_whole(train, state):
    train.model.mkdir()
    (train.model / 'checkpoint').write_bytes(state)
    with pytest.raises(checkpoints.CheckpointError, match='to train anew'):
        train(1)
    (train.model / 'mnist_model-9.index').write_bytes(b'')
    with pytest.raises(checkpoints.CheckpointError, match='no whole checkpoint') as caught:
        train(1)
    assert '\n' not in str(caught.value)
    assert (train.model / 'checkpoint').read_bytes() == state


# What Windows, and odd file systems, do to a save
class Refusing:
    """Another process has a file open: the calls of a function are refused for a while."""

    def __init__(self, monkeypatch, owner, name, error, times, matches=lambda *args: True):
        self.function, self.error, self.times = getattr(owner, name), error, times
        self.matches, self.refused = matches, 0
        monkeypatch.setattr(owner, name, lambda *args, **names: self.call(*args, **names))

    def call(self, *args, **names):
        if self.refused < self.times and self.matches(*args):
            self.refused += 1
            raise self.error
        return self.function(*args, **names)


IN_USE = PermissionError(errno.EACCES, 'in use by another process')
OF_TENSORFLOW = tf.errors.PermissionDeniedError(None, None, 'index; in use by another process')
NOT_UTF_8 = UnicodeDecodeError('utf-8', '另一个程序正在使用此文件'.encode('gbk'), 0, 1, 'invalid')


def ends_with(*ends):
    return lambda path, *args: isinstance(path, str) and path.endswith(ends)


STEPS_OF_A_SAVE = {
    'the lock': (os, 'makedirs', IN_USE, lambda *args: True),
    'to write the seed': (builtins, 'open', IN_USE, ends_with('seed' + TEMPORARY)),
    'to replace the seed': (os, 'replace', IN_USE, ends_with('seed' + TEMPORARY)),
    'to save': (tf.train.Saver, 'save', OF_TENSORFLOW, lambda *args: True),
    'to save, in Chinese': (tf.train.Saver, 'save', NOT_UTF_8, lambda *args: True),
    'to flush': (os, 'open', IN_USE, ends_with(DATA_SUFFIX)),
    'to write the list': (builtins, 'open', IN_USE, ends_with('checkpoint' + TEMPORARY)),
    'to replace the list': (os, 'replace', IN_USE, ends_with('checkpoint' + TEMPORARY)),
}


@pytest.fixture
def pauses(monkeypatch):
    slept = []
    monkeypatch.setattr(checkpoints, 'time', SimpleNamespace(sleep=slept.append))
    return slept


@pytest.mark.parametrize('step', list(STEPS_OF_A_SAVE))
def test_each_step_of_a_save_is_tried_again(train, monkeypatch, pauses, step):
    """Twice it is refused: short pauses. For ever: one line, the older checkpoints are whole."""
    train(1)
    owner, name, error, matches = STEPS_OF_A_SAVE[step]
    seed = 1 + (step in ('to write the seed', 'to replace the seed'))
    monkeypatch.setattr(mnist_lenet5_backward, 'SEED', seed)
    with monkeypatch.context() as patch:
        refusing = Refusing(patch, owner, name, error, 2, matches)
        assert train(1)[0] == [2]
        assert refusing.refused == 2 and pauses == list(checkpoints.PAUSES[:2])
    pauses.clear()
    monkeypatch.setattr(mnist_lenet5_backward, 'SEED', 2 * seed)
    with monkeypatch.context() as patch:
        Refusing(patch, owner, name, error, 1000, matches)
        with pytest.raises(checkpoints.CheckpointError) as caught:
            train(1)
    assert str(caught.value).startswith('%s: cannot be written to (' % train.model)
    assert '\n' not in str(caught.value)
    if error is not NOT_UTF_8:
        assert 'in use by another process' in str(caught.value)
    assert pauses == list(checkpoints.PAUSES) and 1.5 < sum(pauses) < 2.5
    assert not [name for name in os.listdir(str(train.model)) if 'tmp' in name or 'temp' in name]
    assert train(1)[0][-1] == 3  # and the line of before
    assert saved_steps(train.model) == [1, 2, 3]


def test_the_text_of_a_chinese_windows(monkeypatch):
    """TensorFlow's binding takes it for UTF-8, and raises that it is not."""
    for name in 'getencoding', 'getpreferredencoding':
        monkeypatch.setattr(locale, name, lambda: 'gbk', raising=False)
    assert checkpoints.reason(NOT_UTF_8) == '另一个程序正在使用此文件'


def names_in(state):
    return re.findall('all_.*"mnist_model-(.*)"', state.read_text(encoding='utf-8'))


def test_a_file_that_cannot_be_deleted(train, monkeypatch):
    """The training goes on, and the file is tried again at each save until it is gone."""
    state = train.model / 'checkpoint'
    for _ in range(5):
        train(1)
    with monkeypatch.context() as patch:
        Refusing(patch, os, 'remove', IN_USE, 1000, ends_with('mnist_model-1' + DATA_SUFFIX))
        for end in 6, 7, 8:
            assert train(1)[0] == [end]
            assert names_in(state) == ['1'] + [str(step) for step in range(end - 4, end + 1)]
    assert (train.model / ('mnist_model-1' + DATA_SUFFIX)).exists()
    train(1)
    assert names_in(state) == ['5', '6', '7', '8', '9']
    assert not (train.model / ('mnist_model-1' + DATA_SUFFIX)).exists()


def test_killed_before_the_deletions(train, monkeypatch):
    """What is listed is ours, and goes with the next save; what nobody lists is somebody's."""
    for _ in range(5):
        train(1)
    for suffix in '.index', DATA_SUFFIX:
        shutil.copy(
            str(train.model / ('mnist_model-1' + suffix)), str(train.model / ('best-1' + suffix))
        )

    class Killed(BaseException):
        pass

    def kill(path):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, 'remove', kill)
        with pytest.raises(Killed):
            train(1)
    assert saved_names(train.model) == ['best-1'] + ['mnist_model-%d' % n for n in range(1, 7)]
    train(1)
    assert saved_names(train.model) == ['best-1'] + ['mnist_model-%d' % n for n in range(3, 8)]


def saved_names(model):
    return sorted(name[: -len('.index')] for name in os.listdir(str(model)) if '.index' in name)


@pytest.mark.posix
def test_what_a_file_system_lacks_is_said_once(train, monkeypatch):
    import fcntl

    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, 'Invalid argument')
        fsync(descriptor)

    monkeypatch.setattr(mnist_lenet5_backward, 'SAVE_STEPS', 1)
    monkeypatch.setattr(fcntl, 'flock', lambda *args: refuse_locks())
    monkeypatch.setattr(os, 'fsync', refuse)

    def refuse_locks():
        raise OSError(errno.ENOLCK, 'No locks available')

    steps, err = train(3)
    assert steps == [1, 2, 3]
    said = [line for line in err.splitlines() if 'this file system' in line]
    assert said == [
        '%s: this file system has no locks: start no second training in it' % train.model,
        '%s: this file system cannot flush folders: a power failure may cost the last checkpoint'
        % train.model,
    ]


# The file `checkpoint` in other hands
@pytest.mark.parametrize(
    'edit',
    [
        lambda text: '\ufeff' + text.replace('\n', '\r\n'),  # Notepad
        lambda text: '# mine\n\n' + text.replace('"', "'"),
        lambda text: text.replace('"mnist_model', r'"C:/\346\210\221/model/mnist_model'),
        lambda text: text.replace('"mnist_model', r'"C:\\我\\model\\mnist_model'),
        lambda text: text + 'all_model_checkpoint_timestamps: 1763999999.5\n',
    ],
)
def test_the_list_as_others_write_it(train, edit):
    for _ in range(3):
        train(1)
    state = train.model / 'checkpoint'
    text = state.read_text(encoding='utf-8').replace('"mnist_model-3"', '"mnist_model-2"', 1)
    state.write_bytes(edit(text).encode('utf-8'))
    assert checkpoints.listed(str(train.model)) == ['mnist_model-%d' % n for n in (2, 1, 2, 3)]
    steps, err = train(1)
    assert steps == [3] and 'instead' not in err
    assert names_in(state) == ['1', '2', '3']


@pytest.mark.parametrize('name', ['模型', "it's", pytest.param('a "b"', marks=pytest.mark.posix)])
def test_names_that_are_escaped(train, monkeypatch, name):
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_NAME', name)
    for _ in range(2):
        train(1)
    steps, err = train(1)
    assert steps == [3] and 'instead' not in err
    expected = [name + '-%d' % n for n in (3, 1, 2, 3)]
    assert checkpoints.listed(str(train.model)) == expected


def test_a_slip_of_the_pen(train):
    """A name that is no file and not in the list: refused, and nothing is deleted."""
    for _ in range(3):
        train(1)
    state = train.model / 'checkpoint'
    state.write_text(
        state.read_text(encoding='utf-8').replace('"mnist_model-3"', '"mnist_model-33"', 1),
        encoding='utf-8',
    )
    before = sorted(os.listdir(str(train.model)))
    with pytest.raises(checkpoints.CheckpointError) as caught:
        train(1)
    assert str(caught.value) == (
        '%s: there is no mnist_model-33; name one of mnist_model-3, mnist_model-2, mnist_model-1'
        % state
    )
    assert sorted(os.listdir(str(train.model))) == before


def test_a_listed_name_that_is_gone(train):
    for _ in range(3):
        train(1)
    for suffix in '.index', DATA_SUFFIX:
        (train.model / ('mnist_model-3' + suffix)).unlink()
    steps, err = train(1)
    assert steps == [3]
    assert 'mnist_model-3.index is missing); taking mnist_model-2 instead' in err


def test_whether_it_is_the_latest(train):
    for _ in range(3):
        train(1)
    assert checkpoints.get_checkpoint_state(str(train.model)).is_latest
    state = train.model / 'checkpoint'
    state.write_text(
        state.read_text(encoding='utf-8').replace('"mnist_model-3"', '"mnist_model-1"', 1),
        encoding='utf-8',
    )
    assert not checkpoints.get_checkpoint_state(str(train.model)).is_latest
    train(1)  # 2 again, the latest now, though 3 is there
    ckpt = checkpoints.get_checkpoint_state(str(train.model))
    assert ckpt.is_latest and ckpt.model_checkpoint_path.endswith('mnist_model-2')
    state.write_text('model_checkpoint_path: "mnist_model-2"', encoding='utf-8')
    assert not checkpoints.get_checkpoint_state(str(train.model)).is_latest
    state.write_text('model_checkpoint_path: "mnist_model-3"', encoding='utf-8')
    assert checkpoints.get_checkpoint_state(str(train.model)).is_latest
    state.unlink()
    assert checkpoints.get_checkpoint_state(str(train.model)).is_latest


def test_somebodys_checkpoint_is_passed_over(train):
    """best-99 is of another network: no reason to end, and no help."""
    train(1)
    train(1)
    smaller = [array[..., :2] for array in reference.initial_parameters()]
    write_checkpoint(train.model, 99, smaller, smaller)
    for name in os.listdir(str(train.model)):
        if '-99.' in name:
            os.rename(
                str(train.model / name), str(train.model / name.replace('mnist_model', 'best'))
            )
    (train.model / 'checkpoint').write_text(
        'model_checkpoint_path: "mnist_model-2"', encoding='utf-8'
    )
    (train.model / ('mnist_model-2' + DATA_SUFFIX)).write_bytes(b'')
    steps, err = train(1)
    assert steps == [2] and 'taking mnist_model-1 instead' in err


# A folder that cannot work
FOLDERS = [
    ('a*', 'pattern'),
    ('[b]', 'pattern'),
    ('a://b', 'is no folder'),
    ('file', 'cannot be read'),
    pytest.param('a\\b', 'behind a', marks=pytest.mark.posix),
    pytest.param('dangling', 'does not exist', marks=pytest.mark.posix),
    pytest.param('dangling/', 'does not exist', marks=pytest.mark.posix),
    pytest.param(os.fsdecode(b'\xff\xfe'), 'not UTF-8', marks=pytest.mark.posix),
]


@pytest.mark.parametrize('name, reason', FOLDERS)
def test_a_folder_that_cannot_work(train, tmp_path, monkeypatch, name, reason):
    """From the flag it is refused before the data are read; from code, too, and nothing is made."""
    (tmp_path / 'file').write_bytes(b'')
    if os.name == 'posix':
        (tmp_path / 'dangling').symlink_to(tmp_path / 'nowhere')
    before = sorted(os.listdir(str(tmp_path)))
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(input_data, 'read_data_sets', None)
    calls = [
        lambda: [
            monkeypatch.setattr('sys.argv', ['x', '--model_dir', name]),
            mnist_lenet5_backward.main(),
        ],
        lambda: [
            monkeypatch.setattr('sys.argv', ['x', '--model_dir', name]),
            mnist_lenet5_test.main(),
        ],
        lambda: [monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', name), train(1)],
        lambda: mnist_lenet5_test.test(TEST_SET),
    ]
    for call in calls:
        with pytest.raises(checkpoints.CheckpointError, match=reason) as caught:
            call()
        assert str(caught.value).startswith(name + ': ') and '\n' not in str(caught.value)
    assert sorted(os.listdir(str(tmp_path))) == before


TEST_SET = SimpleNamespace(
    test=SimpleNamespace(images=np.zeros((1, 784)), labels=np.eye(10)[:1], num_examples=1)
)


@pytest.mark.parametrize('name', ['a/b', 'a\\b', '/a', '', 'a*'])
def test_a_name_that_is_none(train, monkeypatch, name):
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_NAME', name)
    with pytest.raises(checkpoints.CheckpointError, match='MODEL_NAME: .* is no name for a file'):
        train(1)
    assert not train.model.exists()


@pytest.mark.posix
def test_a_lock_of_somebody_else(train):
    train.model.mkdir()
    (train.model / 'lock').write_text('my notes', encoding='utf-8')
    with pytest.raises(checkpoints.CheckpointError) as caught:
        train(1)
    assert str(caught.value) == (
        '%s: is not the lock of a training (no number in it); rename it, or use another folder'
        % (train.model / 'lock')
    )
    assert os.listdir(str(train.model)) == ['lock']
    assert (train.model / 'lock').read_text(encoding='utf-8') == 'my notes'
