"""What is new in a folder into which another process saves, or somebody copies, checkpoints.

Owns what has been restored for a test and what has been said about it. How good it is, `test` says.
"""

import contextlib
import functools
import os
import re
import time

from . import checkpoints, command_line, files

GRACE_SECS = 5  # in which what is damaged may turn out to be half of a copy
LOOK_SECS = 0.5  # between two looks meanwhile


class Watcher:
    """Restores each checkpoint once, and gives those that are not whole time to become it."""

    def __init__(self, variables, wait):
        """variables: {name in the checkpoint: variable}; wait: for a first checkpoint too."""
        self._variables = variables
        self._wait = wait
        self._tested = set()  # states of the files of a checkpoint
        self._passed_over = None  # the state of a folder in which nothing else is whole
        self._say_once = functools.lru_cache(maxsize=None)(command_line.say)

    def get_checkpoint_state(self, model_dir):
        """Returns what checkpoints.get_checkpoint_state does. Without any checkpoint it waits for
        one, if it is to, or if there has been one: so None is for good. It says where it looks.
        """
        while True:
            ckpt = checkpoints.get_checkpoint_state(model_dir)
            if not ckpt:
                what = 'waiting' if self._wait else 'looked'
                self._say_once('%s for checkpoints in %s' % (what, os.path.abspath(model_dir)))
            if ckpt or not self._wait:
                return ckpt
            time.sleep(LOOK_SECS)

    def restore_new(self, saver, sess, ckpt):
        """Restores the current checkpoint or, if that stays damaged, the newest that is whole.

        Returns whether it is new; it is not if it has been restored before, nor while the folder
        changes. Raises checkpoints.CheckpointError.
        """
        folder, current = os.path.split(ckpt.model_checkpoint_path)
        # before it is read, so that what takes its place meanwhile is new
        state, tested = _state(folder), _state(folder, current + '.')
        if state == self._passed_over or tested in self._tested:
            return False
        try:
            checkpoints.restore_path(saver, sess, ckpt.model_checkpoint_path, self._variables)
        except checkpoints.DamagedError as error:
            for _ in range(int(GRACE_SECS / LOOK_SECS)):
                time.sleep(LOOK_SECS)
                if _state(folder) != state:
                    return False
            self._passed_over = state
            try:
                checkpoints.restore(saver, sess, ckpt, self._variables, self._say_once)
            except checkpoints.DamagedError:
                if not self._wait:
                    raise
                self._say_once('%s; waiting for it' % error)
                return False
            tested = _state(folder, os.path.basename(ckpt.model_checkpoint_path) + '.')
        is_new = tested not in self._tested
        self._tested.add(tested)
        self._wait = True
        return is_new


def _state(folder, prefix=''):
    """Returns what tells the files in a folder whose names begin with `prefix` from later ones."""
    state = []
    with contextlib.suppress(OSError):  # they may be gone by now
        for path in files.matching(folder, re.escape(prefix) + '.*'):
            stat = os.stat(path)
            state.append((path, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(state)
