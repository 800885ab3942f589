"""checkpoints: whoever saves, damages or deletes files in the folder, a whole one is left."""

import builtins
import contextlib
import errno
import functools
import itertools
import locale
import os
import shutil
from types import SimpleNamespace
from unittest.mock import Mock

from support import checkpoints, files, training

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import before_calls, saved_steps

DATA = '.data-00000-of-00001'
TEMPORARY = files.TEMPORARY


def listed(folder):
    """The steps in the file `checkpoint`."""
    paths = checkpoints.get_checkpoint_state(str(folder.path)).all_model_checkpoint_paths
    return [int(path.split('-')[-1]) for path in paths]


@pytest.fixture
def pauses(monkeypatch):
    slept = []
    monkeypatch.setattr(checkpoints, 'time', SimpleNamespace(sleep=slept.append))
    return slept


def said(capsys, *parts):
    """Expects one line on stderr since the last call, which has all the parts."""
    (line,) = capsys.readouterr().err.splitlines()
    assert [part for part in map(str, parts) if part not in line] == []


def test_order_of_a_save(folder, monkeypatch):
    """A save writes the seed, flushes the checkpoint, deletes, and then names the checkpoint."""
    calls = []

    def log(name, *paths):
        calls.append('%s %s' % (name, os.path.relpath(paths[-1], str(folder.path))))

    def log_flush(file):
        paths = map(str, folder.path.iterdir())
        log('flush', next(path for path in paths if os.path.samefile(path, file)))

    for name in 'replace', 'remove':
        before_calls(monkeypatch, os, name, functools.partial(log, name))
    before_calls(monkeypatch, os, 'fsync', log_flush)
    checkpoint = ['flush mnist_model-1' + DATA, 'flush mnist_model-1.index']
    folder.save(1)
    state = ['flush checkpoint' + TEMPORARY, 'replace checkpoint']
    assert calls == ['flush seed' + TEMPORARY, 'replace seed', *checkpoint, *state]
    folder.save(2, 3, 4, 5)
    calls.clear()
    folder.save(6)
    deletions = ['remove mnist_model-1' + DATA, 'remove mnist_model-1.index']
    assert calls == [call.replace('-1', '-6') for call in checkpoint] + deletions + state


def test_five_are_kept_across_restarts(folder):
    """A sixth save deletes all files of the first, but no checkpoint that is not in the list."""
    folder.save(*range(1, 6))
    folder['mnist_model-1.meta'].write_bytes(b'')  # the lecture's saves have one
    for suffix in '.index', DATA:
        folder['best-1' + suffix].write_bytes(b'')
    folder.save(6, 7, 8)
    left = sorted(path.name for path in folder.path.glob('*-*'))
    kept = ['best-1', *['mnist_model-%d' % step for step in range(4, 9)]]
    assert left == [name + suffix for name in kept for suffix in (DATA, '.index')]
    assert listed(folder) == [4, 5, 6, 7, 8] and folder['seed'].read_bytes() == b'7\n'


def test_temporary_files_of_a_dead_run(folder):
    """A new run deletes temporary files of its own name, no others. A refused run deletes none."""
    folder.save(1)
    ours = ['mnist_model-2.index.tempstate123', 'mnist_model-2%s.tempstate9' % DATA]
    ours += ['checkpoint' + TEMPORARY, 'seed' + TEMPORARY]
    others = ['notes' + TEMPORARY, 'best-2.index.tempstate123', 'mnist_model-7.index']
    with folder.manager(), pytest.raises(files.LockError):
        for name in ours + others:
            folder[name].write_bytes(b'')
        folder.save(2)
    assert set(os.listdir(str(folder.path))) > {*ours, *others}
    folder.save(2)
    left = set(os.listdir(str(folder.path)))
    assert not left & set(ours) and left > set(others)


@pytest.mark.posix
@pytest.mark.parametrize('call', [0, 1, 2, 3])
def test_deleted_folder(folder, monkeypatch, pauses, call):
    """A save makes a folder anew that is deleted before it (0) or at one of its flushes."""
    folder.save(1)
    with folder.manager() as manager:
        if call == 0:
            shutil.rmtree(str(folder.path))
        calls = itertools.count(1)
        delete = {call: lambda: shutil.rmtree(str(folder.path))}
        before_calls(monkeypatch, os, 'fsync', lambda fd: delete.get(next(calls), int)())
        manager.save(folder.saver, folder.sess, 2)
        with pytest.raises(files.LockError):
            folder.save(3)
        assert folder.steps() == listed(folder) == [2] and folder['seed'].exists()
        assert len(pauses) == bool(call)
        shutil.rmtree(str(folder.path))  # and another training takes the folder
        with folder.manager(), pytest.raises(files.LockError):
            manager.save(folder.saver, folder.sess, 3)
    assert folder.steps() == []


@pytest.mark.parametrize(
    'listed, current, new, number, kept, old',
    [
        ('m1 m2 m3', 'm3', 'm4', 2, 'm3 m4', 'm1 m2'),
        ('m1 m2 m3', 'm1', 'm4', 2, 'm1 m4', 'm2 m3'),  # after going back
        ('m1 b9 m2', 'm2', 'm3', 1, 'b9 m3', 'm1 m2'),  # another Saver's
        ('m1 m2', 'm2', 'm1', 0, 'm2 m1', ''),
    ],
)
def test_rotate(listed, current, new, number, kept, old):
    rotated = checkpoints.rotate(listed.split(), current, new, number, r'm\d')
    assert rotated == (kept.split(), old.split())


@pytest.mark.posix
@pytest.mark.parametrize('names', ['m:a[b]', 'm:a/b', 'm:a\\b', 'm:', 'a\\b:m'])
def test_names_that_could_not_be_restored(names):
    """Such names are refused before a training begins."""
    with pytest.raises(checkpoints.CheckpointError, match='name'):
        training.Run(*names.split(':'), 1)


@pytest.mark.parametrize('others', [[], ['Variable_2']])
def test_a_saver_of_some_variables(train_small, monkeypatch, others):
    """A training resumes, and names what begins anew. A Saver without the step is refused."""

    def saver(make=tf.train.Saver):
        variables = [v for v in tf.global_variables() if v.op.name in others]
        return make(tf.trainable_variables() + variables)

    monkeypatch.setattr(tf.train, 'Saver', saver)
    if others:
        for step in 1, 2:
            steps, err = train_small(step)
            assert steps == [step] and err.count('/ExponentialMovingAverage') == 2
            assert 'the Saver has no Variable/' in err and 'Variable_2' not in err
    else:
        with pytest.raises(checkpoints.CheckpointError, match='Variable_2'):
            train_small(1)
        assert not train_small.model.exists()


def test_a_path_and_a_step_as_objects(train_small, monkeypatch):
    """A Path for the folder, and for the step the variable, as the lecture saves it."""
    monkeypatch.setattr('mnist_lenet5_backward.MODEL_SAVE_PATH', train_small.model)
    save = training.Run.save
    with_variable = lambda run, step, loss: save(run, run._global_step, loss)  # noqa: E731
    monkeypatch.setattr(training.Run, 'save', with_variable)
    assert train_small(1)[0] + train_small(2)[0] == saved_steps(train_small.model) == [1, 2]


# What Windows does to a save
class Killed(BaseException):
    """As by `kill -9`: nothing catches it."""


IN_USE = PermissionError(errno.EACCES, 'in use')
# the text of a Chinese Windows, which TensorFlow's binding takes for UTF-8
NOT_UTF_8 = UnicodeDecodeError('utf-8', '另一个程序正在使用此文件'.encode('gbk'), 0, 1, 'invalid')


@pytest.mark.parametrize('error', [Killed, IN_USE])
def test_any_call_of_a_save_fails(folder, monkeypatch, pauses, error):
    """A kill leaves the last or the new checkpoint current. After a refusal, a save tries again."""
    functions = [(os, name) for name in ('fsync', 'replace', 'makedirs')]
    functions += [(builtins, 'open'), (tf.train.Saver, 'save')]
    if error is not IN_USE:  # a refused deletion has a test of its own
        functions += [(os, name) for name in ('remove', 'listdir')]
    folder.save(1, 2, 3, 4, 5)
    restored = []
    for step in itertools.count(6):
        folder['seed'].unlink()  # so that it is written again
        calls = itertools.count(6)

        def fail(*args):  # a file that cannot be read is another matter
            if args[1:2] != ('rb',) and next(calls) == step:  # noqa: B023
                raise error

        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            for owner, name in functions:
                before_calls(patch, owner, name, fail)
            folder.save(step)
        restored.append(int(folder.restore()[12:]) - step)
        if next(calls) <= step:  # the save has fewer calls
            break
        folder.save(step)
        assert listed(folder) == folder.steps() == list(range(step - 4, step + 1))
    assert restored == sorted(restored)
    assert set(restored) == ({0} if error is IN_USE else {-1, 0})
    assert error is Killed or len(pauses) > 10


@pytest.mark.parametrize(
    'error, reason',
    [
        (tf.errors.PermissionDeniedError(None, None, 'index; in use'), 'index; in use'),
        (tf.errors.DataLossError(None, None, 'first\nsecond\n\t [[node save]]\nrest'), 'second'),
        (OSError('in use.\r\n; no number\n\t [[node save]]'), 'in use.; no number'),
        (NOT_UTF_8, '另一个程序正在使用此文件'),
        *[(error('a bug'), None) for error in (KeyError, TypeError, RuntimeError)],
    ],
)
def test_a_save_that_fails_for_two_seconds(folder, monkeypatch, pauses, error, reason):
    """The error says TensorFlow's reason. The last save is whole. A bug ends a save at once."""
    folder.save(1)
    monkeypatch.setattr(locale, 'getpreferredencoding', lambda *args: 'gbk')
    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Saver, 'save', Mock(side_effect=error))
        ours = checkpoints.CheckpointError if reason else type(error)
        with pytest.raises(ours, match=r'\(' + reason if reason else 'a bug'):
            folder.save(2)
    assert 1.5 < sum(pauses) < 2.5 if reason else pauses == []
    assert folder.restore() == 'mnist_model-1'


def test_a_file_that_cannot_be_deleted(folder, monkeypatch):
    """Its checkpoint stays in the list, and each save tries again."""
    folder.save(1, 2, 3, 4, 5)
    held, remove = str(folder['mnist_model-1' + DATA]), os.remove
    with monkeypatch.context() as patch:
        patch.setattr(os, 'remove', lambda path: remove(path if path != held else 'in use'))
        for end in 6, 7:
            folder.save(end)
            assert listed(folder) == [1, *range(end - 4, end + 1)]
    folder.save(8)
    assert listed(folder) == folder.steps() == [4, 5, 6, 7, 8]


def test_a_list_that_cannot_be_read(folder, pauses):
    """An unreadable list is not a missing one."""
    folder.save(1, 2)
    folder['checkpoint'].unlink()
    folder['checkpoint'].mkdir()
    for function, what in (checkpoints.check_current_exists, str(folder.path)), (folder.save, 3):
        with pytest.raises(checkpoints.CheckpointError, match='permission to read'):
            function(what)


# Damaged
@pytest.mark.parametrize('name', ['checkpoint', 'mnist_model-3.index', 'mnist_model-3' + DATA])
def test_damage(folder, name):
    """A whole checkpoint is restored. A variable that nobody asks for is checked, too."""
    folder.save(1, 2, 3)
    content, saver = folder[name].read_bytes(), tf.train.Saver({'Variable_1': folder.step})
    # any damage to the data is seen, and an index has bytes that nothing reads
    whole = ['mnist_model-%d' % step for step in (1, 2, 3) if step < 3 or DATA not in name]
    starts = range(0, len(content), len(content) // 10)
    for start, noise in itertools.product(starts, [b'', b'\xff', b'*', b'/', b'"']):
        damaged = content[:start] + noise + content[start + 1 :] if noise else content[:start]
        folder[name].write_bytes(damaged)
        ckpt = checkpoints.get_checkpoint_state(str(folder.path))
        checkpoints.restore(saver, folder.sess, ckpt)
        restored = os.path.basename(ckpt.model_checkpoint_path)
        assert restored in (whole if damaged != content else ['mnist_model-3'])
        assert restored.endswith('-%d' % folder.sess.run(folder.step))


@pytest.mark.parametrize('content', [b'', b'garbage', b'\xff\xfe'])
def test_garbled_checkpoint_file(folder, content, capsys, monkeypatch):
    """The newest checkpoint is restored. The next save deletes none. None left is an error."""
    folder.save(*range(2, 12))
    folder['checkpoint'].write_bytes(content)
    assert folder.restore() == 'mnist_model-11'
    monkeypatch.chdir(str(folder.path))
    assert checkpoints.get_checkpoint_state('').model_checkpoint_path  # if '', nothing is restored
    said(capsys, folder.path, '`checkpoint`', 'mnist_model-11 instead')
    folder.save(12)
    assert folder.steps() == [7, 8, 9, 10, 11, 12] and listed(folder) == [12]
    for path in folder.path.glob('*.index'):
        path.unlink()
    with pytest.raises(checkpoints.DamagedError, match='any other .* move it away'):
        folder.restore()


OTHERS = [
    (np.zeros(1001, np.float32), r'Variable: float32 \[1000\], .* float32 \[1001\]'),
    (np.zeros(1000, np.int32), r'Variable: float32 \[1000\], .* int32 \[1000\]'),
    (0.0, r'other: no such variable'),
]


@pytest.mark.parametrize('other, difference', OTHERS)
def test_another_network(folder, other, difference, capsys):
    """The error says the first difference. A search for a whole checkpoint ignores this one."""
    folder.save(1, 2)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(other, name='other' if 'other' in difference else None)
        sess.run(tf.global_variables_initializer())
        path = str(folder['best-99'])
        tf.train.Saver().save(sess, path, write_meta_graph=False, write_state=False)
        ckpt = checkpoints.get_checkpoint_state(str(folder.path))
        with pytest.raises(checkpoints.CheckpointError, match='scope .' + difference) as caught:
            checkpoints.restore(tf.train.Saver(), sess, ckpt)
    assert not isinstance(caught.value, checkpoints.DamagedError)
    folder.damage(2)
    assert folder.restore() == 'mnist_model-1'
    said(capsys, 'mnist_model-1 instead')


# The file `checkpoint` in other hands
def test_going_back(folder, capsys):
    """A run that goes on from an older checkpoint counts that one as saved last."""
    folder.save(1, 2, 3, 4, 5)
    folder.edit('"mnist_model-5"', '"mnist_model-3"')
    assert folder.restore() == 'mnist_model-3'
    folder.save(4)
    assert listed(folder) == [1, 2, 5, 3, 4]
    folder.save(11)
    assert listed(folder) == [2, 5, 3, 4, 11] and folder.steps() == [2, 3, 4, 5, 11]
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    'edit',
    [
        lambda text: '\ufeff' + text.replace('\n', '\r\n'),  # Notepad
        lambda text: text.replace('"mnist_model', r'"C:\\\346\210\221\\mnist_model'),
        lambda text: text.replace('"mnist_model', '"/home/somebody/model/mnist_model'),
        lambda text: text + 'all_model_checkpoint_timestamps: 1763999999.5\n',
    ],
)
def test_the_list_as_others_write_it(folder, edit, capsys):
    """A file of an editor, another folder, another system or another version is read alike."""
    folder.save(1, 2, 3)
    folder.edit('"mnist_model-3"', '"mnist_model-2"')
    text = folder['checkpoint'].read_text(encoding='utf-8')
    folder['checkpoint'].write_bytes(edit(text).encode('utf-8'))
    assert folder.restore() == 'mnist_model-2' and listed(folder) == [1, 2, 3]
    assert capsys.readouterr().err == ''


def test_a_typing_error(folder, capsys):
    """A name that is neither a file nor in the list is refused. A listed one is only gone."""
    folder.save(1, 2, 10)
    folder.edit('"mnist_model-10"', '"mnist_model-33"')
    offer = 'mnist_model-33; .*mnist_model-10, mnist_model-2, mnist_model-1'
    with pytest.raises(checkpoints.CheckpointError, match=offer):
        checkpoints.check_current_exists(str(folder.path))
    folder.edit('"mnist_model-33"', '"mnist_model-2"')
    for suffix in '.index', DATA:
        folder['mnist_model-2' + suffix].unlink()
    checkpoints.check_current_exists(str(folder.path))
    assert folder.restore() == 'mnist_model-10'
    said(capsys, 'mnist_model-2.index is missing', 'mnist_model-10 instead')
    folder['checkpoint.txt'].write_text('model_checkpoint_path: "x"', encoding='utf-8')
    checkpoints.check_current_exists(str(folder.path))
    said(capsys, folder['checkpoint.txt'], 'replace')  # Notepad likes to make it
    folder.edit('"mnist_model-2"', r'"\000"')
    assert folder.restore() == 'mnist_model-10'


@pytest.mark.parametrize('unreadable', [b'seven', b'', b'-1', b'\xff', b'5 5', b'2147483648'])
def test_choose_seed(tmp_path, capsys, unreadable):
    """The given seed overrides the stored one, which overrides the default, 1."""
    path, choose = tmp_path / 'seed', functools.partial(checkpoints.choose_seed, str(tmp_path), 1)
    path.write_bytes(b'5\n')
    assert (choose(), choose(7)) == (1, 7)  # there is no checkpoint: it is a new training
    (tmp_path / 'mnist_model-1.index').write_bytes(b'')
    assert (choose(), choose(5), choose(0)) == (5, 5, 0)
    said(capsys, path, 'contains 5', 'seed 0')
    path.write_bytes(unreadable)
    with pytest.raises(checkpoints.CheckpointError):
        choose()
    assert choose(7) == 7 and path.read_bytes() == unreadable
    said(capsys, path, 'no seed is stored', 'seed 7')
    path.unlink()
    assert choose() == 1  # as beside the checkpoints of the lecture
    said(capsys, path, 'no seed is stored', 'seed 1')
