"""command_line: the flags, the error line, the status at the end."""

import functools
import os
import signal
import sys

from support import command_line, training

import pytest
from helpers import send

import input_data
import mnist_lenet5_backward
import mnist_lenet5_test

pytestmark = pytest.mark.usefixtures('handlers')


class Expected(Exception):
    exit_status = 3


# The end
@pytest.mark.parametrize(
    'error, status, line',
    [
        (Expected('what, and what to do'), 3, 'error: what, and what to do'),
        (OSError(28, 'full', 'x'), 1, 'error: x: cannot be used (full)'),
        # a closed pipe on Windows
        (OSError(22, 'gone'), 1, 'error: stdout: cannot be used (gone)'),
        (training.Interrupted('stopped', 15), 143, 'stopped'),  # is no error
        (ZeroDivisionError(), None, None),  # is a bug
        (FileNotFoundError('x not found'), None, None),  # NumPy's, Pillow's: no fault of stdout
        (ConnectionRefusedError(111, 'refused'), None, None),
    ],
)
def test_an_error_is_a_line_and_a_status(capsys, monkeypatch, error, status, line):
    """The process ends with the status. A notebook goes on, and gets the status."""

    def main():
        assert (signal.getsignal(signal.SIGINT) == before) == hasattr(sys, 'ps1')
        raise error

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit if status else type(error)) as ended:
        command_line.launch(main)
    signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(sys, 'ps1', '>>> ', raising=False)
    monkeypatch.setattr(os, 'nice', None, raising=False)
    if status:
        assert ended.value.code == status
        assert command_line.launch(main, niceness=19) == status
        assert capsys.readouterr().err == 2 * (line + '\n')


@pytest.mark.posix
@pytest.mark.parametrize('at_once', [True, False])
@pytest.mark.parametrize('handler', [signal.default_int_handler, signal.SIG_IGN])
def test_ctrl_c_ends_the_process(monkeypatch, handler, at_once):
    """TensorFlow would swallow a KeyboardInterrupt. A background job ignores Ctrl-C."""
    ended = []
    monkeypatch.setattr(os, '_exit', ended.append)
    signal.signal(signal.SIGINT, handler)
    with pytest.raises(SystemExit) as caught:
        command_line.launch(send(signal.SIGINT), at_once=at_once)
    assert ended == ([] if handler == signal.SIG_IGN or not at_once else [130])
    assert ended or (caught.value.code == 130) == (handler != signal.SIG_IGN)


@pytest.mark.posix
@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_full_disk_under_stdout(monkeypatch, capsys):
    """The process prints the error once, and not again when Python ends."""
    with open('/dev/full', 'w', encoding='utf-8') as full:
        monkeypatch.setattr(sys, 'stdout', full)
        with pytest.raises(SystemExit) as ended:
            command_line.launch(lambda: print('a line', flush=True))
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == 'error: stdout: cannot be used (No space left on device)'


# The flags
def test_a_kernels_own_arguments_are_passed_over(monkeypatch):
    argv = ['launcher', '-f', '/run/kernel-1.json', '--HistoryManager.hist_file=:memory:']
    monkeypatch.setattr(sys, 'argv', [*argv, '--f=/run/kernel-1.json', '--steps', '3'])
    assert command_line.arguments() == sys.argv[1:]
    monkeypatch.setattr(sys, 'ps1', 'In : ', raising=False)
    assert command_line.arguments() == ['--steps', '3']


@pytest.mark.parametrize(
    'module, flags, words',
    [
        (mnist_lenet5_backward, '--steps 0', 'error: --steps'),
        (mnist_lenet5_backward, '--seed -1', 'error: --seed'),
        (mnist_lenet5_backward, '--seed 2147483648', 'error: --seed'),
        (mnist_lenet5_backward, '--step 50', 'error: --step'),  # would be taken for --steps
        (mnist_lenet5_test, '--interval nan', 'error: --interval'),
        (mnist_lenet5_test, '--interval 86401', 'error: --interval'),
        (mnist_lenet5_test, '--mistakes m.jpg', 'error: --mistakes'),
        (mnist_lenet5_test, '--model_dir=', 'error: --model_dir empty'),
        (mnist_lenet5_backward, '--data_dir=', 'error: --data_dir empty'),
        (mnist_lenet5_backward, '--help', '(50000) (./model/) (./data/)'),
        (mnist_lenet5_test, '--help', '(5)'),
    ],
)
def test_usage(tmp_path, monkeypatch, capsys, module, flags, words):
    """Wrong usage: the last line names the flag. Help says the defaults. Nothing is done."""
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(input_data, 'read_data_sets', None)
    monkeypatch.setattr(sys, 'argv', [module.__name__, *flags.split()])
    with pytest.raises(SystemExit) as ended:
        module.main()
    out, err = capsys.readouterr()
    assert ended.value.code == (0 if out else 2) and os.listdir(str(tmp_path)) == []
    said = out if flags == '--help' else err.splitlines()[-1]
    assert [word for word in words.split() if word not in said] == []


TRAINING = functools.partial(command_line.parse_training, 50, 'm', 1)
TESTING = functools.partial(command_line.parse_testing, 5, 'm')


@pytest.mark.parametrize(
    'parse, flags, expected',
    [
        (TRAINING, '', {'data_dir': None, 'model_dir': 'm', 'steps': 50, 'seed': None}),
        (TRAINING, '--seed 0 --bfloat16', {'seed': 0, 'bfloat16': True}),
        (TESTING, '', {'interval': 5, 'wait': False, 'once': False, 'mistakes': None}),
        (TESTING, '--once --interval 0', {'once': True, 'interval': 0, 'wait': False}),
        (TESTING, '--mistakes m.PNG --wait', {'mistakes': 'm.PNG', 'once': True, 'wait': True}),
    ],
)
def test_flags(monkeypatch, parse, flags, expected):
    monkeypatch.setattr(sys, 'argv', ['x', *flags.split()])
    args = parse()
    assert {name: getattr(args, name) for name in expected} == expected


@pytest.mark.parametrize('seed', [None, -1, 2**31, 1.5])
def test_constants(monkeypatch, capsys, seed):
    """STEPS may be a float. A SEED that is no seed is an error, unless --seed replaces it."""
    monkeypatch.setattr(sys, 'argv', ['x', '--seed', '3'])
    assert repr(command_line.parse_training(1e4, 'm', seed).steps) == '10000'
    monkeypatch.setattr(sys, 'argv', ['x'])
    with pytest.raises(SystemExit):
        command_line.parse_training(50, 'm', seed)
    assert 'SEED: must be' in capsys.readouterr().err
