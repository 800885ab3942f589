"""signals: who gets a signal, and when. Runs without TensorFlow."""

import signal
import subprocess
import sys
import threading

from support import signals

import pytest
from conftest import ROOT, send

pytestmark = pytest.mark.posix


def test_deferred():
    """The first counts; afterwards the handlers are back."""
    got = []
    old = signal.signal(signal.SIGTERM, lambda *_: got.append('old'))
    try:
        with signals.Deferred() as deferred:
            assert deferred.signum is None
            send(signal.SIGTERM)()
            send(signal.SIGHUP)()
            assert deferred.signum == signal.SIGTERM
        assert got == []
        send(signal.SIGTERM)()
        assert got == ['old']
        with signals.Deferred() as deferred:
            assert deferred.signum is None  # of a new training
    finally:
        signal.signal(signal.SIGTERM, old)


def test_deferred_leaves_alone(monkeypatch):
    """What is ignored stays ignored, and off the main thread all is as it was."""
    old = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals.Deferred() as deferred:
            send(signal.SIGTERM)()
            assert deferred.signum is None
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
        handlers = []

        def defer():
            with signals.Deferred():
                handlers.append(signal.getsignal(signal.SIGHUP))

        before = signal.getsignal(signal.SIGHUP)
        thread = threading.Thread(target=defer)
        thread.start()
        thread.join()
        assert handlers == [before]
    finally:
        signal.signal(signal.SIGTERM, old)


def test_ctrl_break(monkeypatch):
    """Which Windows alone has; another signal stands in for it."""
    monkeypatch.setattr(signal, 'SIGBREAK', signal.SIGUSR1, raising=False)
    with signals.Deferred() as deferred:
        send(signal.SIGUSR1)()
        assert deferred.signum == signal.SIGUSR1


@pytest.mark.parametrize(
    'inside, status',
    [
        ('signals.end_at_once()', 130),
        ('deferred = signals.Deferred().__enter__()', 0),
        ('deferred = signals.Deferred().__enter__(); kill()', -signal.SIGINT),
    ],
)
def test_ctrl_c(inside, status):
    code = """
import os, signal, sys
sys.path[:0] = [%r]
from support import signals
signal.signal(signal.SIGINT, signal.default_int_handler)
kill = lambda: os.kill(os.getpid(), signal.SIGINT)
%s
kill()
"""
    command = [sys.executable, '-c', code % (ROOT, inside)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, timeout=60)
    assert (ended.returncode, ended.stderr) == (status, b'')


def test_end_at_once_leaves_others_handlers_alone():
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signals.end_at_once()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)


def test_interrupted():
    error = signals.Interrupted(signal.SIGTERM, 'stopped')
    assert (str(error), error.signum, error.exit_status) == ('stopped', signal.SIGTERM, 143)
    assert isinstance(error, KeyboardInterrupt)
