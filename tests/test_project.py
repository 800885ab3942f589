"""The project as a whole: what its files import, and what its commands run."""

import ast
import os
import subprocess
import sys

import pytest
from conftest import ROOT

RUN_TIME_FILES = sorted(name for name in os.listdir(ROOT) if name.endswith('.py'))


@pytest.mark.skipif(sys.version_info < (3, 8), reason='runs them as they are')
def test_run_time_files_are_python_3_7():
    assert len(RUN_TIME_FILES) == 10
    for name in RUN_TIME_FILES:
        with open(os.path.join(ROOT, name)) as file:
            ast.parse(file.read(), feature_version=(3, 7))


@pytest.mark.skipif(sys.version_info < (3, 10), reason='needs sys.stdlib_module_names')
def test_imports_run_one_way():
    """test -> backward -> forward; the reader without TensorFlow; nothing else to install."""
    allowed = {
        'mnist_lenet5_forward.py': {'tensorflow'},
        'input_data.py': {'numpy'},
        'checkpoints.py': {'tensorflow'},
        'keeping.py': {'numpy', 'tensorflow', 'checkpoints'},
        'processor.py': {'tensorflow'},
        'pictures.py': {'numpy', 'tensorflow'},
        'curves.py': {'numpy', 'tensorflow', 'checkpoints', 'keeping', 'pictures'},
        'command_line.py': {
            'tensorflow', 'checkpoints', 'input_data', 'keeping', 'processor',
        },
        'mnist_lenet5_backward.py': {
            'numpy', 'tensorflow', 'checkpoints', 'command_line', 'curves', 'input_data', 'keeping',
            'mnist_lenet5_forward', 'processor',
        },
        'mnist_lenet5_test.py': {
            'numpy', 'tensorflow', 'checkpoints', 'command_line', 'curves', 'input_data',
            'mnist_lenet5_forward', 'mnist_lenet5_backward', 'pictures', 'processor',
        },
    }  # fmt: skip
    for name in RUN_TIME_FILES:
        with open(os.path.join(ROOT, name)) as file:
            tree = ast.parse(file.read())
        modules = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.split('.')[0])
        assert modules - set(sys.stdlib_module_names) <= allowed[name]


def test_pytest_collects_tests_only():
    command = [sys.executable, '-m', 'pytest', '--collect-only', '-q']
    collected = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    files = {line.split('::')[0] for line in collected.splitlines() if '::' in line}
    assert files == {
        'tests/' + name
        for name in os.listdir(os.path.dirname(__file__))
        if name.startswith('test_')
    }
