"""input_data: downloads, from HTTP servers of the tests."""

import gzip
import hashlib
import http.server
import os
import threading
import time
from unittest.mock import Mock

import pytest
from helpers import small_mnist, write

import input_data

FILES = small_mnist(train=5001)  # one more than the validation set
OTHER_FILES = {name: content[:-1] + b'\x08' for name, content in FILES.items()}
GZIPPED = {name + '.gz': gzip.compress(content) for name, content in FILES.items()}
OTHER_GZIPPED = {name + '.gz': gzip.compress(content) for name, content in OTHER_FILES.items()}
NAMES = sorted(GZIPPED)
DOWN = 'http://127.0.0.1:9/'


def ok(body, missing=0):
    head = b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' % len(body)
    return head + body[: len(body) - missing]


ANSWERS = {
    'good': lambda name: ok(GZIPPED[name]),
    'other data': lambda name: ok(OTHER_GZIPPED[name]),
    'cut': lambda name: ok(GZIPPED[name], 20),
    'html': lambda name: ok(b'<html><body>Please log in to the hotel network</body></html>'),
    'not found': lambda name: b'HTTP/1.0 404 Not Found\r\n\r\n',
    'no http': lambda name: b'nonsense\r\n',
    'silent': lambda name: time.sleep(1) or b'',  # longer than the time-out
}


@pytest.fixture
def serve(monkeypatch):
    """serve(answer): starts a server, and returns its URL and the list of the names asked of it."""
    for variable in 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY':
        monkeypatch.delenv(variable, raising=False)
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(input_data, 'MNIST_MD5', md5)  # so the project's data/ is not MNIST
    monkeypatch.setattr(input_data, 'MIRRORS', ())
    servers = []

    def start(answer):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path.split('/')[-1])
                self.wfile.write(ANSWERS[answer](asked[-1]))

        servers.append(http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f'http://127.0.0.1:{servers[-1].server_port}/mnist/', asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(match, folder, **options):
    """Expects that the folder cannot be read. Returns the error's text, which is one line."""
    with pytest.raises(input_data.DataError, match=match) as caught:
        input_data.read_data_sets(str(folder), **options)
    assert '\n' not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    'source_url', ['own', input_data.MIRRORS[0], '', None, 'http://yann.lecun.com/exdb/mnist/']
)
def test_success(serve, tmp_path, monkeypatch, capsys, source_url):
    """A source of one's own, or the mirror if the address is MNIST's, fills the folder once."""
    url, asked = serve('good')
    source_url = url if source_url == 'own' else source_url
    monkeypatch.setattr(input_data, 'MIRRORS', () if source_url == url else (url,))
    folder = tmp_path / 'new' / 'data'
    for _ in range(2):
        mnist = input_data.read_data_sets(str(folder), source_url=source_url)
    assert [data.num_examples for data in mnist] == [1, 5000, 10]
    assert sorted(asked) == sorted(os.listdir(str(folder))) == NAMES
    for name, content in FILES.items():
        assert gzip.decompress((folder / (name + '.gz')).read_bytes()) == content
    out, err = capsys.readouterr()
    assert out == '' and err.count('\n') == 4
    assert f'downloading {url}train-labels-idx1-ubyte.gz: 0.0 MB' in err
    with monkeypatch.context() as patch:
        patch.setattr('sys.stderr', None)  # as under pythonw
        input_data.read_data_sets(str(tmp_path / 'data'), source_url=source_url)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    'answer, problem',
    [('not found', '404'), ('html', 'web page'), ('other data', 'MD5'), ('no http', 'nonsense')]
    + [('cut', 'ended before|[Ii]ncomplete'), ('silent', 'timed out'), (None, 'refused')],
)
def test_failure(serve, tmp_path, monkeypatch, answer, problem):
    """A failure leaves no file. The next mirror is asked, but none if the source is one's own."""
    if answer == 'silent':  # a busy machine may take long for the others
        monkeypatch.setattr(input_data, 'TIMEOUT_SECS', 0.2)
    broken = serve(answer)[0] if answer else DOWN
    monkeypatch.setattr(input_data, 'MIRRORS', (broken,))
    error = refused(problem, tmp_path)
    assert all(part in error for part in (broken + 't', f'{tmp_path} has no files', 'copy'))
    assert os.listdir(str(tmp_path)) == []
    url, asked = serve('good')
    monkeypatch.setattr(input_data, 'MIRRORS', (broken, url))
    if answer == 'other data':
        mnist = input_data.read_data_sets(str(tmp_path / 'own'), source_url=broken)
        assert mnist.train.labels.tolist() == [8]
    else:
        refused(problem, tmp_path / 'own', source_url=broken)
    assert asked == [] and (answer == 'other data') == (tmp_path / 'own').exists()
    if answer != 'silent':
        assert input_data.read_data_sets(str(tmp_path)).test.num_examples == 10
        assert sorted(asked) == NAMES == sorted(path.name for path in tmp_path.glob('t*'))


def test_a_missing_file_is_added(serve, tmp_path, monkeypatch):
    """Other data than MNIST gets its missing file from its own source only, or an error."""
    monkeypatch.setattr(input_data, 'MIRRORS', (serve('good')[0],))
    missing = 't10k-labels-idx1-ubyte'
    for files, options in (FILES, {}), (OTHER_FILES, {'source_url': serve('other data')[0]}):
        write(tmp_path, files)
        (tmp_path / missing).unlink()
        if options:
            error = refused(f" needs {missing}; .*not MNIST's", tmp_path)
            assert error.startswith(f'{tmp_path} has t10k-images-idx3-ubyte, train-')
        input_data.read_data_sets(str(tmp_path), **options)
        added = tmp_path / (missing + '.gz')
        assert gzip.decompress(added.read_bytes()) == files[missing]
        added.unlink()


def test_the_named_folder_is_new(serve, tmp_path, monkeypatch, capsys):
    """It is made and gets MNIST, and a line says so, because the name may be mistyped."""
    monkeypatch.setattr(input_data, 'MIRRORS', (serve('good')[0],))
    input_data.read_data_sets(str(tmp_path / 'fasion'), fallback=False)
    assert f'made {tmp_path / "fasion"} and downloaded MNIST into' in capsys.readouterr().err


def test_files_of_other_names(serve, tmp_path, monkeypatch):
    """MNIST does not replace the user's data. The error lists their names, and the right ones."""
    monkeypatch.setattr(input_data, 'MIRRORS', (serve('good')[0],))
    write(tmp_path, {'emnist-' + name: file for name, file in OTHER_GZIPPED.items()})
    error = refused('emnist', tmp_path)
    assert all('emnist-' + name in error and f' {name[:-3]}' in error for name in NAMES)


@pytest.mark.parametrize('place', ['here', 'module'])
def test_without_a_network(serve, tmp_path, monkeypatch, capsys, place):
    """MNIST in data/ replaces a folder without files; other or damaged data does not."""
    here, data = tmp_path / 'here', tmp_path / place / 'data'
    write(here, {})
    monkeypatch.chdir(str(here))
    monkeypatch.setattr(input_data, '__file__', str(tmp_path / 'module' / 'input_data.py'))
    url, asked = serve('not found')
    monkeypatch.setattr(input_data, 'MIRRORS', (url,))
    for files in OTHER_GZIPPED, GZIPPED:
        refused('MNIST_data', 'MNIST_data/')
        write(data, files)
    refused('MNIST_data', 'MNIST_data/', fallback=False)  # the user named the folder
    capsys.readouterr(), asked.clear()
    assert input_data.read_data_sets('MNIST_data/').test.num_examples == 10
    out, err = capsys.readouterr()
    assert not out and err.count('\n') == 1 and not asked
    assert str(here / 'MNIST_data') in err and str(data) in err
    refused('MNIST_data', 'MNIST_data/', source_url=DOWN + 'fashion/')
    write(here / 'MNIST_data', {NAMES[0]: GZIPPED[NAMES[0]]})
    refused('MNIST_data', 'MNIST_data/')
    (here / 'MNIST_data' / NAMES[0]).unlink()
    write(data, {NAMES[0]: b'\x1f\x8bdamaged'})
    refused('MNIST_data', 'MNIST_data/')


def test_writing_fails(serve, tmp_path, monkeypatch):
    """A file in the folder's place is named, and an exception leaves no partial file."""
    url, _ = serve('good')
    write(tmp_path, {'file': b''})
    refused('file.t.* cannot be written', tmp_path / 'file', source_url=url)
    monkeypatch.setattr(os, 'replace', Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        input_data.read_data_sets(str(tmp_path / 'new'), source_url=url)
    assert os.listdir(str(tmp_path / 'new')) == []
