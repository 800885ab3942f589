"""The command line of the scripts: flags, the error line, exit statuses.

No module of support/ imports this one. An error that is meant for the user has an attribute
`exit_status`, and its text is the line to show.
"""

import argparse
import os
import re
import signal
import sys

from .console import say


def new_parser(description, model_dir, has_data=True):
    """Returns an argparse parser with --model_dir and, if `has_data`, --data_dir."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    text = 'the checkpoints (%(default)s)'
    parser.add_argument('--model_dir', type=path, default=model_dir, metavar='DIR', help=text)
    if has_data:
        parser.add_argument('--data_dir', type=path, metavar='DIR', help="MNIST's files (./data/)")
    return parser


def arguments():
    """Returns the arguments of the process, without those that a Jupyter kernel adds."""
    if not hasattr(sys, 'ps1'):  # neither a notebook nor Python's interactive prompt
        return sys.argv[1:]
    is_kernels = re.compile(r'--?f(=|$)|--\w+[.]').match  # -f FILE, --f=FILE, --Class.name=value
    pairs = zip(sys.argv, sys.argv[1:])
    return [arg for before, arg in pairs if not (is_kernels(arg) or before in ('-f', '--f'))]


def path(name, ending=''):
    """Returns a file's or folder's name, for argparse's `type`. Refuses '' and another ending."""
    if not name or not name.lower().endswith(ending):
        raise argparse.ArgumentTypeError(f'must end in {ending}' if ending else 'must not be empty')
    return name


def parse_training(steps, model_dir, seed):
    """Returns the training flags: data_dir or None, model_dir, steps, seed or None, bfloat16."""
    parser = new_parser('Trains LeNet-5 on MNIST, from the current checkpoint if any.', model_dir)
    text = 'a run ends at the next multiple of N, however often it is stopped (%(default)s)'
    parser.add_argument('--steps', type=int, default=int(steps), metavar='N', help=text)
    text = f'decides all random numbers (the seed of the resumed training, or {seed})'
    parser.add_argument('--seed', type=int, metavar='N', help=text)
    parser.add_argument('--bfloat16', action='store_true', help='faster with AMX (docs/speed.md)')
    args = parser.parse_args(arguments())
    if args.steps < 1:
        parser.error('argument --steps: must be at least 1')
    seed = seed if args.seed is None else args.seed
    if not isinstance(seed, int) or not 0 <= seed < 2**31:
        parser.error('argument --seed, or SEED: must be an integer from 0 to 2147483647')
    return args


def parse_testing(interval, model_dir):
    """Returns the testing flags: data_dir or None, model_dir, interval, wait, once, mistakes."""
    parser = new_parser('Tests every new checkpoint on the MNIST test digits.', model_dir)
    text = 'seconds between two looks for a new checkpoint (%(default)s)'
    parser.add_argument('--interval', type=float, default=interval, metavar='SECONDS', help=text)
    parser.add_argument('--wait', action='store_true', help='wait for a first checkpoint')
    parser.add_argument('--once', action='store_true', help='test the current checkpoint, then end')
    text = 'draw the misread digits, at most 16 for each pair of classes; implies --once'
    parser.add_argument('--mistakes', type=lambda f: path(f, '.png'), metavar='FILE.png', help=text)
    args = parser.parse_args(arguments())
    if not 0 <= args.interval <= 86400:
        parser.error('argument --interval: must be from 0 to 86400 seconds')
    args.once = args.once or args.mistakes is not None
    return args


def launch(main, niceness=0, at_once=True):
    """Ends the process with the result of main(). An error with exit_status or errno is one line.

    niceness: how far to lower the priority. at_once: Ctrl-C ends the process, as TensorFlow may
    swallow a KeyboardInterrupt and go on with another graph. In a notebook, returns the status.
    """
    is_ours = not hasattr(sys, 'ps1')
    if is_ours and hasattr(os, 'nice'):  # not on Windows
        os.nice(niceness)
    if at_once and is_ours and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    status = 1
    try:
        status = main()
    except OSError as error:  # for example a closed pipe, as after `| head`
        if not error.filename and error.errno not in (5, 22, 28, 32):  # EIO, EINVAL, ENOSPC, EPIPE
            raise
        say(f'error: {error.filename or "stdout"}: cannot be used ({error.strerror})')
    except BaseException as error:
        if is_ours and type(error) is KeyboardInterrupt:  # not our Interrupted
            sys.exit(130)
        if not hasattr(error, 'exit_status'):
            raise
        status = error.exit_status
        say(str(error) if isinstance(error, KeyboardInterrupt) else f'error: {error}')
    if is_ours:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except OSError:  # Python would flush again at its end, fail, and exit with 120
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(status)
    return status
