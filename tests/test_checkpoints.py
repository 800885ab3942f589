"""checkpoints: whoever saves, damages or deletes files in the folder, a whole one is left."""

import builtins
import contextlib
import errno
import itertools
import locale
import os
import re
import shutil
from types import SimpleNamespace

from support import checkpoints, files

import pytest
import tensorflow.compat.v1 as tf
from helpers import at_first_call

DATA = '.data-00000-of-00001'
TEMPORARY = '.mnist_lenet5_tmp'


def listed(folder):
    ckpt = checkpoints.get_checkpoint_state(str(folder.path))
    return [os.path.basename(path) for path in ckpt.all_model_checkpoint_paths]


def names(*steps):
    return ['mnist_model-%d' % step for step in steps]


@pytest.fixture
def pauses(monkeypatch):
    slept = []
    monkeypatch.setattr(checkpoints, 'time', SimpleNamespace(sleep=slept.append))
    return slept


# Saved
@pytest.mark.posix
def test_order_of_a_save(folder, monkeypatch):
    """Down to the disk in this order: seed, checkpoint, deletions, its name in `checkpoint`."""
    calls, paths = [], {}  # of file descriptors

    def log(verb, path):
        calls.append('%s %s' % (verb, os.path.relpath(str(path), str(folder.path))))

    def open_and_tell(path, *args):
        descriptor = open_(path, *args)
        paths[descriptor] = path
        return descriptor

    open_, fsync, replace, remove = os.open, os.fsync, os.replace, os.remove
    monkeypatch.setattr(os, 'open', open_and_tell)
    monkeypatch.setattr(os, 'fsync', lambda fd: log('flush', paths[fd]) or fsync(fd))
    monkeypatch.setattr(os, 'replace', lambda old, new: log('replace', new) or replace(old, new))
    monkeypatch.setattr(os, 'remove', lambda path: log('remove', path) or remove(path))
    seed = ['flush seed' + TEMPORARY, 'replace seed', 'flush .']
    checkpoint = ['flush mnist_model-1' + DATA, 'flush mnist_model-1.index', 'flush .']
    state = ['flush checkpoint' + TEMPORARY, 'replace checkpoint', 'flush .']
    folder.save(1)
    assert calls == seed + checkpoint + state
    folder.save(2, 3, 4, 5)
    calls.clear()
    folder.save(6)
    deletions = ['remove mnist_model-1' + DATA, 'remove mnist_model-1.index']
    assert calls == [call.replace('-1', '-6') for call in checkpoint] + deletions + state


def test_five_are_kept_across_restarts(folder):
    """All files of a sixth go, the lecture's too; what nobody lists is somebody's."""
    folder.save(*range(1, 6))
    folder['mnist_model-1.meta'].write_bytes(b'')
    for suffix in '.index', DATA:
        shutil.copy(str(folder['mnist_model-1' + suffix]), str(folder['best-1' + suffix]))
    folder.save(6, 7, 8)
    left = sorted(path.name for path in folder.path.glob('*-*'))
    kept = names(4, 5, 6, 7, 8)
    assert left == [name + suffix for name in ['best-1', *kept] for suffix in (DATA, '.index')]
    assert listed(folder) == kept and folder['seed'].read_bytes() == b'7\n'
    assert folder.restore() == 'mnist_model-8'


def test_temporary_files_of_a_dead_run(folder):
    folder.save(1)
    ours = ['mnist_model-2.index.tempstate123', 'mnist_model-2%s.tempstate9' % DATA]
    ours += ['checkpoint' + TEMPORARY, 'seed' + TEMPORARY]
    others = ['notes.tmp', 'notes' + TEMPORARY, 'tempstate1', 'best-2.index.tempstate123']
    others += ['mnist_model-7.index', 'mnist_model-7' + DATA]
    for name in ours + others:
        folder[name].write_bytes(b'')
    folder.save(2)
    left = os.listdir(str(folder.path))
    assert not set(ours) & set(left) and set(others) < set(left)


def test_emptied_in_the_middle_of_a_save(folder, monkeypatch, pauses):
    """It is saved again."""
    get_checkpoint_state = checkpoints.get_checkpoint_state

    def meddled(path):
        monkeypatch.setattr(checkpoints, 'get_checkpoint_state', get_checkpoint_state)
        files.remove(files.matching(path, '.*'))
        return get_checkpoint_state(path)

    monkeypatch.setattr(checkpoints, 'get_checkpoint_state', meddled)
    folder.save(1)
    assert folder.steps() == [1] and listed(folder) == names(1) and len(pauses) == 1


@pytest.mark.posix
def test_a_deleted_folder_is_locked_again(folder):
    """But another training may have begun there: then the first ends, and saves nothing."""
    folder.save(1)
    with folder.manager() as manager:
        shutil.rmtree(str(folder.path))
        manager.save(folder.saver, folder.sess, 2)
        with pytest.raises(files.LockError):
            folder.save(3)
        shutil.rmtree(str(folder.path))
        with folder.manager():
            with pytest.raises(files.LockError, match='process %d trains' % os.getpid()):
                manager.save(folder.saver, folder.sess, 3)
    assert folder.steps() == []


@pytest.mark.posix
def test_deleted_folder(folder, monkeypatch):
    """The save makes it anew, with the seed; also where it goes in the middle of a save."""
    folder.save(1)
    with folder.manager() as manager:
        shutil.rmtree(str(folder.path))
        manager.save(folder.saver, folder.sess, 2)
        assert folder.steps() == [2] and folder['seed'].exists()
        at_first_call(monkeypatch, 'fsync', lambda: shutil.rmtree(str(folder.path)))
        manager.save(folder.saver, folder.sess, 3)
        assert folder.steps() == [3] and listed(folder) == names(3)


def test_second_training(folder, pauses):
    folder.path.mkdir()
    folder['lock'].write_text('123456\n', encoding='utf-8')  # of a process that has died
    with folder.manager():
        before = sorted(os.listdir(str(folder.path)))
        with pytest.raises(files.LockError) as caught:
            folder.save(1)
        assert 'lock: process %d trains in this folder;' % os.getpid() in str(caught.value)
        assert pauses == []  # it would be the same in two seconds
        assert sorted(os.listdir(str(folder.path))) == before
    folder.save(1)


@pytest.mark.posix
def test_full_disk(folder, monkeypatch):
    """As large as a file may be here; what was saved before is as it was."""
    import resource

    monkeypatch.setattr(checkpoints, 'PAUSES', (0, 0))
    folder.save(1)
    before = folder['checkpoint'].read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(checkpoints.CheckpointError) as caught:
            folder.save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value).startswith('%s: cannot be written to (' % folder.path)
    assert 'File too large' in str(caught.value) and '\n' not in str(caught.value)
    assert folder['checkpoint'].read_bytes() == before
    assert folder.restore() == 'mnist_model-1'
    folder.save(2)
    assert listed(folder) == names(1, 2)


# What Windows does to a save
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
# the text of a Chinese Windows, which TensorFlow's binding takes for UTF-8
NOT_UTF_8 = UnicodeDecodeError('utf-8', '另一个程序正在使用此文件'.encode('gbk'), 0, 1, 'invalid')
VANISHED = ValueError('Parent directory of model does not exist, in use by another process')


def ends_with(end):
    return lambda path, *args: isinstance(path, str) and path.endswith(end)


STEPS_OF_A_SAVE = {
    'the lock': (builtins, 'open', IN_USE, ends_with('lock')),
    'to write the seed': (builtins, 'open', IN_USE, ends_with('seed' + TEMPORARY)),
    'to replace the seed': (os, 'replace', IN_USE, ends_with('seed' + TEMPORARY)),
    'to save': (tf.train.Saver, 'save', OF_TENSORFLOW, lambda *args: True),
    'to save, in Chinese': (tf.train.Saver, 'save', NOT_UTF_8, lambda *args: True),
    'to save into no folder': (tf.train.Saver, 'save', VANISHED, lambda *args: True),
    'to flush': (os, 'open', IN_USE, ends_with(DATA)),
    'to write the list': (builtins, 'open', IN_USE, ends_with('checkpoint' + TEMPORARY)),
    'to replace the list': (os, 'replace', IN_USE, ends_with('checkpoint' + TEMPORARY)),
}


@pytest.mark.parametrize('step', list(STEPS_OF_A_SAVE))
def test_each_step_of_a_save_is_tried_again(folder, monkeypatch, pauses, step):
    """Twice it is refused: short pauses. For ever: one line, the older checkpoints are whole."""
    folder.save(1)
    owner, name, error, matches = STEPS_OF_A_SAVE[step]
    folder['seed'].unlink()  # so that it is written again
    with monkeypatch.context() as patch:
        refusing = Refusing(patch, owner, name, error, 2, matches)
        folder.save(2)
        assert refusing.refused == 2 and pauses == list(checkpoints.PAUSES[:2])
    pauses.clear()
    folder['seed'].unlink()
    monkeypatch.setattr(locale, 'getpreferredencoding', lambda *args: 'gbk')
    with monkeypatch.context() as patch:
        Refusing(patch, owner, name, error, 1000, matches)
        with pytest.raises(checkpoints.CheckpointError) as caught:
            folder.save(3)
    assert str(caught.value).startswith('%s: cannot be written to (' % folder.path)
    assert '\n' not in str(caught.value)
    reason = '另一个程序正在使用此文件' if error is NOT_UTF_8 else 'in use by another process'
    assert reason in str(caught.value)
    assert pauses == list(checkpoints.PAUSES) and 1.5 < sum(pauses) < 2.5
    assert folder.restore() == 'mnist_model-2'
    folder.save(3)
    assert folder.steps() == [1, 2, 3] == [int(name[12:]) for name in listed(folder)]


@pytest.mark.parametrize('error', [KeyError('ours'), TypeError('ours'), RuntimeError('ours')])
def test_an_error_of_ours_is_no_full_disk(folder, monkeypatch, pauses, error):
    folder.save(1)
    Refusing(monkeypatch, tf.train.Saver, 'save', error, 1)
    with pytest.raises(type(error), match='ours'):
        folder.save(2)
    assert pauses == []


def test_reason():
    """Of an OSError without a number, and of TensorFlow's many lines, the one that matters."""
    assert files.reason(OSError('no number')) == 'no number'
    error = tf.errors.DataLossError(None, None, 'first\nwhat matters\n\t [[node save]]\nrest')
    assert files.reason(error) == 'what matters'


def test_a_file_that_cannot_be_deleted(folder, monkeypatch):
    """It stays in the list, and is tried again at each save until it is gone."""
    folder.save(1, 2, 3, 4, 5)
    with monkeypatch.context() as patch:
        Refusing(patch, os, 'remove', IN_USE, 1000, ends_with('mnist_model-1' + DATA))
        for end in 6, 7:
            folder.save(end)
            assert listed(folder) == names(1, *range(end - 4, end + 1))
    folder.save(8)
    assert listed(folder) == names(4, 5, 6, 7, 8)
    assert not folder['mnist_model-1' + DATA].exists()


def test_killed_at_any_call_of_a_save(folder, monkeypatch):
    """The one before, or the new one, is current and whole, and the next run goes on from it."""

    class Killed(BaseException):
        pass

    functions = [(os, name) for name in ('open', 'fsync', 'close', 'replace', 'remove', 'listdir')]
    functions += [(builtins, 'open'), (os, 'makedirs'), (tf.train.Saver, 'save')]
    folder.save(1, 2, 3, 4, 5)
    restored = []
    for step in itertools.count(6):
        folder.sess.run(folder.assign, {folder.new: step})
        folder['seed'].unlink()  # so that it is written again
        now = map(step.__eq__, itertools.count(6))
        with folder.manager() as manager, monkeypatch.context() as patch:
            for owner, name in functions:
                Refusing(patch, owner, name, Killed(), 1, lambda *args, now=now: next(now))
            with contextlib.suppress(Killed):
                manager.save(folder.saver, folder.sess, step)
                break
        restored.append(int(folder.restore()[12:]) - step)
        folder.save(step)
        assert listed(folder) == names(*range(step - 4, step + 1))
        assert folder.steps() == list(range(step - 4, step + 1))
    assert restored == sorted(restored) and set(restored) == {-1, 0}


# Damaged
def flip(content):
    return content[:20] + bytes([content[20] ^ 1]) + content[21:]


@pytest.mark.parametrize('suffix', ['.index', DATA])
@pytest.mark.parametrize(
    'damage',
    [lambda content: content[: len(content) // 2], lambda content: b'', lambda content: None, flip],
)
def test_damaged_checkpoint(folder, suffix, damage, capsys):
    """The highest step that is whole is taken; 10 is higher than 9."""
    folder.save(8, 9, 10, 11)
    path = folder['mnist_model-11' + suffix]
    content = damage(path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert folder.restore() == 'mnist_model-10'
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('%s: cannot be restored (' % folder['mnist_model-11'])
    assert line.endswith('; taking mnist_model-10 instead')
    folder['mnist_model-10' + DATA].write_bytes(b'')
    assert folder.restore() == 'mnist_model-9'
    assert 'mnist_model-11: cannot' in capsys.readouterr().err


def test_a_variable_that_nobody_asks_for_is_checked_too(folder, capsys):
    folder.save(1, 2)
    path = folder['mnist_model-2' + DATA]
    path.write_bytes(flip(path.read_bytes()))  # in the weight
    ckpt = checkpoints.get_checkpoint_state(str(folder.path))
    with tf.Graph().as_default(), tf.Session() as sess:
        step = {'Variable_1': tf.Variable(0)}
        checkpoints.restore(tf.train.Saver(step), sess, ckpt, step)
        assert sess.run(step) == {'Variable_1': 1}
    assert 'taking mnist_model-1 instead' in capsys.readouterr().err


@pytest.mark.parametrize(
    'content', [None, b'', b'garbage', b'\xff\xfe', b'model_checkpoint_path: ""']
)
def test_garbled_checkpoint_file(folder, content, capsys):
    """Nobody knows any more which may be deleted."""
    folder.save(*range(2, 12))
    folder['checkpoint'].unlink()
    if content is not None:
        folder['checkpoint'].write_bytes(content)
    assert folder.restore() == 'mnist_model-11'
    assert re.search('checkpoint.*; taking mnist_model-11 instead', capsys.readouterr().err)
    folder.save(12)
    assert folder.steps() == [7, 8, 9, 10, 11, 12] and listed(folder) == names(12)


def test_nothing_is_whole(folder):
    for state in b'garbage', b'model_checkpoint_path: "mnist_model-9"':
        folder.path.mkdir(exist_ok=True)
        folder['checkpoint'].write_bytes(state)
        for content in None, b'':
            if content is not None:
                folder['mnist_model-9.index'].write_bytes(content)
            with pytest.raises(checkpoints.CheckpointError, match='whole.*empty') as e:
                folder.restore()
            assert '\n' not in str(e.value)
        assert folder['checkpoint'].read_bytes() == state
        shutil.rmtree(str(folder.path))
    assert checkpoints.get_checkpoint_state(str(folder.path)) is None


def test_another_network(folder):
    folder.save(1)
    for variable, expected in (
        (lambda: tf.Variable(tf.zeros([1001])), r'float32 \[1000\], and not float32 \[1001\]'),
        (lambda: tf.Variable(tf.zeros([1000], tf.int32)), r'float32 \[1000\], and not int32 '),
        (lambda: tf.Variable(0.0, name='other'), 'other: no such variable'),
    ):
        with tf.Graph().as_default(), tf.Session() as sess:
            variable()
            ckpt = checkpoints.get_checkpoint_state(str(folder.path))
            with pytest.raises(checkpoints.CheckpointError, match=expected) as caught:
                checkpoints.restore(tf.train.Saver(), sess, ckpt)
        assert not isinstance(caught.value, checkpoints.DamagedError)
        assert 'is of another network (' in str(caught.value)


def test_somebodys_checkpoint_is_passed_over(folder, capsys):
    """best-99 is of another network: no reason to end, and no help."""
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(0.0)
        sess.run(tf.global_variables_initializer())
        folder.path.mkdir()
        tf.train.Saver().save(sess, str(folder['best-99']))
    folder.save(1, 2)
    folder['mnist_model-2' + DATA].write_bytes(b'')
    assert folder.restore() == 'mnist_model-1'
    assert 'taking mnist_model-1 instead' in capsys.readouterr().err


# The file `checkpoint` in other hands
def test_going_back(folder, capsys):
    folder.save(1, 2, 3, 4, 5)
    folder.edit('"mnist_model-5"', '"mnist_model-3"')
    assert folder.restore() == 'mnist_model-3'
    folder.save(4)
    assert listed(folder) == names(1, 2, 5, 3, 4)
    folder.edit('"mnist_model-4"', '"mnist_model-1"')
    folder.save(11)
    assert listed(folder) == names(5, 3, 4, 1, 11)  # 1 counts as saved after 5
    assert folder.steps() == [1, 3, 4, 5, 11]
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    'edit',
    [
        lambda text: '\ufeff' + text.replace('\n', '\r\n'),  # Notepad
        lambda text: text.replace('"mnist_model', r'"C:/\346\210\221/model/mnist_model'),
        lambda text: text.replace('"mnist_model', r'"C:\\我\\model\\mnist_model'),
        lambda text: text.replace('"mnist_model', '"/home/somebody/model/mnist_model'),
        lambda text: text + 'all_model_checkpoint_timestamps: 1763999999.5\n',
    ],
)
def test_the_list_as_others_write_it(folder, edit, capsys):
    folder.save(1, 2, 3)
    folder.edit('"mnist_model-3"', '"mnist_model-2"')
    text = folder['checkpoint'].read_text(encoding='utf-8')
    folder['checkpoint'].write_bytes(edit(text).encode('utf-8'))
    assert folder.restore() == 'mnist_model-2'
    assert listed(folder) == names(1, 2, 3)
    folder.save(3)
    assert listed(folder) == names(1, 2, 3) and capsys.readouterr().err == ''


def test_a_typing_error(folder, capsys):
    """A name that is no file and not in the list is refused; one in the list is only gone."""
    checkpoints.check_current_exists(str(folder.path))
    folder.save(1, 2, 10)
    checkpoints.check_current_exists(str(folder.path))
    folder.edit('"mnist_model-10"', '"mnist_model-33"')
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.check_current_exists(str(folder.path))
    line = (
        '%s: there is no mnist_model-33; name one of mnist_model-10, mnist_model-2, mnist_model-1'
    )
    assert str(caught.value) == line % folder['checkpoint']
    folder.edit('"mnist_model-33"', '"mnist_model-2"')
    for suffix in '.index', DATA:
        folder['mnist_model-2' + suffix].unlink()
    checkpoints.check_current_exists(str(folder.path))
    assert folder.restore() == 'mnist_model-10'
    err = capsys.readouterr().err
    assert 'mnist_model-2.index is missing); taking mnist_model-10 instead' in err


def test_what_notepad_makes_of_it(folder, capsys):
    folder.save(1)
    folder['checkpoint.txt'].write_text('model_checkpoint_path: "x"', encoding='utf-8')
    checkpoints.check_current_exists(str(folder.path))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('%s: is not read; ' % folder['checkpoint.txt'])
    assert 'rename it to `checkpoint`' in line


def test_a_folder_that_cannot_work(tmp_path):
    for name in 'a*', 'b?', '[c]':
        with pytest.raises(checkpoints.CheckpointError, match='pattern; rename it') as caught:
            checkpoints.get_checkpoint_state(name)
        assert str(caught.value).startswith(name + ': ')
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(OSError) as caught:
        checkpoints.get_checkpoint_state(str(tmp_path / 'file'))
    assert caught.value.filename == str(tmp_path / 'file')
