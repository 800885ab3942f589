"""command_line: the flags, the live line, the error line, the status at the end."""

import os
import signal
import sys

from support import command_line, training

import pytest
from helpers import send

import mnist_lenet5_backward
import mnist_lenet5_test


# The end
def end(error, capsys):
    """The status that an error gives, and what is said."""

    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        command_line.launch(main)
    return ended.value.code, capsys.readouterr().err


def test_an_error_says_for_itself_that_it_is_for_the_user(handlers, capsys):
    class Expected(Exception):
        exit_status = 3

    expected = (3, 'error: what, and what to do\n')
    assert end(Expected('what, and what to do'), capsys) == expected
    assert end(OSError(28, 'full', 'x'), capsys) == (1, 'error: x: cannot be used (full)\n')
    assert end(OSError('what'), capsys) == (1, 'error: stdout: cannot be used\n')
    with pytest.raises(ZeroDivisionError):  # a bug of ours
        command_line.launch(lambda: 1 / 0)


@pytest.mark.parametrize('number, status', [(2, 130), (15, 143), (1, 129), (21, 149)])
def test_the_status_is_that_of_the_signal(handlers, capsys, number, status):
    """Of Ctrl-C, SIGTERM, SIGHUP, and Ctrl-Break, which is 21 on Windows; and no `error:`."""
    interrupted = training.Interrupted('stopped; step 3')
    interrupted.exit_status = 128 + number
    assert end(interrupted, capsys) == (status, 'stopped; step 3\n')


@pytest.mark.posix
def test_ctrl_c_ends_the_process(handlers, monkeypatch):
    """At once: TensorFlow would swallow a KeyboardInterrupt in places."""
    ended = []
    monkeypatch.setattr(os, '_exit', ended.append)
    with pytest.raises(SystemExit):
        command_line.launch(send(signal.SIGINT))
    assert ended == [130]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background job
    with pytest.raises(SystemExit):
        command_line.launch(send(signal.SIGINT))
    assert ended == [130] and signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.posix
@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_full_disk_under_stdout(handlers, monkeypatch, capsys):
    """It is said, once, and not again when Python ends."""
    with open('/dev/full', 'w', encoding='utf-8') as full:
        monkeypatch.setattr(sys, 'stdout', full)
        with pytest.raises(SystemExit) as ended:
            command_line.launch(lambda: print('a line', flush=True))
    assert ended.value.code == 1
    line = 'error: stdout: cannot be used (No space left on device)\n'
    assert capsys.readouterr().err == line


def test_in_a_console_nothing_is_ended(handlers, monkeypatch, capsys):
    """Nor is a handler set, nor the priority changed."""
    monkeypatch.setattr(sys, 'ps1', '>>> ', raising=False)
    monkeypatch.setattr(os, 'nice', None, raising=False)
    before = signal.getsignal(signal.SIGINT)

    def main():
        assert signal.getsignal(signal.SIGINT) == before
        raise OSError(28, 'full', 'x')

    assert command_line.launch(main, niceness=19) == 1
    assert capsys.readouterr().err == 'error: x: cannot be used (full)\n'
    assert command_line.launch(lambda: None) is None
    assert signal.getsignal(signal.SIGINT) == before


# The flags
def test_a_kernels_own_arguments_are_passed_over(monkeypatch):
    argv = ['launcher', '-f', '/run/kernel-1.json', '--HistoryManager.hist_file=:memory:']
    monkeypatch.setattr(sys, 'argv', [*argv, '--steps', '3'])
    monkeypatch.setattr(sys, 'ps1', 'In : ', raising=False)
    assert command_line.arguments() == ['--steps', '3']
    monkeypatch.setattr(sys, 'argv', ['launcher', '--f=/run/kernel-1.json'])
    assert command_line.arguments() == []
    monkeypatch.delattr(sys, 'ps1')
    assert command_line.arguments() == ['--f=/run/kernel-1.json']


@pytest.mark.parametrize(
    'module, flags, error',
    [
        (mnist_lenet5_backward, '--steps 0', 'argument --steps: must be at least 1'),
        (mnist_lenet5_backward, '--steps -1', 'argument --steps: must be at least 1'),
        (mnist_lenet5_backward, '--seed -1', 'argument --seed: must be from 0 to 2147483647'),
        (mnist_lenet5_backward, '--seed 2147483648', 'argument --seed: must be from 0 to '),
        (mnist_lenet5_backward, '--step 50', 'unrecognized arguments: --step 50'),
        (mnist_lenet5_test, '--interval nan', 'argument --interval: must be from 0 to 86400 sec'),
        (mnist_lenet5_test, '--interval 86401', 'argument --interval: must be from 0 to 86400 s'),
        (mnist_lenet5_test, '--mistakes m.jpg', 'argument --mistakes: must end in .png'),
    ],
)
def test_wrong_usage(tmp_path, monkeypatch, capsys, module, flags, error):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(sys, 'argv', [module.__name__, *flags.split()])
    with pytest.raises(SystemExit) as ended:
        module.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, '')
    assert 'error: ' + error in err.splitlines()[-1]
    assert os.listdir(str(tmp_path)) == []


def test_help_says_every_flag_and_default(monkeypatch, capsys):
    for module, words in [
        (mnist_lenet5_backward, '--steps --seed --bfloat16 --data_dir --model_dir 50000 ./model/'),
        (mnist_lenet5_test, '--wait --once --interval --mistakes --data_dir --model_dir ./data/'),
    ]:
        monkeypatch.setattr(sys, 'argv', [module.__name__, '--help'])
        with pytest.raises(SystemExit) as ended:
            module.main()
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        assert [word for word in words.split() if word not in printed] == []


def parsed(monkeypatch, parse, flags):
    monkeypatch.setattr(sys, 'argv', ['x', *flags.split()])
    return ' '.join('%s=%s' % item for item in sorted(vars(parse()).items()))


@pytest.mark.parametrize(
    'flags, values',
    [
        ('', 'bfloat16=False data_dir=./data/ model_dir=m seed=None steps=50'),
        (
            '--steps 7 --seed 0 --bfloat16',
            'bfloat16=True data_dir=./data/ model_dir=m seed=0 steps=7',
        ),
        ('--data_dir d --model_dir o', 'bfloat16=False data_dir=d model_dir=o seed=None steps=50'),
    ],
)
def test_flags_of_a_training(monkeypatch, flags, values):
    assert parsed(monkeypatch, lambda: command_line.parse_training(50, 'm', 1), flags) == values


@pytest.mark.parametrize(
    'flags, values',
    [
        ('', 'interval=5 mistakes=None model_dir=m once=False wait=False'),
        ('--wait --interval 0', 'interval=0.0 mistakes=None model_dir=m once=False wait=True'),
        ('--once --model_dir o', 'interval=5 mistakes=None model_dir=o once=True wait=False'),
        ('--mistakes m.PNG', 'interval=5 mistakes=m.PNG model_dir=m once=True wait=False'),
    ],
)
def test_flags_of_a_test(monkeypatch, flags, values):
    found = parsed(monkeypatch, lambda: command_line.parse_testing(5, 'm'), flags)
    assert found == 'data_dir=./data/ ' + values
