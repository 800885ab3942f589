"""Owns the handlers of signals that end the process; what is done before the end, others say."""

import os
import signal
import threading

NAMES = 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'  # Windows has no SIGHUP, and it alone Ctrl-Break


class Interrupted(KeyboardInterrupt):
    """The signal `signum` has ended the training; one line says what is saved."""

    def __init__(self, signum, line):
        super().__init__(line)
        self.signum, self.exit_status = signum, 128 + signum


class Deferred:
    """Inside the `with`, Ctrl-C, Ctrl-Break, SIGTERM and SIGHUP only set `signum`, to the first.

    A second Ctrl-C ends the process at once. Signals that were ignored stay ignored, and off the
    main thread all are left as they are.
    """

    def __enter__(self):
        self.signum, self._handlers = None, {}
        if threading.current_thread() is threading.main_thread():
            for signum in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                    self._handlers[signum] = signal.signal(signum, self._defer)
        return self

    def __exit__(self, *error):
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)

    def _defer(self, signum, frame):
        self.signum = self.signum or signum
        if signum == signal.SIGINT:
            signal.signal(signum, signal.SIG_DFL)


def end_at_once():
    """Lets Ctrl-C end the process with status 130, and no traceback, while nothing defers it.

    TensorFlow swallows a KeyboardInterrupt in places, and goes on with another graph.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
