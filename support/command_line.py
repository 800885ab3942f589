"""The scripts at the command line: flags, the live line, the error line, exit statuses.

Owns stderr and what ends the process. It knows no error by name: one that is meant for the user
says so itself, by an attribute `exit_status`, and its text is the line to show.
"""

import argparse
import collections
import contextlib
import os
import re
import shutil
import signal
import sys
import time

LIVE_SECS = 0.2  # from one live line to the next


def parser(description, model_dir, data_dir=None):
    """Returns an argparse parser with --model_dir and, given its default, --data_dir."""
    made = argparse.ArgumentParser(description=description, allow_abbrev=False)
    text = 'the checkpoints (%(default)s)'
    made.add_argument('--model_dir', default=model_dir, metavar='DIR', help=text)
    if data_dir:
        text = 'the MNIST files, downloaded if missing (%(default)s)'
        made.add_argument('--data_dir', default=data_dir, metavar='DIR', help=text)
    return made


def arguments():
    """Returns the arguments of the process, but for a Jupyter kernel's own: -f X.json, --X.y=z."""
    given = '\0'.join(sys.argv[1:])
    if hasattr(sys, 'ps1'):
        given = re.sub(r'(^|\0)(--?f[=\0][^\0]*[.]json|--\w+[.][^\0]*)', '', given)
    return [argument for argument in given.split('\0') if argument]


def png(name):
    """The type of an argument that names a PNG file."""
    if not name.lower().endswith('.png'):
        raise argparse.ArgumentTypeError('must end in .png')
    return name


def parse_training(steps, model_dir, seed):
    """Returns the training flags: data_dir, model_dir, steps, seed (None if not given), bfloat16;
    the arguments are the defaults.
    """
    description = 'Trains LeNet-5 on MNIST, from the current checkpoint if any.'
    made = parser(description, model_dir, './data/')
    text = 'a run ends at the next multiple of N, however often it is stopped (%(default)s)'
    made.add_argument('--steps', type=int, default=steps, metavar='N', help=text)
    text = 'decides all random numbers (that of the training that is resumed, or %d)' % seed
    made.add_argument('--seed', type=int, metavar='N', help=text)
    text = 'compute in 16 bits: about twice as fast on processors with AMX, slower without'
    made.add_argument('--bfloat16', action='store_true', help=text)
    args = made.parse_args(arguments())
    if args.steps < 1:
        made.error('argument --steps: must be at least 1')
    if args.seed is not None and not 0 <= args.seed < 2**31:
        made.error('argument --seed: must be from 0 to 2147483647')
    return args


def parse_testing(interval, model_dir):
    """Returns the testing flags: data_dir, model_dir, interval (in seconds), wait, once, mistakes
    (None if not given). The arguments are the defaults.
    """
    made = parser('Tests every new checkpoint on the MNIST test digits.', model_dir, './data/')
    text = 'between two looks for a new checkpoint (%(default)s)'
    made.add_argument('--interval', type=float, default=interval, metavar='SECONDS', help=text)
    made.add_argument('--wait', action='store_true', help='wait for a first checkpoint')
    made.add_argument('--once', action='store_true', help='test the newest checkpoint, then end')
    text = 'draw digits read wrongly, at most 16 for each pair of classes; implies --once'
    made.add_argument('--mistakes', type=png, metavar='FILE.png', help=text)
    args = made.parse_args(arguments())
    if not 0 <= args.interval <= 86400:
        made.error('argument --interval: must be from 0 to 86400 seconds')
    args.once = args.once or args.mistakes is not None
    return args


def live_range(start, end, length):
    """Yields the steps from `start` to before `end`, saying on a terminal where it is.

    length: of the run, in steps. The line is on stderr; what is printed next takes its place.
    """
    recent = collections.deque([(time.monotonic(), start)], maxlen=50)  # of the last ten seconds
    for step in range(start, end):
        now = time.monotonic()
        if now - recent[-1][0] >= LIVE_SECS and sys.stderr and sys.stderr.isatty():
            speed = (step - recent[0][1]) / (now - recent[0][0])
            recent.append((now, step))
            left, part = (end - step) / speed, 100 * (step - end + length) // length
            line = 'step %d of %d, %d%%, %.1f steps/s, %d:%02d:%02d left'
            line %= (step, end, part, speed, left // 3600, left // 60 % 60, left % 60)
            say(line, '\r')
        yield step


def say(line, end='\n'):
    """Says a line of ours on stderr, over the live line; with end='\\r' it is one."""
    if not sys.stderr:  # as in pythonw; print would take stdout for None
        return
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1  # a line of full width would wrap
        with contextlib.suppress(OSError):  # the width above is stdout's, which may be a file
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
        line = (line[:width] if end == '\r' else line).ljust(width)
    with contextlib.suppress(OSError):  # nobody listens, which is no reason to end
        print(line, end=end, file=sys.stderr, flush=True)


def run(main, niceness=0):
    """Runs main() and ends the process with what it returns as its exit status.

    1 and a line on stderr for what cannot be read or written or is not finite, 130 for Ctrl-C,
    143 for SIGTERM, 129 for SIGHUP and 149 for Ctrl-Break. niceness: added to that of the process,
    so that others go first. In a notebook or a console, which is not ours, nothing is ended.
    """
    is_ours = not hasattr(sys, 'ps1')
    if is_ours and hasattr(os, 'nice'):  # not on Windows
        os.nice(niceness)
    # TensorFlow swallows a KeyboardInterrupt in places, and goes on with another graph
    if is_ours and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    status = 1
    try:
        status = main()
    except OSError as error:  # as after `| head`
        reason = ' (%s)' % error.strerror if error.strerror else ''
        say('error: %s: cannot be used%s' % (error.filename or 'stdout', reason))
    except BaseException as error:
        if not hasattr(error, 'exit_status'):
            raise
        status = error.exit_status
        say(str(error) if isinstance(error, KeyboardInterrupt) else 'error: %s' % error)
    if is_ours:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except OSError:  # at its end Python would try again, fail, and make the status 120
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(status)
    return status
