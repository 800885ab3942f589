"""The live line of the training: what a terminal shows, and that nothing else sees it."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

import command_line


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """The lines that are to be seen, and the column of the cursor."""
        return screen(self.getvalue())


def screen(text):
    lines, column = [''], 0
    for character in text:
        if character == '\n':
            lines.append('')
            column = 0
        elif character == '\r':
            column = 0
        else:
            lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines], column


@pytest.fixture
def terminal(monkeypatch):
    stderr = Terminal()
    stderr.clock = [1000.0]
    time = SimpleNamespace(monotonic=lambda: stderr.clock[0])
    monkeypatch.setattr(command_line, 'sys', SimpleNamespace(stderr=stderr))
    monkeypatch.setattr(command_line, 'time', time)
    monkeypatch.setenv('COLUMNS', '72')
    return stderr


def test_line(terminal):
    seen = {}
    for i in command_line.live_range(50157, 100000, 50000, 100):
        seen[i] = terminal.screen()[0]
        terminal.clock[0] += 0.25
        if i == 50500:
            break
    assert seen[50157] == ['']
    # 340 steps after step 50000 of a run to step 100000, at 4 steps a second
    assert seen[50340] == ['step 50340 of 100000, 0%, 4.0 steps/s, 3:26:55 left']
    assert seen[50499] == ['step 50499 of 100000, 0%, 4.0 steps/s, 3:26:15 left']


def test_speed_is_that_of_the_last_seconds(terminal):
    for i in command_line.live_range(0, 1000, 1000, 1000):
        terminal.clock[0] += 1 if i < 500 else 0.25
    assert terminal.screen() == ([''], 0)  # away for the last line on stdout
    assert 'step 998 of 1000, 99%, 4.0 steps/s, 0:00:00 left' in terminal.getvalue()
    assert 'step 400 of 1000, 40%, 1.0 steps/s, 0:10:00 left' in terminal.getvalue()


def test_it_is_away_for_other_lines(terminal):
    for i in command_line.live_range(7, 26, 50, 10):
        if i in (10, 20, 25):
            lines, column = terminal.screen()
            assert (lines[-1], column) == ('', 0)
            print('After', i, file=terminal)
        terminal.clock[0] += 1
    assert terminal.screen()[0] == ['After 10', 'After 20', 'After 25', '']
    assert 'step 24 of 26' in terminal.getvalue()


def test_it_fits_a_narrow_terminal(terminal, monkeypatch):
    monkeypatch.setenv('COLUMNS', '20')
    for _ in command_line.live_range(0, 5, 5, 5):
        terminal.clock[0] += 1
    written = terminal.getvalue().split('\r')
    assert 'step 3 of 5, 60%, 1' in written
    assert max(map(len, written)) == 19


def test_no_terminal_no_line(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(command_line, 'sys', SimpleNamespace(stderr=stderr))
    monkeypatch.setattr(command_line, 'LIVE_SECS', 0)
    assert list(command_line.live_range(3, 9, 9, 2)) == [3, 4, 5, 6, 7, 8]
    assert stderr.getvalue() == ''


def test_a_terminal_that_is_gone(terminal, monkeypatch):
    def fail(*args):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(terminal, 'write', fail)
    steps = []
    for i in command_line.live_range(0, 5, 5, 5):
        terminal.clock[0] += 1
        steps.append(i)
    assert steps == [0, 1, 2, 3, 4]


@pytest.mark.posix
def test_training_on_a_terminal(tmp_path):
    """One terminal for stdout and stderr; it is stopped in the middle of the live line."""
    import pty

    ours, theirs = pty.openpty()
    script = os.path.join(ROOT, 'mnist_lenet5_backward.py')
    command = [sys.executable, script, '--model_dir', str(tmp_path / 'model')]
    command += ['--data_dir', os.path.join(ROOT, 'data')]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3', COLUMNS='80')
    trainer = subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    text = b''
    while b'step ' not in text.split(b'After 101 ')[-1] or b'After 101 ' not in text:
        text += os.read(ours, 1000)
    trainer.terminate()
    try:
        while True:
            text += os.read(ours, 1000)
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert trainer.wait() == 143
    lines = [li for li in screen(text.decode())[0] if not li.startswith(('WARNING', 'I0', 'E0'))]
    lines = lines[lines.index('training from step 0 to step 50000') + 1 :]
    after = 'After %d training step(s), loss on training batch is '
    assert [li.startswith(after % step) for li, step in zip(lines, (1, 101))] == [True, True]
    assert lines[2].startswith('stopped; step 1') and lines[3:] == ['']
