"""files: what is written is whole, and the lock is held by one. Runs without TensorFlow."""

import os
import subprocess
import sys

from support import files

import pytest
from conftest import ROOT, at_first_call

HOLD = """
import sys
sys.path[:0] = [%r]
from support import files
lock = files.Lock(sys.argv[1])
lock.take()
print('taken', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """The path of a lock that another process holds, and the process."""
    path = str(tmp_path / 'folder' / 'lock')
    other = subprocess.Popen(
        [sys.executable, '-c', HOLD % ROOT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline().startswith(b'taken')
    yield path, other
    other.kill()
    other.wait()


def test_a_lock_is_held_by_one_process(held):
    path, other = held
    lock = files.Lock(path)
    with pytest.raises(BlockingIOError) as caught:
        lock.take()
    assert str(caught.value) == str(other.pid)
    other.stdin.close()  # it ends
    other.wait()
    lock.take()
    with open(path) as file:
        assert file.read() == '%d\n' % os.getpid()
    lock.take()  # again: it has it already
    lock.release()
    files.Lock(path).take()


@pytest.mark.posix
def test_a_lock_that_was_deleted_is_taken_anew(tmp_path, held):
    lock = files.Lock(str(tmp_path / 'mine'))
    lock.take()
    os.remove(str(tmp_path / 'mine'))
    lock.take()
    assert (tmp_path / 'mine').exists()
    with pytest.raises(BlockingIOError):  # by another than the one that is on the disk now
        files.Lock(str(tmp_path / 'mine')).take()
    os.replace(held[0], str(tmp_path / 'mine'))
    with pytest.raises(BlockingIOError, match=str(held[1].pid)):
        lock.take()


def test_write(tmp_path):
    path = str(tmp_path / 'seed')
    files.write(path, 'one\n')
    files.write(path, 'two\n')
    with open(path, 'rb') as file:
        assert file.read() == b'two\n'  # on Windows too
    assert os.listdir(str(tmp_path)) == ['seed']


def test_write_leaves_what_is_the_same(tmp_path, monkeypatch):
    path = str(tmp_path / 'seed')
    files.write(path, 'one\n')
    monkeypatch.setattr(os, 'fsync', None)
    files.write(path, 'one\n')
    with pytest.raises(TypeError):
        files.write(path, 'two\n')


def test_write_is_one_step(tmp_path, monkeypatch):
    """The old text until the new one is down on the disk."""
    path = str(tmp_path / 'seed')
    files.write(path, 'one\n')

    class Power(Exception):
        pass

    def fail():
        raise Power

    for call in 'fsync', 'replace':
        with monkeypatch.context() as patch:
            at_first_call(patch, call, fail)
            with pytest.raises(Power):
                files.write(path, 'two\n')
        with open(path) as file:
            assert file.read() == 'one\n'


def test_matching(tmp_path):
    for name in 'b-1', 'a-1', 'a-1x', 'xa-1':
        (tmp_path / name).write_bytes(b'')
    found = files.matching(str(tmp_path), r'[ab]-\d')
    assert found == [str(tmp_path / 'a-1'), str(tmp_path / 'b-1')]
