"""server: what a page may ask is answered, and all else is refused, by a real client."""

import http.client
import os
import socket
import sys
import threading
import time
import webbrowser

import pytest

from handwriting import server


def failing(body):
    raise IndexError('too <few>\nlines')


@pytest.fixture(scope='module')
def port():
    answers = {
        '/step': (0, lambda body: b'{}\n'),
        '/drawing': (100, lambda body: body[::-1]),
        '/fails': (100, failing),
    }
    serving = server.Server(0, answers)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving.server_address[1]
    serving.shutdown()
    serving.server_close()


OCTETS = {'Content-Type': 'application/octet-stream'}


def ask(port, method, path, body=None, headers=()):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def raw(port, text, more=b''):
    """What the server sends to these bytes, to the end."""
    with socket.create_connection(('127.0.0.1', port), timeout=10) as client:
        client.sendall(text.replace('\n', '\r\n').encode('latin-1') + more)
        client.shutdown(socket.SHUT_WR)
        parts = []
        while True:
            part = client.recv(65536)
            if not part:
                return b''.join(parts).decode('latin-1')
            parts.append(part)


def test_the_page_is_these_files_and_no_others(port):
    folder = os.listdir(server.FOLDER)
    assert sorted(folder) == sorted(name for name, _ in server.FILES.values())
    for path, (name, content_type) in server.FILES.items():
        status, body, headers = ask(port, 'GET', path)
        with open(os.path.join(server.FOLDER, name), 'rb') as file:
            assert (status, body) == (200, file.read())
        assert headers['Content-Type'] == content_type
        assert headers['X-Content-Type-Options'] == 'nosniff'
        assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'
        policy = headers['Content-Security-Policy']
        assert "default-src 'self'; img-src 'self' blob: data:;" in policy
        assert "frame-ancestors 'none'" in policy and 'unsafe' not in policy and '*' not in policy


def test_answers(port, capfd):
    assert ask(port, 'POST', '/step', b'', OCTETS)[:2] == (200, b'{}\n')
    assert ask(port, 'POST', '/drawing', b'123', OCTETS)[:2] == (200, b'321')
    assert capfd.readouterr() == ('', '')  # no line for each request


def test_an_error_of_ours_is_an_answer_and_a_traceback(port, capfd):
    status, body, headers = ask(port, 'POST', '/fails', b'', OCTETS)
    assert status == 500 and body.startswith(b'IndexError: too ')
    assert headers['Content-Type'] == 'text/plain; charset=utf-8'
    assert headers['X-Content-Type-Options'] == 'nosniff'
    assert capfd.readouterr().err.startswith('Traceback')
    assert ask(port, 'POST', '/step', b'', OCTETS)[0] == 200


def test_one_connection_serves_many(port):
    connection = http.client.HTTPConnection('localhost', port, timeout=10)
    for i in range(5):
        connection.request('POST', '/drawing', b'%d' % i, OCTETS)
        assert connection.getresponse().read() == b'%d' % i


@pytest.mark.parametrize(
    'host, status',
    [
        ('127.0.0.1', 200),
        ('127.0.0.1:8028', 200),
        ('localhost', 200),
        ('localhost:1', 200),
        ('evil.example', 403),
        ('127.0.0.1.evil.example', 403),
        ('localhost.evil.example:8028', 403),
        ('evil.example@127.0.0.1', 403),
        ('127.0.0.2', 403),
        ('[::1]', 403),
        ('0.0.0.0', 403),
        ('', 403),
    ],
)
def test_host(port, host, status):
    for method in 'GET', 'POST', 'BREW':
        found = raw(port, '%s / HTTP/1.1\nHost: %s\nConnection: close\n\n' % (method, host))
        expected = {'GET': 200, 'POST': 404, 'BREW': 501}[method] if status == 200 else 403
        assert found.split()[1] == str(expected)
        assert ('<html' in found) == (expected == 200)


def test_no_host(port):
    assert raw(port, 'GET / HTTP/1.0\n\n').split()[1] == '403'
    assert raw(port, 'GET / HTTP/1.1\n\n').split()[1] == '403'


@pytest.mark.parametrize(
    'origin, status',
    [
        ('http://127.0.0.1:%d', 200),
        ('http://localhost:%d', 403),  # the same server, of another name than the Host's
        ('https://127.0.0.1:%d', 403),
        ('http://127.0.0.1:1', 403),
        ('http://127.0.0.1', 403),
        ('http://evil.example', 403),
        ('null', 403),
        ('', 403),
    ],
)
def test_origin(port, origin, status):
    origin = origin % port if '%d' in origin else origin
    headers = dict(OCTETS, Origin=origin)
    assert ask(port, 'POST', '/step', b'', headers)[0] == status
    assert ask(port, 'GET', '/', headers={'Origin': origin})[0] == status


@pytest.mark.parametrize(
    'content_type',
    [
        None,
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=application/octet-stream',
    ],
)
def test_content_type(port, content_type):
    """What a page of another site may send without asking first is refused."""
    headers = {'Content-Type': content_type} if content_type else {}
    assert ask(port, 'POST', '/step', b'', headers)[0] == 415


@pytest.mark.parametrize(
    'method, path, status',
    [
        ('GET', '/step', 404),
        ('GET', '/favicon.ico', 404),
        ('GET', '/../server.py', 404),
        ('GET', '/index.html', 404),
        ('GET', '/?a=1', 404),
        ('GET', 'http://evil.example/', 403),
        ('GET', '//evil.example/', 404),
        ('POST', '/', 404),
        ('POST', '/page.js', 404),
        ('PUT', '/step', 501),
        ('OPTIONS', '/step', 501),
        ('DELETE', '/', 501),
    ],
)
def test_nothing_else_is_served(port, method, path, status):
    found, body, headers = ask(port, method, path, headers=OCTETS)
    assert found == status
    assert b'html' not in body and 'Access-Control-Allow-Origin' not in headers


def test_bodies_are_bounded(port):
    head = 'POST /drawing HTTP/1.1\nHost: localhost\nContent-Type: application/octet-stream\n'
    for length, status in (
        ('Content-Length: 100\nConnection: close', '200'),
        ('Content-Length: 101', '413'),
        ('Content-Length: 99999999999999', '413'),
        ('Content-Length: -1', '411'),
        ('Content-Length: 1e2', '411'),
        ('Transfer-Encoding: chunked', '411'),
        ('X: y', '411'),
    ):
        found = raw(port, head + length + '\n\n', b'x' * 100)
        assert found.split()[1] == status, length


def test_a_client_that_goes_away(port, capfd):
    with socket.create_connection(('127.0.0.1', port)) as client:
        client.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' * 50)
    time.sleep(0.2)
    assert ask(port, 'GET', '/')[0] == 200
    assert capfd.readouterr() == ('', '')


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_other_machines_cannot_connect(port):
    with open('/proc/net/tcp', encoding='ascii') as file:
        found = [line.split()[1] for line in file if ':%04X' % port in line.split()[1]]
    with open('/proc/net/tcp6', encoding='ascii') as file:
        assert not [line for line in file if line.split()[1].endswith(':%04X' % port)]
    assert set(found) == {'0100007F:%04X' % port}


def test_port_in_use(port):
    with pytest.raises(server.PortError) as caught:
        server.Server(port, {})
    assert str(caught.value).startswith('port %d: cannot be used (' % port)
    assert str(caught.value).endswith('); give another one with --port')
    assert caught.value.exit_status == 1
    assert server.Server.allow_reuse_address == (os.name == 'posix')


@pytest.mark.parametrize(
    'platform, desktop, opens',
    [
        ('linux', {}, False),
        ('linux', {'DISPLAY': ':0'}, True),
        ('linux', {'WAYLAND_DISPLAY': 'wayland-0'}, True),
        ('win32', {}, True),
        ('darwin', {}, True),
    ],
)
def test_browser(monkeypatch, platform, desktop, opens):
    """Without a desktop it would be a text browser, in the terminal of the app."""
    opened, done = [], threading.Event()
    monkeypatch.setattr(webbrowser, 'open', lambda address: (opened.append(address), done.set()))
    monkeypatch.setattr(sys, 'platform', platform)
    for name in 'DISPLAY', 'WAYLAND_DISPLAY':
        monkeypatch.delenv(name, raising=False)
    for name, value in desktop.items():
        monkeypatch.setenv(name, value)
    server.open_in_browser('http://127.0.0.1:8028/')
    done.wait(5 if opens else 0.1)
    assert opened == ['http://127.0.0.1:8028/'] * opens
