"""A few rounds of each kind of torture.py, which has the words for what it does."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT


@pytest.mark.posix
@pytest.mark.parametrize('what, rounds', [('kill', 4), ('churn', 6)])
def test_torture(what, rounds):
    script = os.path.join(ROOT, 'tests', 'torture.py')
    command = [sys.executable, script, what, '--rounds', str(rounds)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, timeout=200)
    assert ended.returncode == 0, ended.stdout.decode()
