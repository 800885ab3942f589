"""server: what a page may ask is answered, and all else is refused, by a real client."""

import http.client
import os
import socket
import struct
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


OCTET = 'application/octet-stream'
OCTET_LINE, OCTETS = 'Content-Type: ' + OCTET, {'Content-Type': OCTET}
HEAD = 'POST /drawing HTTP/1.1\nHost: localhost\n%s\n' % OCTET_LINE


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
        return client.makefile('rb').read().decode('latin-1')


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
        assert policy.startswith(
            "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
        )
        assert "frame-ancestors 'none'" in policy and 'unsafe' not in policy and '*' not in policy


def test_an_error_of_ours_is_an_answer_and_a_traceback(port, capfd):
    status, body, headers = ask(port, 'POST', '/fails', b'', OCTETS)
    assert status == 500 and body.startswith(b'IndexError: too ')
    assert headers['Content-Type'] == 'text/plain; charset=utf-8'
    assert headers['X-Content-Type-Options'] == 'nosniff'
    assert capfd.readouterr().err.startswith('Traceback')
    assert ask(port, 'POST', '/step', b'', OCTETS)[0] == 200


def test_one_connection_serves_many(port, capfd):
    connection = http.client.HTTPConnection('localhost', port, timeout=10)
    for i in range(12, 17):
        connection.request('POST', '/drawing', b'%d' % i, OCTETS)
        assert connection.getresponse().read() == (b'%d' % i)[::-1]
    assert capfd.readouterr() == ('', '')  # no line for each request


def status(port, method, path, *headers):
    """The status of a request that is this page's own but for these headers."""
    ours = ['Host: 127.0.0.1:%d' % port, OCTET_LINE, 'Content-Length: 0', 'Connection: close']
    names = [header.split(':')[0] for header in headers]
    ours = [header for header in ours if header.split(':')[0] not in names]
    found = raw(port, '\n'.join(['%s %s HTTP/1.1' % (method, path), *headers, *ours, '', '']))
    assert ('<html' in found) == (found.split()[1] == '200' and path == '/')
    assert 'Access-Control-Allow-Origin' not in found
    return int(found.split()[1])


@pytest.mark.parametrize('host', ['127.0.0.1', '127.0.0.1:8028', 'localhost', 'localhost:1'])
def test_this_page(port, host):
    assert status(port, 'GET', '/', 'Host: ' + host) == 200
    assert status(port, 'POST', '/step', 'Host: ' + host) == 200
    assert status(port, 'POST', '/step', 'Host: ' + host, 'Origin: http://' + host) == 200


OTHERS = ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:8028', '0.0.0.0', '']
OTHERS += ['evil.example@127.0.0.1', '127.0.0.2', '[::1]']
ORIGINS = ['http://localhost:%d', 'https://127.0.0.1:%d', 'http://127.0.0.1:1', 'http://127.0.0.1']
ORIGINS += ['http://evil.example', 'null', '']


@pytest.mark.parametrize(
    'header', ['Host: ' + host for host in OTHERS] + ['Origin: ' + origin for origin in ORIGINS]
)
def test_another_page(port, header):
    """It asks by another name, or says where it is from."""
    header = header.replace('%d', str(port))
    for method, path in ('GET', '/'), ('POST', '/step'), ('BREW', '/'):
        assert status(port, method, path, header) == 403


def test_what_another_page_may_send_without_asking_first(port):
    """Is of these types, and is refused."""
    simple = 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary='
    for content_type in ('', *simple, simple[-1] + OCTET):
        assert status(port, 'POST', '/step', 'Content-Type: ' + content_type) == 415
    assert raw(port, 'GET / HTTP/1.0\n\n').split()[1] == '403'  # no Host either
    assert raw(port, 'GET / HTTP/1.1\n\n').split()[1] == '403'


@pytest.mark.parametrize('path', ['/step', '/favicon.ico', '/../server.py', '/index.html', '/?a=1'])
def test_nothing_else_is_served(port, path):
    assert status(port, 'GET', path) == status(port, 'GET', '//evil.example' + path) == 404
    assert status(port, 'GET', 'http://evil.example' + path) == 404
    assert status(port, 'POST', path + '/') == 404
    assert status(port, 'PUT', path) == status(port, 'OPTIONS', path) == 501


def test_bodies_are_bounded(port, capfd):
    """Also a length of more digits than int() takes."""
    for expected, lines in (
        ('200', ['Content-Length: 100\nConnection: close']),
        ('413', ['Content-Length: 101', 'Content-Length: ' + '9' * 5000]),
        (
            '411',
            ['Content-Length: -1', 'Content-Length: 1e2', 'Transfer-Encoding: chunked', 'X: y'],
        ),
    ):
        for line in lines:
            assert raw(port, HEAD + line + '\n\n', b'x' * 100).split()[1] == expected, line
    assert capfd.readouterr() == ('', '')


def test_a_client_that_goes_away(port, capfd):
    """In its body, whose end is not to come; then without a word, before it and after it."""
    assert raw(port, HEAD + 'Content-Length: 100\n\n', b'x' * 99).split()[1] == '400'
    for sent in HEAD + 'Content-Length: 100\n\nx', 'GET / HTTP/1.1\nHost: localhost\n\n' * 50:
        client = socket.create_connection(('127.0.0.1', port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))  # by RST
        client.sendall(sent.replace('\n', '\r\n').encode())
        time.sleep(0.2)
        client.close()
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
    line = 'port %d: cannot be used .*; give another one with --port$' % port
    with pytest.raises(server.PortError, match=line) as caught:
        server.Server(port, {})
    assert caught.value.exit_status == 1
    assert server.Server.allow_reuse_address == (os.name == 'posix')


DESKTOPS = [('win32', None), ('darwin', None), ('linux', 'DISPLAY'), ('linux', 'WAYLAND_DISPLAY')]


@pytest.mark.parametrize('platform, desktop', [('linux', None), *DESKTOPS])
def test_browser(monkeypatch, platform, desktop):
    """Without a desktop it would be a text browser, in the terminal of the app."""
    opened, done = [], threading.Event()
    monkeypatch.setattr(webbrowser, 'open', lambda address: (opened.append(address), done.set()))
    monkeypatch.setattr(sys, 'platform', platform)
    for name in 'DISPLAY', 'WAYLAND_DISPLAY':
        monkeypatch.delenv(name, raising=False)
    if desktop:
        monkeypatch.setenv(desktop, ':0')
    opens = (platform, desktop) in DESKTOPS
    server.open_in_browser('http://127.0.0.1:8028/')
    done.wait(5 if opens else 0.1)
    assert opened == ['http://127.0.0.1:8028/'] * opens
