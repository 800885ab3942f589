"""Lines on stderr: messages, errors, and the progress line, which the next message overwrites."""

import collections
import contextlib
import os
import shutil
import sys
import time

PROGRESS_SECS = 0.2  # between two progress lines


class Error(Exception):
    """An error of the user or of the machine. Its message is the line that the user reads."""

    exit_status = 1  # of a script that this error ends


def say(line, end='\n'):
    """Writes a line to stderr, over the progress line. With end='\\r' it is a progress line."""
    if not sys.stderr:  # under pythonw; print(file=None) would write to stdout
        return
    if getattr(sys.stderr, 'isatty', bool)():
        width = shutil.get_terminal_size().columns - 1  # a line of full width would wrap
        with contextlib.suppress(OSError):  # the width above is stdout's, which may be a file
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
        line = (line[:width] if end == '\r' else line).ljust(width)
    with contextlib.suppress(OSError):  # a closed stderr must not end the process
        print(line, end=end, file=sys.stderr, flush=True)


def live_range(start, end, length):
    """Yields the steps `start` to `end` - 1. A terminal shows the progress in `length` steps."""
    recent = collections.deque([(time.perf_counter(), start)], maxlen=50)  # of the last ten seconds
    for step in range(start, end):
        now = time.perf_counter()
        if now - recent[-1][0] >= PROGRESS_SECS and getattr(sys.stderr, 'isatty', bool)():
            speed = (step - recent[0][1]) / (now - recent[0][0])
            recent.append((now, step))
            part, left = 100 * (step - end + length) // length, int((end - step) / speed)
            time_left = f'{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left'
            say(f'step {step} of {end}, {part}%, {speed:.1f} steps/s, {time_left}', '\r')
        yield step
