"""The two scripts at the terminal: flags, the live line, the error line, exit statuses."""

import argparse
import collections
import os
import shutil
import signal
import sys
import time

import processor

import tensorflow.compat.v1 as tf

import checkpoints
import input_data
import keeping

LIVE_SECS = 0.2  # from one live line to the next


def _parser(description, model_dir):
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        '--data_dir',
        type=_folder,
        default='./data/',
        metavar='DIR',
        help='the MNIST files, downloaded if missing',
    )
    parser.add_argument(
        '--model_dir', type=_folder, default=model_dir, metavar='DIR', help='the checkpoints'
    )
    return parser


def _folder(name):
    if not name:
        raise argparse.ArgumentTypeError('is empty')
    return name


def parse_training(steps, model_dir, default_seed):
    """Returns the training flags: data_dir, model_dir, steps, seed (None if not given), bfloat16.

    The arguments are the defaults.
    """
    parser = _parser('Trains LeNet-5 on MNIST, from the current checkpoint if any.', model_dir)
    parser.add_argument(
        '--steps',
        type=int,
        default=steps,
        metavar='N',
        help='the length of a run. A run ends at the next multiple of N: with --steps 300 the '
        'first ends at step 300, however often it is stopped and started again, and the one '
        'after it at 600',
    )
    parser.set_defaults(seed=None)
    parser.add_argument(
        '--seed',
        type=int,
        metavar='N',
        default=argparse.SUPPRESS,
        help='decides all random numbers, from 0 to 2147483647: weights at the start, order of the '
        'digits, dropout (default: the seed of the training that is resumed, or %d)' % default_seed,
    )
    parser.add_argument(
        '--bfloat16',
        action='store_true',
        help='about twice as fast, on processors that have bfloat16 arithmetic: numbers of 8 bits '
        'of precision in convolutions and matrix products. Resume with the flag too',
    )
    args = parser.parse_args()
    problem = args.bfloat16 and processor.lacks_bfloat16()
    if problem:
        parser.error('argument --bfloat16: %s' % problem)
    if args.steps < 1:
        parser.error('argument --steps: must be at least 1')
    if args.seed is not None and not 0 <= args.seed < 2**31:
        parser.error('argument --seed: must be from 0 to 2147483647')
    return args


def parse_watching(interval, model_dir):
    """Returns the watching flags: data_dir, model_dir, interval (in seconds), wait, once, mistakes.

    mistakes is None if it is not given.
    """
    parser = _parser('Tests every new checkpoint on the MNIST test digits.', model_dir)
    parser.add_argument(
        '--interval',
        type=float,
        default=interval,
        metavar='SECONDS',
        help='between two looks for a new checkpoint',
    )
    parser.add_argument(
        '--wait', action='store_true', help='if there is no checkpoint yet, wait for it'
    )
    parser.add_argument('--once', action='store_true', help='test the newest checkpoint, then end')
    parser.set_defaults(mistakes=None)
    parser.add_argument(
        '--mistakes',
        metavar='FILE.png',
        default=argparse.SUPPRESS,
        help='draw the digits read wrongly, by what they are and what they are taken for; '
        'implies --once',
    )
    args = parser.parse_args()
    if not 0 <= args.interval <= 86400:
        parser.error('argument --interval: must be from 0 to 86400 seconds')
    if args.mistakes is not None and not args.mistakes.lower().endswith('.png'):
        parser.error('argument --mistakes: must end in .png')
    args.once = args.once or args.mistakes is not None
    return args


def live_range(start, end, length, quiet):
    """Yields the steps from `start` to before `end`, saying on a terminal where it is.

    length: of the run, in steps. The line is on stderr, and away at the multiples of `quiet` and
    at the last step, which print lines of their own.
    """
    live = sys.stderr.isatty()
    recent = collections.deque([(time.monotonic(), start)], maxlen=50)  # of the last ten seconds
    for i in range(start, end):
        if live:
            now = time.monotonic()
            if i % quiet == 0 or i == end - 1:
                clear_line()
            elif now - recent[-1][0] >= LIVE_SECS:
                then, step = recent[0]
                recent.append((now, i))
                _show(_progress(i, end, length, (i - step) / (now - then)))
        yield i


def _progress(step, end, length, speed):
    """Returns one line: the step, the part of the run, the steps a second, the time left."""
    left = (end - step) / speed
    return 'step %d of %d, %d%%, %.1f steps/s, %d:%02d:%02d left' % (
        step,
        end,
        100 * (step - end + length) // length,
        speed,
        left // 3600,
        left // 60 % 60,
        left % 60,
    )


def _show(line, end=''):
    width = shutil.get_terminal_size().columns - 1  # a line of full width would wrap
    try:
        print('\r' + line[:width].ljust(width), end=end, file=sys.stderr, flush=True)
    except OSError:  # the terminal is gone, and the training may be to go on
        pass


def clear_line():
    """Clears the live line, if any, for another one."""
    if sys.stderr.isatty():
        _show('', end='\r')


def run(main):
    """Runs main() and ends the process with what it returns as its exit status.

    1 and a line on stderr for what cannot be read or written or is not finite, 130 for Ctrl-C,
    143 for SIGTERM and 129 for SIGHUP.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # TensorFlow swallows a KeyboardInterrupt in places, and goes on with another graph.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    tf.logging.set_verbosity(tf.logging.ERROR)  # Saver warns of its own use of an old function
    status, line = 1, None
    try:
        status = main()
    except (input_data.DataError, checkpoints.CheckpointError, keeping.NotFiniteError) as error:
        line = 'error: %s' % error
    except OSError as error:  # as after `| head`
        line = 'error: %s: cannot be used (%s)' % (error.filename or 'stdout', error.strerror)
    except keeping.Interrupted as interrupted:
        status, line = 128 + interrupted.signum, str(interrupted)
    try:
        if line:
            clear_line()
            print(line, file=sys.stderr)
    except OSError:  # the terminal is gone
        pass
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except OSError:  # at the end Python would try again, fail, and make the status 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)
