"""The two scripts at the terminal: flags, the live line, the error line, exit statuses.

Owns stdout, stderr and the command line. It knows no error by name: one that is meant for the user
says so itself, by an attribute `exit_status`, and its text is the line to show.
"""

import argparse
import collections
import contextlib
import functools
import logging
import os
import shutil
import sys
import time

from . import processor, signals

LIVE_SECS = 0.2  # from one live line to the next


def parser(description, model_dir, data_dir='./data/'):
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = functools.partial(parser.add_argument, type=_folder, metavar='DIR')
    if data_dir:
        add('--data_dir', default=data_dir, help='the MNIST files, downloaded if missing')
    add('--model_dir', default=model_dir, help='the checkpoints')
    return parser


def _folder(name):
    if not name:
        raise argparse.ArgumentTypeError('is empty')
    return name


def png(name):
    if not name.lower().endswith('.png'):
        raise argparse.ArgumentTypeError('must end in .png')
    return name


def parse_training(steps, model_dir, default_seed):
    """Returns the training flags: data_dir, model_dir, steps, seed (None if not given), bfloat16.

    The arguments are the defaults.
    """
    flags = parser('Trains LeNet-5 on MNIST, from the current checkpoint if any.', model_dir)
    text = (
        'the length of a run. A run ends at the next multiple of N: with --steps 300 the first '
        'ends at step 300, however often it is stopped and started again, and the one after it '
        'at 600'
    )
    flags.add_argument('--steps', type=int, default=steps, metavar='N', help=text)
    text = (
        'decides all random numbers, from 0 to 2147483647: weights at the start, order of the '
        'digits, dropout (default: the seed of the training that is resumed, or %d)' % default_seed
    )
    flags.add_argument('--seed', type=int, default=argparse.SUPPRESS, metavar='N', help=text)
    text = (
        'about twice as fast on processors with AMX, and slower on some others: numbers of 8 bits '
        'of precision in convolutions and matrix products. Resume with the flag too'
    )
    flags.add_argument('--bfloat16', action='store_true', help=text)
    args = flags.parse_args(namespace=argparse.Namespace(seed=None))
    problem = args.bfloat16 and processor.lacks_bfloat16()
    if problem:
        flags.error('argument --bfloat16: %s' % problem)
    if args.steps < 1:
        flags.error('argument --steps: must be at least 1')
    if args.seed is not None and not 0 <= args.seed < 2**31:
        flags.error('argument --seed: must be from 0 to 2147483647')
    return args


def parse_testing(interval, model_dir):
    """Returns the testing flags: data_dir, model_dir, interval (in seconds), wait, once, mistakes.

    mistakes is None if it is not given. The arguments are the defaults.
    """
    flags = parser('Tests every new checkpoint on the MNIST test digits.', model_dir)
    text = 'between two looks for a new checkpoint'
    flags.add_argument('--interval', type=float, default=interval, metavar='SECONDS', help=text)
    text = 'if there is no checkpoint yet, wait for it'
    flags.add_argument('--wait', action='store_true', help=text)
    flags.add_argument('--once', action='store_true', help='test the newest checkpoint, then end')
    text = (
        'draw the digits read wrongly, by what they are and what they are taken for; implies --once'
    )
    flags.add_argument(
        '--mistakes', type=png, default=argparse.SUPPRESS, metavar='FILE.png', help=text
    )
    args = flags.parse_args(namespace=argparse.Namespace(mistakes=None))
    if not 0 <= args.interval <= 86400:
        flags.error('argument --interval: must be from 0 to 86400 seconds')
    args.once = args.once or args.mistakes is not None
    return args


def live_range(start, end, length, quiet):
    """Yields the steps from `start` to before `end`, saying on a terminal where it is.

    length: of the run, in steps. The line is on stderr, and away at the multiples of `quiet` and
    at the last step, which print lines of their own.
    """
    live = _is_terminal(sys.stderr)
    recent = collections.deque([(time.monotonic(), start)], maxlen=50)  # of the last ten seconds
    for i in range(start, end):
        if live:
            now = time.monotonic()
            if i % quiet == 0 or i == end - 1:
                _show()
            elif now - recent[-1][0] >= LIVE_SECS:
                then, step = recent[0]
                recent.append((now, i))
                _show(_progress(i, end, length, (i - step) / (now - then)))
        yield i


def _progress(step, end, length, speed):
    """Returns one line: the step, the part of the run, the steps a second, the time left."""
    left = (end - step) / speed
    part = 100 * (step - end + length) // length
    hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
    line = 'step %d of %d, %d%%, %.1f steps/s, %d:%02d:%02d left'
    return line % (step, end, part, speed, hours, minutes, seconds)


def _show(line=''):
    """Shows the live line, or clears it for another one."""
    with contextlib.suppress(OSError):  # the terminal is gone, and the training may be to go on
        width = _width() - 1  # a line of full width would wrap
        end = '' if line else '\r'
        print('\r' + line[:width].ljust(width), end=end, file=sys.stderr, flush=True)


def _width():
    """Returns the columns of the terminal that stderr is; shutil would ask stdout."""
    with contextlib.suppress(OSError, AttributeError, ValueError):  # it may have no descriptor
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        if columns:
            return columns
    return shutil.get_terminal_size().columns


def _is_terminal(stream):
    """pythonw has no streams, some notebooks have others than Python's, and any may be closed."""
    with contextlib.suppress(AttributeError, ValueError):
        return stream.isatty()
    return False


def say(line):
    """Says a line of ours: on stderr, where the live line has been."""
    if _is_terminal(sys.stderr):
        _show()
    with contextlib.suppress(OSError, ValueError):  # nobody listens, which is no reason to end
        if sys.stderr:  # print would take stdout for None
            print(line, file=sys.stderr, flush=True)


def open_standard_descriptors():
    """Opens those of stdin, stdout and stderr that are closed, on the null device.

    Else the next file that is opened becomes stderr, and TensorFlow writes its messages into it.
    """
    for descriptor in 0, 1, 2:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def run(main):
    """Runs main() and ends the process with what it returns as its exit status.

    1 and a line on stderr for what cannot be read or written or is not finite, 130 for Ctrl-C,
    143 for SIGTERM, 129 for SIGHUP and 149 for Ctrl-Break.
    """
    signals.end_at_once()
    logging.getLogger('tensorflow').setLevel(logging.ERROR)  # Saver warns of its own old function
    status, line = 1, None
    try:
        status = main()
    except OSError as error:  # as after `| head`
        line = 'error: %s: cannot be used (%s)' % (error.filename or 'stdout', error.strerror)
    except BaseException as error:
        if not hasattr(error, 'exit_status'):
            raise
        status = error.exit_status
        line = str(error) if isinstance(error, KeyboardInterrupt) else 'error: %s' % error
    if line:
        say(line)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # at the end Python would try again, fail, and make the status 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)
