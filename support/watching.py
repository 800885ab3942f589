"""What is new in a folder into which another process saves, or somebody copies, checkpoints.

Owns what has been restored for a test and what has been said about it. How good it is, `test` says.
"""

import contextlib
import os
import re
import time
from types import SimpleNamespace

from . import checkpoints, terminal


class Watcher:
    """Restores each checkpoint once, and waits for what is not whole yet."""

    def __init__(self, variables, wait, once):
        """variables: {name in the checkpoint: variable}; wait: for whatever is missing now; once:
        it is to end with a test, so that it cannot wait for a slip of the pen to be mended.
        """
        self.tested = set()  # versions of checkpoints
        self._variables = variables
        self._wait, self._once = wait, once
        self._looked_at = None  # the state of the folder at the last look
        self._said = set()  # the checkpoints of which it has been said that they are not whole

    def get_checkpoint_state(self, model_dir):
        """Returns what checkpoints.get_checkpoint_state does, model_checkpoint_path being None
        while the file `checkpoint` cannot be read or names what is not there.
        """
        try:
            return checkpoints.get_checkpoint_state(model_dir)
        except checkpoints.DamagedError as error:
            self._wait_for(error.problem, error)
            return SimpleNamespace(model_checkpoint_path=None)

    def restore_new(self, saver, sess, ckpt):
        """Restores like checkpoints.restore. Returns whether it is new: not if it has been restored
        before, nor if it is replaced, deleted or not whole yet.
        """
        current = ckpt.model_checkpoint_path
        state = _state(ckpt)
        if state == self._looked_at or _version(ckpt, state) in self.tested:
            return False
        try:
            if ckpt.problem:
                raise checkpoints.DamagedError(ckpt.problem, '')
            checkpoints.restore_path(saver, sess, current, self._variables)
            if _version(ckpt) != _version(ckpt, state):
                return False
        except checkpoints.DamagedError:
            for seconds in 0, 1:  # in which the trainer may delete or replace it, and end that
                time.sleep(seconds)
                now = checkpoints.get_checkpoint_state(os.path.dirname(current))
                if not now or _state(now) != state:
                    return False
            self._looked_at = state
            try:
                checkpoints.restore(saver, sess, ckpt, self._variables, self._once_for(current))
            except checkpoints.DamagedError as error:
                self._wait_for(current, error)
                return False
        version = _version(ckpt)
        new = version not in self.tested
        self.tested.add(version)
        return new

    def _wait_for(self, what, error):
        """Raises the error, or says that it is waited for, once."""
        slip = isinstance(error, checkpoints.UnknownNameError)
        if not (self._wait or slip and not self._once):
            raise error
        line = str(error) if slip else error.problem
        self._once_for(what)('%s; waiting for it' % line)

    def _once_for(self, what):
        """Returns terminal.say, but for one line of its own."""

        def say(line):
            if what not in self._said:
                self._said.add(what)
                terminal.say(line)

        return say


def _state(ckpt):
    """Returns all that can tell a look at the folder from an earlier one."""
    folder = os.path.dirname(ckpt.model_checkpoint_path) or '.'
    stats = {}
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
        with contextlib.suppress(OSError):  # it may be gone by now
            if re.search(r'\.(index|data-\d+-of-\d+)$', name):
                stat = os.stat(os.path.join(folder, name))
                stats[name] = stat.st_size, stat.st_mtime_ns, stat.st_ino
    return ckpt.model_checkpoint_path, ckpt.problem, stats


def _version(ckpt, state=None):
    """Returns what tells a checkpoint from a later one of the same name."""
    path, _, stats = state or _state(ckpt)
    prefix = os.path.basename(path) + '.'
    return (path, *(item for item in stats.items() if item[0].startswith(prefix)))
