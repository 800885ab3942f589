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


class Gone(Terminal):
    """As a terminal is that was closed."""

    def write(self, text):
        raise OSError(5, 'Input/output error')


@pytest.fixture
def clock(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(console, 'time', SimpleNamespace(perf_counter=lambda: clock[0]))
    return clock


@pytest.fixture
def terminal(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr(console, 'sys', SimpleNamespace(stderr=stderr))
    monkeypatch.setenv('COLUMNS', '52')
    return stderr


def test_progress_line(terminal, clock):
    """The speed and the time left are those of the last seconds, the percentage that of the run."""
    seen = {}
    for step in console.live_range(50157, 100000, 50000):
        seen[step] = screen(terminal.getvalue())
        clock[0] += 0.25 if step < 50500 else 1
        if step == 50700:
            break
    assert seen[50157] == ['']
    assert seen[50340] == ['step 50340 of 100000, 0%, 4.0 steps/s, 3:26:55 left']
    assert seen[50499] == ['step 50499 of 100000, 0%, 4.0 steps/s, 3:26:15 left']
    assert seen[50700] == ['step 50700 of 100000, 1%, 1.0 steps/s, 13:41:40 lef']  # cut


def test_what_is_printed_next_overwrites_the_line(terminal, clock):
    after = 'After %d training step(s), loss on training batch is 1.23456.'
    for i in console.live_range(7, 27, 50):
        if i in (10, 20):
            print(after % i, file=terminal)
        if i == 25:
            console.say('a line')
        clock[0] += 1
    console.say('stopped')
    assert screen(terminal.getvalue()) == [after % 10, after % 20, 'a line', 'stopped', '']
    assert 'step 26 of 27' in terminal.getvalue()


@pytest.mark.posix
def test_the_width_is_that_of_stderr(monkeypatch):
    """Also when stdout goes into a file. The progress line is cut, a message is not."""
    import fcntl
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('4H', 24, 20, 0, 0))
    with open(slave, 'w', encoding='utf-8') as stderr, monkeypatch.context() as patch:
        patch.setattr(sys, 'stderr', stderr)
        for end, shown in ('\r', b'a line of more than\r'), ('\n', b'a line of more than 19\r\n'):
            console.say('a line of more than 19', end)
            assert os.read(master, 100) == shown
    os.close(master)


LEAST = SimpleNamespace(write=len, flush=str, getvalue=str)  # a stream as programs write their own


@pytest.mark.parametrize(
    'stderr, said', [(io.StringIO(), 'a line\n'), (None, ''), (Gone(), ''), (LEAST, '')]
)
def test_no_terminal_no_line(monkeypatch, capsys, clock, stderr, said):
    """pythonw has no stderr, and print would take None for stdout."""
    monkeypatch.setattr(sys, 'stderr', stderr)
    steps = []
    for step in console.live_range(3, 9, 2):
        steps.append(step)
        clock[0] += 1
    assert steps == [3, 4, 5, 6, 7, 8]
    console.say('a line')
    assert capsys.readouterr().out == '' and (stderr is None or stderr.getvalue() == said)
