"""The live line of the training: what a terminal shows, and that nothing else sees it."""

import io
from types import SimpleNamespace

from support import terminal as room

import pytest
from conftest import screen


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
