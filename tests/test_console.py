"""console: the progress line, and the messages that overwrite it."""

import io
import os
import struct
import sys
from types import SimpleNamespace

from support import console

import pytest
from helpers import screen


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
    monkeypatch.setattr(console, 'sys', SimpleNamespace(stderr=stderr))
    monkeypatch.setattr(console, 'time', time)
    monkeypatch.setenv('COLUMNS', '72')
    return stderr


def test_line(terminal):
    seen = {}
    for i in console.live_range(50157, 100000, 50000):
        if i in (50157, 50340, 50499):
            seen[i] = terminal.screen()[0]
        terminal.clock[0] += 0.25
        if i == 50500:
            break
    assert seen[50157] == ['']
    # 340 steps after step 50000 of a run to step 100000, at 4 steps a second
    assert seen[50340] == ['step 50340 of 100000, 0%, 4.0 steps/s, 3:26:55 left']
    assert seen[50499] == ['step 50499 of 100000, 0%, 4.0 steps/s, 3:26:15 left']


def test_speed_is_that_of_the_last_seconds(terminal):
    for _ in console.live_range(0, 1000, 1000):
        terminal.clock[0] += 1 if terminal.clock[0] < 1500 else 0.125
    assert terminal.getvalue().count('\r') == 499 + 250  # PROGRESS_SECS apart
    assert 'step 998 of 1000, 99%, 8.0 steps/s, 0:00:00 left' in terminal.getvalue()
    assert 'step 400 of 1000, 40%, 1.0 steps/s, 0:10:00 left' in terminal.getvalue()


def test_what_is_printed_next_takes_its_place(terminal):
    for i in console.live_range(7, 27, 50):
        if i in (10, 20):
            print(
                'After %d training step(s), loss on training batch is 1.23456.' % i, file=terminal
            )
        if i == 25:
            console.say('a line')
        terminal.clock[0] += 1
    console.say('stopped')
    after = 'After %d training step(s), loss on training batch is 1.23456.'
    assert terminal.screen() == ([after % 10, after % 20, 'a line', 'stopped', ''], 0)
    assert 'step 26 of 27' in terminal.getvalue()


def test_it_fits_a_narrow_terminal(terminal, monkeypatch):
    """But what is no live line is said in full."""
    monkeypatch.setenv('COLUMNS', '20')
    for _ in console.live_range(0, 5, 5):
        terminal.clock[0] += 1
    written = terminal.getvalue().split('\r')
    assert 'step 3 of 5, 60%, 1' in written
    assert max(map(len, written)) == 19
    console.say('a line of more than 20 characters')
    assert 'a line of more than 20 characters\n' in terminal.getvalue()


@pytest.mark.posix
def test_its_width_is_that_of_stderr(monkeypatch):
    """When stdout goes into a file, too."""
    import fcntl
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('4H', 24, 20, 0, 0))
    with open(slave, 'w', encoding='utf-8') as stderr, monkeypatch.context() as patch:
        patch.setattr(console, 'sys', SimpleNamespace(stderr=stderr))
        console.say('a line of more than 20 characters', '\r')
        assert os.read(master, 100) == b'a line of more than\r'
    os.close(master)


class Gone(Terminal):
    """As a terminal is that was closed."""

    def write(self, text):
        raise OSError(5, 'Input/output error')


@pytest.mark.parametrize('stderr, said', [(io.StringIO(), 'a line\n'), (None, ''), (Gone(), '')])
def test_no_terminal_no_line(monkeypatch, capsys, stderr, said):
    """pythonw has no stderr."""
    clock = [0]
    monkeypatch.setattr(sys, 'stderr', stderr)
    monkeypatch.setattr(console, 'time', SimpleNamespace(monotonic=lambda: clock[0]))
    steps = []
    for step in console.live_range(3, 9, 2):
        steps.append(step)
        clock[0] += 1
    assert steps == [3, 4, 5, 6, 7, 8]
    console.say('a line')
    assert capsys.readouterr().out == ''  # print takes stdout for None
    assert stderr is None or stderr.getvalue() == said
