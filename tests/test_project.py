"""The project as a whole: the plan of its rooms, and what its commands run."""

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

SUPPORT = os.path.join(ROOT, 'support')
RUN_TIME_FILES = sorted(
    [name for name in os.listdir(ROOT) if name.endswith('.py')]
    + ['support/' + name for name in os.listdir(SUPPORT) if name.endswith('.py')]
)


def plan():
    """{room: what it may import}, as docs/development.md has it."""
    with open(os.path.join(ROOT, 'docs', 'development.md'), encoding='utf-8') as file:
        rows = re.findall(r'^\| `(\S+\.py)` \|.*\|(.*)\|$', file.read(), re.MULTILINE)
    return {room: set(re.findall('`(.+?)`', imports)) for room, imports in rows}


def imports(root, room):
    """What a room imports, wherever in the file: 'numpy', 'input_data', 'support.files', ..."""
    with open(os.path.join(root, room), encoding='utf-8') as file:
        tree = ast.parse(file.read())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ['support'] if node.level else []
            module = '.'.join(package + ([node.module] if node.module else []))
            if module == 'support':
                found |= {'support.' + alias.name for alias in node.names}
            else:
                found.add(module)
        elif isinstance(node, ast.Call) and 'import' in ast.dump(node.func):
            found.add('a module by a call')
    return {'.'.join(name.split('.')[: 2 if name.startswith('support.') else 1]) for name in found}


def forbidden(root, room):
    return imports(root, room) - plan()[room] - set(sys.stdlib_module_names)


@pytest.mark.skipif(sys.version_info < (3, 8), reason='runs them as they are')
def test_run_time_files_are_python_3_7():
    assert len(RUN_TIME_FILES) == 20
    for name in RUN_TIME_FILES:
        with open(os.path.join(ROOT, name), encoding='utf-8') as file:
            ast.parse(file.read(), feature_version=(3, 7))


needs_names = pytest.mark.skipif(sys.version_info < (3, 10), reason='needs sys.stdlib_module_names')


@needs_names
def test_imports_run_as_planned():
    assert sorted(plan()) == RUN_TIME_FILES
    for room in RUN_TIME_FILES:
        assert forbidden(ROOT, room) == set(), room
        unused = plan()[room] - imports(ROOT, room)
        assert unused == set(), room


def test_the_plan_has_no_circle():
    """And the lecture's files are on top: no room of support knows them or the digits."""
    rooms = {
        room: {name for name in plan()[room] if name not in ('numpy', 'tensorflow')}
        for room in plan()
    }
    files = {room[: -len('.py')].replace('/', '.'): room for room in rooms}
    while rooms:
        ground = [room for room in rooms if not {files[name] for name in rooms[room]} & set(rooms)]
        assert ground, 'a circle among %s' % sorted(rooms)
        for room in ground:
            del rooms[room]
    for room, names in plan().items():
        if room.startswith('support/'):
            assert all(
                name in ('numpy', 'tensorflow') or name.startswith('support.') for name in names
            )


@needs_names
@pytest.mark.parametrize('room', RUN_TIME_FILES)
def test_each_forbidden_import_is_seen(room, tmp_path):
    """Planted once in each way that there is to write it."""
    (tmp_path / 'support').mkdir()
    path = tmp_path / room
    shutil.copy(os.path.join(ROOT, room), str(path))
    content = path.read_text(encoding='utf-8')
    modules = [name[: -len('.py')].replace('/', '.') for name in RUN_TIME_FILES]
    for name in {'numpy', 'tensorflow', 'matplotlib', *modules} - plan()[room]:
        lines = [
            'import %s',
            'import %s as x',
            'from %s import x',
            'def f():\n    from %s.x import y',
        ]
        lines = [line % name for line in lines]
        if name.startswith('support.'):
            lines += ['from support import ' + name[8:], 'import %s.x' % name]
        if name.startswith('support.') and room.startswith('support/'):
            lines += ['from . import %s as x' % name[8:], 'from .%s import x' % name[8:]]
        if name in ('support', 'support.__init__'):
            continue  # with any of its rooms
        for line in [*lines, '__import__(%r)' % name, 'importlib.import_module(%r)' % name]:
            path.write_text('%s\n%s\n' % (content, line), encoding='utf-8')
            assert forbidden(str(tmp_path), room), line


def test_each_room_has_its_tests():
    rooms = {name[:-3] for name in os.listdir(SUPPORT) if name.endswith('.py')} - {'__init__'}
    tests = {name[len('test_') : -3] for name in os.listdir(os.path.dirname(__file__))}
    assert rooms < tests


def test_rooms_without_tensorflow():
    """They import, and their tests run."""
    code = (
        "import sys, pytest; sys.modules['tensorflow'] = None; sys.exit(pytest.main(sys.argv[1:]))"
    )
    names = ['tests/test_%s.py' % room for room in ('files', 'signals', 'terminal')]
    command = [sys.executable, '-c', code, '-q', '-p', 'no:cacheprovider', *names]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert ended.returncode == 0, ended.stdout.decode()


def test_pytest_collects_tests_only():
    command = [sys.executable, '-m', 'pytest', '--collect-only', '-q']
    collected = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE).stdout.decode()
    files = {line.split('::')[0] for line in collected.splitlines() if '::' in line}
    assert files == {
        'tests/' + name
        for name in os.listdir(os.path.dirname(__file__))
        if name.startswith('test_')
    }
