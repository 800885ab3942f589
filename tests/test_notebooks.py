"""The scripts in the cells of a real Jupyter kernel, which goes on whatever happens in one."""

import pytest
from helpers import ROOT, small_mnist, write

nbformat = pytest.importorskip('nbformat')
nbclient = pytest.importorskip('nbclient')
pytest.importorskip('ipykernel')

pytestmark = pytest.mark.posix  # os.kill with SIGINT is another thing on Windows

START = """
import os, signal, sys, threading
sys.argv[1:] += ['--data_dir', %r, '--model_dir', %r]
handler = signal.getsignal(signal.SIGINT)
import input_data, mnist_lenet5_backward as lesson, mnist_lenet5_test as testing
lesson.BATCH_SIZE, lesson.STEPS = 2, 4
"""
INTERRUPTED = """
mnist = input_data.read_data_sets(%r, one_hot=True)
lesson.STEPS = 10**6
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
lesson.backward(mnist)
"""
AGAIN = """
assert signal.getsignal(signal.SIGINT) is handler, 'a handler has stayed'
before = testing.test(mnist, once=True)
lesson.STEPS = 1
lesson.backward(mnist)
lesson.backward(mnist)
assert None not in (before, testing.test(mnist, once=True)), 'not tested'
"""
RUN = """
before = os.getpid()
%%run mnist_lenet5_backward.py --steps 1 --data_dir %s --model_dir %s
assert os.getpid() == before and signal.getsignal(signal.SIGINT) is handler
"""
TYPING_ERROR = "sys.argv[1:] = ['--stpes', '3']\nlesson.main()"


@pytest.fixture(scope='module')
def cells(tmp_path_factory):
    """The outputs of the cells, in one kernel: (all that was printed, the error)."""
    folder = tmp_path_factory.mktemp('notebook')
    data, model = str(folder), str(folder / 'model')
    write(folder, small_mnist(train=5100))
    sources = [
        START % (data, model),
        'lesson.main()',
        INTERRUPTED % data,
        AGAIN,
        RUN % (data, str(folder / 'another')),
        TYPING_ERROR,
        '1 + 1',
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    here = {'metadata': {'path': ROOT}}
    nbclient.NotebookClient(notebook, timeout=300, allow_errors=True, resources=here).execute()
    found = []
    for cell in notebook.cells:
        errors = [out.evalue for out in cell.outputs if out.output_type == 'error']
        printed = ''.join(out.get('text', str(out.get('data', ''))) for out in cell.outputs)
        found.append((printed, errors[0] if errors else None))
    return found


@pytest.mark.parametrize(
    'cell, failure, words',
    [
        (1, None, ['After 4 training step(s)']),  # the kernel's own arguments are passed over
        (2, 'stopped; step ', ['training from step 4 to']),
        (3, None, ['test accuracy = ', 'training from step '] * 2),  # again, in any order
        (4, None, ['After 1 training step(s)']),  # %run leaves no handler
        (5, '2', ['--stpes']),  # a typing error is refused, and the kernel lives
        (6, None, ['2']),
    ],
)
def test_cells(cells, cell, failure, words):
    """Each prints the words, as often as they are here, and ends with the failure, if any."""
    printed, error = cells[cell]
    assert error is None if failure is None else error.startswith(failure)
    assert [word for word in words if printed.count(word) < words.count(word)] == []
