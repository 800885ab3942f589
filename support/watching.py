"""Finds the new checkpoints that another process saves or copies into a folder."""

import contextlib
import os
import re
import time

from . import checkpoints, console, files

GRACE_SECS = 5  # a damaged checkpoint may be a copy that is complete after this time
LOOK_SECS = 0.5  # between two looks while waiting


class Watcher:
    """Restores each checkpoint once. Gives a damaged checkpoint time to become whole."""

    def __init__(self, wait):
        """wait: whether to wait for a first checkpoint."""
        self._wait = wait
        self._restored, self._damaged = set(), None  # states, see _state
        self._said = set()

    def get_checkpoint_state(self, model_dir):
        """Returns the result of checkpoints.get_checkpoint_state. If `wait` is set or a checkpoint
        was restored before, looks again instead of returning None or raising DamagedError.
        """
        while True:
            try:
                ckpt = checkpoints.get_checkpoint_state(model_dir)
                if not ckpt:
                    self._say_once(f'looking for checkpoints in {os.path.abspath(model_dir)}')
                if ckpt or not self._wait:
                    return ckpt
            except checkpoints.DamagedError as error:
                if not self._wait:
                    raise
                self._say_once(f'{error}; waiting for it')
            time.sleep(LOOK_SECS)

    def restore_new(self, saver, sess, ckpt):
        """Restores the current checkpoint or, if that stays damaged, the highest good step.

        Returns whether it restored a checkpoint that it had not restored before. Returns False if
        the folder changes meanwhile. Raises checkpoints.CheckpointError.
        """
        folder, current = os.path.split(ckpt.model_checkpoint_path)
        # read before restoring: a checkpoint that replaces this one meanwhile will count as new
        state, restored = _state(folder), _state(folder, current + '.')
        if state == self._damaged or restored in self._restored:
            return False
        try:
            checkpoints.restore_path(saver, sess, ckpt.model_checkpoint_path)
        except checkpoints.DamagedError as error:
            time.sleep(GRACE_SECS)
            if _state(folder) != state:
                return False
            self._damaged = state
            try:
                checkpoints.restore(saver, sess, ckpt, self._say_once)
            except checkpoints.DamagedError:
                if not self._wait:
                    raise
                self._say_once(f'{error}; waiting for it')
                return False
            restored = _state(folder, os.path.basename(ckpt.model_checkpoint_path) + '.')
        is_new = restored not in self._restored
        self._restored.add(restored)
        self._wait = True
        return is_new

    def _say_once(self, line):
        if line not in self._said:
            console.say(line)
        self._said.add(line)


def _state(folder, prefix=''):
    """Returns names, sizes, times and inodes of a folder's files whose names have the prefix."""
    state = []
    for path in files.matching(folder, re.escape(prefix) + '.*'):
        with contextlib.suppress(OSError):  # the file, or what a link leads to, may be gone by now
            stat = os.stat(path)
            state.append((path, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(state)
