"""input_data: downloading, against a local HTTP server."""

import contextlib
import gzip
import hashlib
import http.server
import os
import threading

import pytest
from helpers import small_mnist

import input_data

FILES = small_mnist(train=5001)  # one more than the validation set
OTHER_FILES = {name: content[:-1] + b'\x08' for name, content in FILES.items()}
NAMES = sorted(name + '.gz' for name in FILES)


def good(request, name):
    body = gzip.compress(FILES[name[: -len('.gz')]])
    request.send_response(200)
    request.send_header('Content-Length', str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def not_found(request, name):
    request.send_error(404)


def html(request, name):
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b'<html><body>Please log in to the hotel network</body></html>')


def cut(request, name):
    body = gzip.compress(FILES[name[: -len('.gz')]])
    request.send_response(200)
    request.send_header('Content-Length', str(len(body)))
    request.end_headers()
    request.wfile.write(body[: len(body) // 2])


def other_data(request, name):
    request.send_response(200)
    request.end_headers()
    request.wfile.write(gzip.compress(OTHER_FILES[name[: -len('.gz')]]))


def no_http(request, name):
    request.wfile.write(b'nonsense\r\n')


def silent(request, name):
    threading.Event().wait(1)  # longer than the time-out, and not a byte


@pytest.fixture
def serve(monkeypatch):
    """serve(answer): starts a server; returns its URL and the list of the names asked of it."""
    for variable in 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY':
        monkeypatch.delenv(variable, raising=False)
    md5 = {name: hashlib.md5(FILES[name]).hexdigest() for name in input_data.MNIST_MD5}
    monkeypatch.setattr(input_data, 'MNIST_MD5', md5)  # so data/ of the project is another data set
    monkeypatch.setattr(input_data, 'MIRRORS', ())

    with contextlib.ExitStack() as stack:

        def start(answer):
            asked = []

            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    name = self.path.split('/')[-1]
                    asked.append(name)
                    answer(self, name)

                def log_message(self, *args):
                    pass

            server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            return 'http://127.0.0.1:%d/mnist/' % server.server_port, asked

        yield start


def test_success(serve, tmp_path, capsys):
    url, asked = serve(good)
    folder = tmp_path / 'new' / 'data'
    mnist = input_data.read_data_sets(str(folder), source_url=url)
    assert [data.num_examples for data in mnist] == [1, 5000, 10]
    assert sorted(asked) == sorted(os.listdir(str(folder))) == NAMES
    for name in FILES:
        assert gzip.decompress((folder / (name + '.gz')).read_bytes()) == FILES[name]
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.count('\n') == 4
    assert 'downloading %strain-labels-idx1-ubyte.gz: 0.0 MB' % url in captured.err
    # once there, they are not downloaded again
    input_data.read_data_sets(str(folder), source_url=url)
    assert len(asked) == 4


def test_without_stderr(serve, tmp_path, monkeypatch, capsys):
    """As under pythonw: print would take stdout for it."""
    url, _ = serve(good)
    with monkeypatch.context() as patch:
        patch.setattr('sys.stderr', None)
        input_data.read_data_sets(str(tmp_path / 'data'), source_url=url)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    'answer, problem',
    [
        (not_found, 'HTTP Error 404: Not Found'),
        (html, 'a web page, and no data'),
        (cut, 'ended before|incomplete|IncompleteRead'),
        (other_data, 'the MD5 is not that of MNIST'),
        (no_http, 'nonsense'),
        (silent, 'timed out'),
    ],
)
def test_failure_leaves_nothing(serve, tmp_path, monkeypatch, answer, problem):
    if answer is silent:  # a busy machine may take long for the others
        monkeypatch.setattr(input_data, 'TIMEOUT_SECS', 0.2)
    url, asked = serve(answer)
    monkeypatch.setattr(input_data, 'MIRRORS', (url,))
    with pytest.raises(input_data.DataError, match=problem) as caught:
        input_data.read_data_sets(str(tmp_path))
    assert len(asked) == 1
    assert url + asked[0] in str(caught.value)
    assert '\n' not in str(caught.value)
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('first', [not_found, html, cut, other_data, 'down'])
def test_second_mirror(serve, tmp_path, monkeypatch, first):
    broken = 'http://127.0.0.1:9/' if first == 'down' else serve(first)[0]
    url, asked = serve(good)
    monkeypatch.setattr(input_data, 'MIRRORS', (broken, url))
    assert input_data.read_data_sets(str(tmp_path)).test.num_examples == 10
    assert sorted(asked) == sorted(os.listdir(str(tmp_path))) == NAMES


def test_own_source_is_the_only_one(serve, tmp_path, monkeypatch):
    good_url, asked = serve(good)
    monkeypatch.setattr(input_data, 'MIRRORS', (good_url,))
    with pytest.raises(input_data.DataError):
        input_data.read_data_sets(str(tmp_path), source_url=serve(not_found)[0])
    with pytest.raises(input_data.DataError, match='unknown url type'):
        input_data.read_data_sets(str(tmp_path), source_url='nonsense/')
    assert asked == []


def test_mirrors_are_the_two_public_ones():
    assert input_data.MIRRORS == (
        'https://storage.googleapis.com/cvdf-datasets/mnist/',
        'https://ossci-datasets.s3.amazonaws.com/mnist/',
    )
    assert input_data.DEFAULT_SOURCE_URL == input_data.MIRRORS[0]


@pytest.mark.parametrize('source_url', ['', None, 'http://yann.lecun.com/exdb/mnist/'])
def test_sources_that_are_the_mirrors(serve, tmp_path, monkeypatch, source_url):
    url, asked = serve(good)
    monkeypatch.setattr(input_data, 'MIRRORS', (url,))
    input_data.read_data_sets(str(tmp_path), source_url=source_url)
    assert sorted(asked) == NAMES


def test_another_data_set(serve, tmp_path):
    """Of another source what has the form of the files is believed, and nothing else kept."""
    url, asked = serve(other_data)
    mnist = input_data.read_data_sets(str(tmp_path / 'fashion'), source_url=url)
    assert mnist.train.labels.tolist() == [8]
    for answer, problem in (html, 'a web page'), (cut, 'ended before|IncompleteRead'):
        with pytest.raises(input_data.DataError, match=problem):
            input_data.read_data_sets(str(tmp_path / 'none'), source_url=serve(answer)[0])
        assert not (tmp_path / 'none').exists()


def test_a_missing_file_is_added(serve, tmp_path, monkeypatch):
    """To what is MNIST; to what is not, from its own source only."""
    monkeypatch.setattr(input_data, 'MIRRORS', (serve(good)[0],))
    for files, options in (FILES, {}), (OTHER_FILES, {'source_url': serve(other_data)[0]}):
        for name in FILES:
            (tmp_path / name).write_bytes(files[name])
        (tmp_path / 't10k-labels-idx1-ubyte').unlink()
        if options:
            with pytest.raises(input_data.DataError) as caught:
                input_data.read_data_sets(str(tmp_path))
            assert str(caught.value) == (
                '%s has t10k-images-idx3-ubyte, train-images-idx3-ubyte, train-labels-idx1-ubyte, '
                'and not t10k-labels-idx1-ubyte; not downloaded, because train-images-idx3-ubyte '
                "is not MNIST's; add it" % tmp_path
            )
        input_data.read_data_sets(str(tmp_path), **options)
        added = gzip.decompress((tmp_path / 't10k-labels-idx1-ubyte.gz').read_bytes())
        assert added == files['t10k-labels-idx1-ubyte']
        (tmp_path / 't10k-labels-idx1-ubyte.gz').unlink()


def test_what_is_there_and_what_is_missing(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(input_data, 'MIRRORS', ('http://127.0.0.1:9/',))
    for name in NAMES[:3]:
        (tmp_path / name).write_bytes(gzip.compress(FILES[name[: -len('.gz')]]))
    (tmp_path / 'train-labels-idx1-ubyte(1).gz').write_bytes(b'')
    with pytest.raises(input_data.DataError) as caught:
        input_data.read_data_sets(str(tmp_path))
    found = 'train-images-idx3-ubyte.gz, train-labels-idx1-ubyte(1).gz, and not train-labels-idx1'
    assert found in str(caught.value) and '; %s has t10k' % tmp_path in str(caught.value)


@pytest.mark.parametrize('place', ['here', 'module'])
def test_without_a_network(serve, tmp_path, monkeypatch, capsys, place):
    """MNIST is read from data/, but nothing else is, nor instead of some files of one's own."""
    for name in 'here', 'module', place + '/data':
        (tmp_path / name).mkdir()
    monkeypatch.chdir(str(tmp_path / 'here'))
    monkeypatch.setattr(input_data, '__file__', str(tmp_path / 'module' / 'input_data.py'))
    monkeypatch.setattr(input_data, 'MIRRORS', ('http://127.0.0.1:9/',))
    data, error = tmp_path / place / 'data', pytest.raises(input_data.DataError, match='MNIST_data')
    for files in OTHER_FILES, FILES:
        with error:
            input_data.read_data_sets('MNIST_data/')
        for name in NAMES:
            (data / name).write_bytes(gzip.compress(files[name[: -len('.gz')]]))
    capsys.readouterr()
    assert input_data.read_data_sets('MNIST_data/').test.num_examples == 10
    line = 'cannot download MNIST to %s; reading %s\n'
    assert capsys.readouterr() == ('', line % (tmp_path / 'here' / 'MNIST_data', data))
    with error:
        input_data.read_data_sets('MNIST_data/', source_url='http://127.0.0.1:9/fashion/')
    os.mkdir('MNIST_data')
    os.rename(str(data / NAMES[0]), os.path.join('MNIST_data', NAMES[0]))
    with error:
        input_data.read_data_sets('MNIST_data/')
    (data / NAMES[0]).write_bytes(b'damaged')
    os.remove(os.path.join('MNIST_data', NAMES[0]))
    with error:
        input_data.read_data_sets('MNIST_data/')


def test_a_folder_that_cannot_be_written(serve, tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    url, _ = serve(good)
    with pytest.raises(input_data.DataError, match='cannot be written'):
        input_data.read_data_sets(str(tmp_path / 'file'), source_url=url)


def test_interrupted_while_writing(serve, tmp_path, monkeypatch):
    url, _ = serve(good)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(input_data.os, 'replace', interrupt)
    with pytest.raises(KeyboardInterrupt):
        input_data.read_data_sets(str(tmp_path), source_url=url)
    assert os.listdir(str(tmp_path)) == []
