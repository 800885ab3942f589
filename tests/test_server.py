"""server: what a page may ask is answered, and all else is refused, by a real client."""

import http.client
import os
import socket
import sys
import threading
import time

from support import server

import pytest

PAGE = '<html><style>b {}</style><script>let é = 1;</script></html>'


def failing(body):
    raise ValueError('no such pixel')


@pytest.fixture(scope='module')
def port():
    answers = {
        '/step': ('application/json', 100, lambda body: b'[' + body + b']'),
        '/drawing': ('application/octet-stream', 100000, lambda body: body[::-1]),
        '/fails': ('application/json', 100, failing),
    }
    serving = server.Server(0, PAGE, answers)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving.server_address[1]
    serving.shutdown()
    serving.server_close()


JSON = {'Content-Type': 'application/json'}
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


def test_page(port):
    status, body, headers = ask(port, 'GET', '/')
    assert (status, body.decode('utf-8')) == (200, PAGE)
    assert headers['Content-Type'] == 'text/html; charset=utf-8'
    policy = headers['Content-Security-Policy']
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in policy and 'unsafe' not in policy and '*' not in policy
    assert headers['X-Content-Type-Options'] == 'nosniff'
    assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'


def test_answers(port, capfd):
    assert ask(port, 'POST', '/step', b'{}', JSON)[:2] == (200, b'[{}]')
    body = bytes(range(256)) * 300
    assert ask(port, 'POST', '/drawing', body, OCTETS)[:2] == (200, body[::-1])
    headers = dict(JSON, **{'Content-Type': 'application/json; charset=utf-8'})
    assert ask(port, 'POST', '/step', b'', headers)[:2] == (200, b'[]')
    assert ask(port, 'POST', '/fails', b'', JSON)[:2] == (400, b'no such pixel\n')
    assert capfd.readouterr() == ('', '')  # no line for each request


def test_one_connection_serves_many(port):
    connection = http.client.HTTPConnection('localhost', port, timeout=10)
    for i in range(5):
        connection.request('POST', '/step', b'%d' % i, JSON)
        assert connection.getresponse().read() == b'[%d]' % i


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
        ('127.0.0.1:80:80', 403),
        ('127.0.0.2', 403),
        ('[::1]', 403),
        ('0.0.0.0', 403),
        ('', 403),
        ('127.0.0.1\nHost: evil.example', 403),
    ],
)
def test_host(port, host, status):
    for method in 'GET', 'POST', 'BREW':
        found = raw(port, '%s / HTTP/1.1\nHost: %s\nConnection: close\n\n' % (method, host))
        expected = {'GET': 200, 'POST': 404, 'BREW': 501}[method] if status == 200 else 403
        assert found.split()[1] == str(expected)
        assert (PAGE.encode('utf-8').decode('latin-1') in found) == (expected == 200)


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
    headers = dict(JSON, Origin=origin)
    assert ask(port, 'POST', '/step', b'', headers)[0] == status
    assert ask(port, 'GET', '/', headers={'Origin': origin})[0] == status


@pytest.mark.parametrize(
    'content_type',
    [
        None,
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=application/json',
        'application/octet-stream',
        'application/jsonp',
    ],
)
def test_content_type(port, content_type):
    """What a page of another site may send without asking first is refused."""
    headers = {'Content-Type': content_type} if content_type else {}
    assert ask(port, 'POST', '/step', b'{}', headers)[0] == 415


@pytest.mark.parametrize(
    'method, path, status',
    [
        ('GET', '/step', 404),
        ('GET', '/favicon.ico', 404),
        ('GET', '/../mnist_lenet5_app.py', 404),
        ('GET', '/?a=1', 404),
        ('GET', '/app.html', 404),
        ('GET', 'http://evil.example/', 403),
        ('GET', '//evil.example/', 404),
        ('POST', '/', 404),
        ('POST', '/model', 404),
        ('PUT', '/step', 501),
        ('OPTIONS', '/step', 501),
        ('DELETE', '/', 501),
        ('HEAD', '/', 501),
    ],
)
def test_nothing_else_is_served(port, method, path, status):
    found, body, headers = ask(port, method, path, headers=JSON)
    assert found == status
    assert b'html' not in body and 'Access-Control-Allow-Origin' not in headers


def test_bodies_are_bounded(port):
    head = 'POST /step HTTP/1.1\nHost: localhost\nContent-Type: application/json\n'
    for length, status in (
        ('Content-Length: 100', '200'),
        ('Content-Length: 101', '413'),
        ('Content-Length: 99999999999999', '411'),
        ('Content-Length: -1', '411'),
        ('Content-Length: 1e2', '411'),
        ('Content-Length: 5\nContent-Length: 6', '411'),
        ('Transfer-Encoding: chunked', '411'),
        ('Content-Length: 5\nTransfer-Encoding: chunked', '501'),
        ('X: y', '411'),
    ):
        found = raw(port, head + length + '\n\n', b'x' * 100)
        assert found.split()[1] == status, length


def test_a_client_that_goes_away(port, capfd):
    head = 'POST /step HTTP/1.1\nHost: localhost\nContent-Type: application/json\n'
    assert raw(port, head + 'Content-Length: 50\n\n', b'x' * 20) == ''
    raw(port, 'GET')
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
        server.Server(port, PAGE, {})
    assert str(caught.value).startswith('port %d: cannot be used (' % port)
    assert str(caught.value).endswith('); give another one with --port')
    assert caught.value.exit_status == 1
    assert server.Server.allow_reuse_address == (os.name == 'posix')


BROWSER = '#!/bin/sh\necho "$0" "$@" >> "%s"\n'


@pytest.mark.posix
@pytest.mark.skipif(sys.platform == 'darwin', reason='has a desktop')
@pytest.mark.parametrize('display', [True, False])
def test_browser(tmp_path, monkeypatch, display):
    """That of the desktop is started, and no text browser, with or without a desktop."""
    log = tmp_path / 'log'
    names = ['www-browser', 'links', 'elinks', 'lynx', 'w3m'] + ['xdg-open'] * display
    for name in names:
        (tmp_path / name).write_text(BROWSER % log, encoding='utf-8')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setenv('TERM', 'xterm')
    for name in 'BROWSER', 'WAYLAND_DISPLAY':
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv('DISPLAY', ':99')
    else:
        monkeypatch.delenv('DISPLAY', raising=False)
    server.open_in_browser('http://127.0.0.1:8028/')
    for _ in range(50 if display else 5):
        time.sleep(0.2)
        if log.exists():
            break
    found = log.read_text(encoding='utf-8').split() if log.exists() else []
    assert found == ([str(tmp_path / 'xdg-open'), 'http://127.0.0.1:8028/'] if display else [])


@pytest.mark.posix
@pytest.mark.skipif(sys.platform == 'darwin', reason='has a desktop')
def test_a_desktop_with_nothing_but_a_text_browser(tmp_path, monkeypatch):
    log = tmp_path / 'log'
    (tmp_path / 'lynx').write_text(BROWSER % log, encoding='utf-8')
    (tmp_path / 'lynx').chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('DISPLAY', ':99')
    monkeypatch.delenv('BROWSER', raising=False)
    server.open_in_browser('http://127.0.0.1:8028/')
    time.sleep(1)
    assert not log.exists()
