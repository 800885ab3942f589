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


@pytest.fixture(scope='module')
def port():
    answers = {
        '/step': (0, lambda body: b'{}\n'),
        '/settings.js': (0, lambda body: b'export default {}'),
        '/drawing': (100, lambda body: body[::-1]),
        '/fails': (100, lambda body: {}['<&>']),
    }
    with server.Server(0, answers) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


OCTETS = 'application/octet-stream'
HEAD = 'POST /drawing HTTP/1.1\nHost: localhost\nContent-Type: %s\n' % OCTETS


def ask(port, method, path, headers=()):
    """The status, the body and the headers of an answer to the page, but for these headers."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    connection.request(method, path, headers={'Content-Type': OCTETS, **dict(headers)})
    response = connection.getresponse()
    body = response.read()
    assert (b'<html' in body) == (response.status == 200 and path == '/')
    assert 'Access-Control-Allow-Origin' not in response.headers
    return response.status, body, response.headers


def raw(port, text, more=b''):
    """What the server sends to these bytes, to the end."""
    with socket.create_connection(('127.0.0.1', port), timeout=10) as client:
        client.sendall(text.replace('\n', '\r\n').encode('latin-1') + more)
        client.shutdown(socket.SHUT_WR)
        return client.makefile('rb').read().decode('latin-1')


def test_the_page_is_these_files_and_no_others(port):
    assert sorted(os.listdir(server.FOLDER)) == sorted(name for name, _ in server.FILES.values())
    for path, (name, content_type) in server.FILES.items():
        status, body, headers = ask(port, 'GET', path)
        with open(os.path.join(server.FOLDER, name), 'rb') as file:
            assert (status, body) == (200, file.read())
        assert headers['Content-Type'] == content_type
        assert headers['X-Content-Type-Options'] == 'nosniff'
        assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'
        policy = headers['Content-Security-Policy'].split('; ')
        assert policy[:2] == ["default-src 'self'", "img-src 'self' blob: data:"]
        assert policy[2:] == ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    for path in '/page.js', '/settings.js':  # no browser runs a module of another type
        assert ask(port, 'GET', path)[2]['Content-Type'] == 'text/javascript; charset=utf-8'


def test_an_error_of_ours_is_an_answer_and_a_traceback(port, capfd):
    status, body, headers = ask(port, 'POST', '/fails')
    assert status == 500 and body == b"KeyError: '<&>'\n"
    assert headers['Content-Type'] == 'text/plain; charset=utf-8'
    assert headers['X-Content-Type-Options'] == 'nosniff'
    assert capfd.readouterr().err.startswith('Traceback')


@pytest.mark.parametrize('host', ['127.0.0.1', '127.0.0.1:8028', 'localhost', 'localhost:1'])
def test_this_page(port, host):
    assert ask(port, 'GET', '/', {'Host': host})[0] == 200
    assert ask(port, 'POST', '/step', {'Host': host, 'Origin': 'http://' + host})[0] == 200


def test_another_page_is_refused(port):
    """Another page asks by another name, says where it is from, or sends a type that it may."""
    hosts = ['0.0.0.0', '127.0.0.2', '[::1]', '127.0.0.1.evil.org', 'localhost.evil.org:8028']
    origins = ['http://localhost:%d' % port, 'http://127.0.0.1:1', 'http://', 'http://127.0.0.1']
    origins += ['https://127.0.0.1:%d' % port, 'null', '']
    headers = [{'Host': host} for host in [*hosts, 'evil.org@127.0.0.1']]
    for header in headers + [{'Origin': origin} for origin in origins]:
        for method, path in ('GET', '/'), ('POST', '/step'), ('BREW', '/'):
            assert ask(port, method, path, header)[0] == 403, header
    assert raw(port, 'GET / HTTP/1.1\n\n').split()[1] == '403'  # no Host either
    for content_type in '', 'text/plain', 'multipart/form-data; boundary=' + OCTETS:
        assert ask(port, 'POST', '/step', {'Content-Type': content_type})[0] == 415


@pytest.mark.parametrize('path', ['/step', '/favicon.ico', '/../server.py', '/index.html', '/?a=1'])
def test_nothing_else_is_served(port, path):
    for url in path, '//evil.example' + path, 'http://evil.example' + path:
        assert ask(port, 'GET', url, {'Host': '127.0.0.1'})[0] == 404
    for method, expected in ('POST', 404), ('PUT', 501), ('OPTIONS', 501):
        assert ask(port, method, path + '/')[0] == expected


@pytest.mark.parametrize(
    'header, status',
    [('Content-Length: 100', '200'), ('Content-Length: 101', '413'), ('Content-Length: -1', '411')]
    + [('Content-Length: 1e2', '411'), ('Transfer-Encoding: chunked', '411')]
    + [pytest.param('Content-Length: ' + '9' * 5000, '413', id='more digits than int() takes')],
)
def test_bodies_are_bounded(port, header, status):
    body = b'' if 'chunked' in header else b'x' * 100
    assert raw(port, HEAD + header + '\n\n', body).split()[1] == status


def test_nothing_is_said_of_a_client(port, capfd):
    """A client may ask twice, or go away within its body, before its answer or after it."""
    assert raw(port, 2 * (HEAD + 'Content-Length: 2\n\n12')).count('\r\n\r\n21') == 2
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


def test_port_in_use(port):
    line = 'port %d: cannot be used .*; give another one with --port$' % port
    with pytest.raises(server.PortError, match=line) as caught:
        server.Server(port, {})
    assert caught.value.exit_status == 1
    assert server.Server.allow_reuse_address == (os.name == 'posix')
    with server.Server(0, {}) as another:
        assert another.socket.getsockname()[0] == '127.0.0.1'  # for no other machine


@pytest.mark.parametrize('platform', ['linux', 'win32', 'darwin'])
@pytest.mark.parametrize('desktop', ['NONE', 'DISPLAY', 'WAYLAND_DISPLAY'])
def test_browser(monkeypatch, platform, desktop):
    """Nothing is opened without a desktop: a text browser would take over the terminal."""
    opened = []
    monkeypatch.setattr(webbrowser, 'open', opened.append)
    monkeypatch.setattr(threading.Thread, 'start', threading.Thread.run)
    monkeypatch.setattr(sys, 'platform', platform)
    for name in 'DISPLAY', 'WAYLAND_DISPLAY':
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(desktop, ':0')
    server.open_in_browser('http://127.0.0.1:8028/')
    assert opened == ['http://127.0.0.1:8028/'] * ((platform, desktop) != ('linux', 'NONE'))
