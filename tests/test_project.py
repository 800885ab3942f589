"""The project as a whole: which way its files import, and what pytest takes for tests."""

import ast
import glob
import importlib
import importlib.util
import os
import re
import sys

import support

import pytest
from helpers import ROOT

LECTURE = ['mnist_lenet5_test', 'mnist_lenet5_backward', 'mnist_lenet5_forward']
# a file or a folder each; from the top, and each imports only rooms further down
ROOMS = ['mnist_lenet5_app', 'handwriting', *LECTURE, 'input_data', 'support']
FOLDERS = '', 'support', 'handwriting'
RUN_TIME_FILES = sum([glob.glob(os.path.join(ROOT, folder, '*.py')) for folder in FOLDERS], [])


def parsed(path, **options):
    with open(path, encoding='utf-8') as file:
        return ast.parse(file.read(), **options)


def imports(path):
    """The packages that a file imports, anywhere in it, in their order; '' is its own."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, '' if node.level else node.module))
    return [name.split('.')[0] for _, name in sorted(found)]


def test_nothing_imports_upwards():
    """And the drawing in docs/development.md has every import of one room from another."""
    found = {}
    for path in RUN_TIME_FILES:
        room = re.split(r'[./\\]', os.path.relpath(path, ROOT))[0]
        found.setdefault(room, set()).update(set(imports(path)) & set(ROOMS) - {room})
    for i, room in enumerate(ROOMS):
        assert found[room] <= set(ROOMS[i + 1 :]), room
    with open(os.path.join(ROOT, 'docs', 'development.md'), encoding='utf-8') as file:
        drawing = file.read().split('```')[1].strip()
    drawn = [re.findall(r'(\w+)(?:\.py|/)', line) for line in drawing.split('\n')]
    assert [room for room, *_ in drawn] == ROOMS
    assert {room: set(below) for room, *below in drawn} == found


@pytest.mark.skipif(sys.version_info < (3, 10), reason='needs sys.stdlib_module_names')
def test_input_data_can_be_copied_alone():
    assert set(imports(os.path.join(ROOT, 'input_data.py'))) - sys.stdlib_module_names == {'numpy'}


def test_settings_are_made_before_tensorflow_is_imported(monkeypatch):
    """Which reads them then, and never again. What the user has set stays."""
    for name in LECTURE[:2]:  # forward alone sets nothing
        found = imports(os.path.join(ROOT, name + '.py'))
        assert found.index('support') < found.index('tensorflow'), name
    assert imports(support.__file__) == ['logging', 'os']
    settings = {'TF_ENABLE_ONEDNN_OPTS': '1', 'TF_FORCE_GPU_ALLOW_GROWTH': 'true'}
    settings['TF_CPP_MIN_LOG_LEVEL'] = '1'
    for name, value in settings.items():
        monkeypatch.setenv(name, 'mine')
        importlib.reload(support)
        assert os.environ[name] == 'mine'
        monkeypatch.delenv(name)
        importlib.reload(support)
        assert os.environ[name] == value


def test_no_name_of_tensorflow_1_is_called_deprecated(caplog):
    """As TensorFlow's packages for Windows do, once for each module."""
    import tensorflow.compat.v1 as tf
    from tensorflow.python.util.module_wrapper import TFModuleWrapper

    assert TFModuleWrapper(tf.nn, 'nn', deprecation=True).max_pool
    assert caplog.text == ''


@pytest.mark.skipif(sys.version_info < (3, 8), reason='runs them as they are')
def test_run_time_files_are_python_3_7():
    assert len(RUN_TIME_FILES) > 10
    for path in RUN_TIME_FILES:
        parsed(path, feature_version=(3, 7))


def program(path, monkeypatch):
    """Imports a file of docs/ or benchmarks/."""
    for package in 'matplotlib', 'selenium', 'skimage':
        pytest.importorskip(package)
    monkeypatch.setattr(sys, 'path', sys.path.copy())
    spec = importlib.util.spec_from_file_location('program', os.path.join(ROOT, path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAMS = [path for room in ('docs', 'benchmarks') for path in glob.glob(f'{ROOT}/{room}/*.py')]


@pytest.mark.parametrize('path', sorted(os.path.relpath(path, ROOT) for path in PROGRAMS))
def test_programs_can_be_imported(path, monkeypatch):
    assert program(path, monkeypatch)


def test_the_picture_of_the_network(monkeypatch, tmp_path):
    module = program('docs/network.py', monkeypatch)
    monkeypatch.setattr(module, 'PICTURE', str(tmp_path / 'network.png'))
    module.main()
    assert (tmp_path / 'network.png').stat().st_size > 10000


def test_a_model_without_curves(monkeypatch, tmp_path):
    module = program('docs/images.py', monkeypatch)
    monkeypatch.setattr(sys, 'argv', ['images.py', str(tmp_path)])
    with pytest.raises(SystemExit, match='train: has no curves; .*mnist_lenet5_test.py'):
        module.main()


def test_pytest_collects_tests_only(request):
    """And not mnist_lenet5_test.py with its test(mnist)."""
    assert request.config.getini('python_files') == ['test_*.py']
    assert request.config.getini('testpaths') == ['tests']
    for item in request.session.items:
        assert os.path.basename(str(item.fspath)).startswith('test_'), item
