"""input_data: downloading, against a local HTTP server."""

import contextlib
import gzip
import hashlib
import http.server
import os
import threading

import pytest
from conftest import small_mnist

import input_data

FILES = small_mnist(train=5001)  # one more than the validation set
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
    request.wfile.write(gzip.compress(FILES[name[: -len('.gz')]] + b'x'))


def silent(request, name):
    threading.Event().wait(1)  # longer than the time-out, and not a byte


@pytest.fixture
def serve(monkeypatch):
    """serve(answer): starts a server; returns its URL and the list of the names asked of it."""
    for variable in 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY':
        monkeypatch.delenv(variable, raising=False)
    md5 = {name: hashlib.md5(FILES[name]).hexdigest() for name in input_data.MNIST_MD5}
    monkeypatch.setattr(input_data, 'MNIST_MD5', md5)

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
            threading.Thread(target=server.serve_forever, daemon=True).start()
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
        (html, 'Not a gzipped file'),
        (cut, 'ended before|incomplete|IncompleteRead'),
        (other_data, 'the MD5 is not that of MNIST'),
        (silent, 'timed out'),
    ],
)
def test_failure_leaves_nothing(serve, tmp_path, monkeypatch, answer, problem):
    if answer is silent:  # a busy machine may take long for the others
        monkeypatch.setattr(input_data, 'TIMEOUT_SECS', 0.2)
    url, asked = serve(answer)
    with pytest.raises(input_data.DataError, match=problem) as caught:
        input_data.read_data_sets(str(tmp_path), source_url=url)
    assert len(asked) == 1
    assert url + asked[0] in str(caught.value)
    assert '\n' not in str(caught.value)
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('first', [not_found, html, cut, 'down'])
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


def test_a_missing_file_of_mnist_is_added(serve, tmp_path):
    url, asked = serve(good)
    for name in FILES:
        (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / 't10k-labels-idx1-ubyte').unlink()
    input_data.read_data_sets(str(tmp_path), source_url=url)
    assert asked == ['t10k-labels-idx1-ubyte.gz']


def test_mnist_is_not_mixed_with_another_set(serve, tmp_path):
    url, asked = serve(good)
    for name in FILES:
        (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / 't10k-labels-idx1-ubyte').unlink()
    changed = bytearray(FILES['train-images-idx3-ubyte'])
    changed[100] ^= 1
    (tmp_path / 'train-images-idx3-ubyte').write_bytes(changed)
    with pytest.raises(input_data.DataError, match='t10k-labels-idx1-ubyte is missing'):
        input_data.read_data_sets(str(tmp_path), source_url=url)
    assert asked == []


def test_a_folder_that_cannot_be_written(serve, tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    url, asked = serve(good)
    with pytest.raises(input_data.DataError, match='file: is not a folder'):
        input_data.read_data_sets(str(tmp_path / 'file'), source_url=url)
    assert asked == []
    with pytest.raises(input_data.DataError, match='cannot be written'):
        input_data.read_data_sets(str(tmp_path / 'file' / 'below'), source_url=url)


def test_interrupted_while_writing(serve, tmp_path, monkeypatch):
    url, _ = serve(good)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(input_data.os, 'replace', interrupt)
    with pytest.raises(KeyboardInterrupt):
        input_data.read_data_sets(str(tmp_path), source_url=url)
    assert os.listdir(str(tmp_path)) == []
