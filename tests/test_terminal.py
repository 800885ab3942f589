"""The live line of the training: what a terminal shows, and that nothing else sees it."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

from support import terminal as room

import pytest
from conftest import ROOT, screen


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """The lines that are to be seen, and the column of the cursor."""
        return screen(self.getvalue())


@pytest.fixture
def terminal(monkeypatch):
    stderr = Terminal()
    stderr.clock = [1000.0]
    time = SimpleNamespace(monotonic=lambda: stderr.clock[0])
    monkeypatch.setattr(room, 'sys', SimpleNamespace(stderr=stderr))
    monkeypatch.setattr(room, 'time', time)
    monkeypatch.setenv('COLUMNS', '72')
    return stderr


def test_line(terminal):
    seen = {}
    for i in room.live_range(50157, 100000, 50000, 100):
        seen[i] = terminal.screen()[0]
        terminal.clock[0] += 0.25
        if i == 50500:
            break
    assert seen[50157] == ['']
    # 340 steps after step 50000 of a run to step 100000, at 4 steps a second
    assert seen[50340] == ['step 50340 of 100000, 0%, 4.0 steps/s, 3:26:55 left']
    assert seen[50499] == ['step 50499 of 100000, 0%, 4.0 steps/s, 3:26:15 left']


def test_speed_is_that_of_the_last_seconds(terminal):
    for i in room.live_range(0, 1000, 1000, 1000):
        terminal.clock[0] += 1 if i < 500 else 0.25
    assert terminal.screen() == ([''], 0)  # away for the last line on stdout
    assert 'step 998 of 1000, 99%, 4.0 steps/s, 0:00:00 left' in terminal.getvalue()
    assert 'step 400 of 1000, 40%, 1.0 steps/s, 0:10:00 left' in terminal.getvalue()


def test_it_is_away_for_other_lines(terminal):
    for i in room.live_range(7, 26, 50, 10):
        if i in (10, 20, 25):
            lines, column = terminal.screen()
            assert (lines[-1], column) == ('', 0)
            print('After', i, file=terminal)
        terminal.clock[0] += 1
    assert terminal.screen()[0] == ['After 10', 'After 20', 'After 25', '']
    assert 'step 24 of 26' in terminal.getvalue()


def test_it_fits_a_narrow_terminal(terminal, monkeypatch):
    monkeypatch.setenv('COLUMNS', '20')
    for _ in room.live_range(0, 5, 5, 5):
        terminal.clock[0] += 1
    written = terminal.getvalue().split('\r')
    assert 'step 3 of 5, 60%, 1' in written
    assert max(map(len, written)) == 19


def test_no_terminal_no_line(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(room, 'sys', SimpleNamespace(stderr=stderr))
    monkeypatch.setattr(room, 'LIVE_SECS', 0)
    assert list(room.live_range(3, 9, 9, 2)) == [3, 4, 5, 6, 7, 8]
    assert stderr.getvalue() == ''


def test_a_terminal_that_is_gone(terminal, monkeypatch):
    def fail(*args):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(terminal, 'write', fail)
    steps = []
    for i in room.live_range(0, 5, 5, 5):
        terminal.clock[0] += 1
        steps.append(i)
    assert steps == [0, 1, 2, 3, 4]


class Notebook:
    """A stream of somebody else's, with nothing but write and flush."""

    def __init__(self):
        self.text = ''

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize('stderr', [None, Notebook()])
def test_no_stream_or_one_without_isatty(monkeypatch, capsys, stderr):
    monkeypatch.setattr(sys, 'stderr', stderr)
    assert list(room.live_range(0, 3, 3, 3)) == [0, 1, 2]
    room.say('a line')
    assert capsys.readouterr().out == ''  # print takes stdout for None
    assert stderr is None or stderr.text == 'a line\n'


def test_a_stream_that_is_closed(monkeypatch):
    stderr = io.StringIO()
    stderr.close()
    monkeypatch.setattr(sys, 'stderr', stderr)
    assert list(room.live_range(0, 3, 3, 3)) == [0, 1, 2]
    room.say('a line')


def test_a_line_takes_the_place_of_the_live_line(terminal):
    for _ in room.live_range(0, 3, 3, 3):
        terminal.clock[0] += 1
        room.say('a line')
    assert terminal.screen() == (['a line'] * 3 + [''], 0)


@pytest.mark.posix
def test_the_width_is_that_of_stderr():
    """And not of stdout, which may be a file, or another window."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 60, 0, 0))
    code = 'import sys; sys.path[:0] = [%r]; from support import terminal; print(terminal._width())'
    environment = {k: v for k, v in os.environ.items() if k != 'COLUMNS'}
    ended = subprocess.run(
        [sys.executable, '-c', code % ROOT], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.close(ours)
    assert ended.stdout == b'60\n'


@pytest.mark.posix
@pytest.mark.parametrize('closed', ['0<&-', '1>&-', '2>&-', '0<&- 1>&- 2>&-'])
def test_closed_descriptors(tmp_path, closed):
    """The next file that is opened is not one of them."""
    code = """
import sys
sys.path[:0] = [%r]
import support
with open(sys.argv[1], 'w', encoding='utf-8') as file:
    file.write(str(file.fileno()))
"""
    command = ['sh', '-c', 'exec "$@" ' + closed, 'sh', sys.executable, '-c', code % ROOT]
    subprocess.run([*command, str(tmp_path / 'number')], check=True)
    assert int((tmp_path / 'number').read_text(encoding='utf-8')) > 2


def test_an_error_says_for_itself_that_it_is_for_the_user(capsys):
    class Expected(Exception):
        exit_status = 3

    def end(error):
        def main():
            raise error

        with pytest.raises(SystemExit) as ended:
            room.run(main)
        return ended.value.code, capsys.readouterr().err

    assert end(Expected('what, and what to do')) == (3, 'error: what, and what to do\n')
    assert end(OSError(28, 'full', 'x')) == (1, 'error: x: cannot be used (full)\n')
    with pytest.raises(ZeroDivisionError):  # a bug of ours
        room.run(lambda: 1 / 0)
