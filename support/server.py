"""Serves one page and its answers on 127.0.0.1, and refuses all that no such page would ask.

The threat is another web site, open in the same browser: it can send requests here, under a name
of its own that leads to 127.0.0.1 as well. Other users of the machine are not kept out.
"""

import base64
import hashlib
import http.server
import os
import re
import socket
import socketserver
import subprocess
import sys

TIMEOUT_SECS = 30  # without a byte from a client
HOSTS = re.compile(r'(127\.0\.0\.1|localhost)(:\d{1,5})?')


class PortError(Exception):
    """There can be no server at a port; one line says why, and what to do."""

    exit_status = 1


class Server(socketserver.ThreadingTCPServer):
    """The page and its answers at a port of 127.0.0.1; `serve_forever` serves them."""

    allow_reuse_address = os.name == 'posix'  # elsewhere a second server could take the same port
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port, page, answers):
        """page: HTML; answers: {path: (content type of request and answer, the most bytes of a
        request, function from bytes to bytes)}; a ValueError of a function is the client's error.
        Raises PortError.
        """
        self.page, self.answers = page.encode('utf-8'), answers
        self.policy = content_security_policy(page)
        try:
            super().__init__(('127.0.0.1', port), Handler)
        except OSError as error:
            line = 'port %d: cannot be used (%s); give another one with --port'
            raise PortError(line % (port, error.strerror)) from error
        self.address = 'http://127.0.0.1:%d/' % self.server_address[1]

    def server_bind(self):
        if hasattr(socket, 'SO_EXCLUSIVEADDRUSE'):  # Windows
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # the client went away
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = 'HTTP/1.1'
    server_version, sys_version = 'mnist_lenet5_app', ''
    timeout = TIMEOUT_SECS
    disable_nagle_algorithm = True

    def parse_request(self):
        """Refuses, whatever the method, a request by another name or from another site."""
        if not super().parse_request():
            return False
        hosts, origins = self.headers.get_all('Host', []), self.headers.get_all('Origin', [])
        if len(hosts) != 1 or not HOSTS.fullmatch(hosts[0]):
            self.send_error(403, 'Host: only 127.0.0.1 and localhost')
        elif any(origin != 'http://' + hosts[0] for origin in origins):
            self.send_error(403, 'Origin: only this page')
        else:
            return True
        return False

    def do_GET(self):
        if self.path != '/':
            self.send_error(404)
        else:
            self._send(200, 'text/html; charset=utf-8', self.server.page)

    def do_POST(self):
        if self.path not in self.server.answers:
            self.send_error(404)
            return
        content_type, most, answer = self.server.answers[self.path]
        lengths = self.headers.get_all('Content-Length', [])
        if self.headers.get_content_type() != content_type or 'Content-Type' not in self.headers:
            self.send_error(415, 'Content-Type: only ' + content_type)
        elif len(lengths) != 1 or not re.fullmatch(r'\d{1,12}', lengths[0]):
            self.send_error(411)
        elif 'Transfer-Encoding' in self.headers:
            self.send_error(501, 'Transfer-Encoding: none')
        elif int(lengths[0]) > most:
            self.send_error(413)
        else:
            body = self.rfile.read(int(lengths[0]))
            if len(body) < int(lengths[0]):
                self.close_connection = True
                return
            try:
                body = answer(body)
            except ValueError as error:
                self.send_error(400, str(error))
            else:
                self._send(200, content_type, body)

    def _send(self, status, content_type, body):
        self.send_response(status)
        for name, value in (
            ('Content-Type', content_type),
            ('Content-Length', str(len(body))),
            ('Content-Security-Policy', self.server.policy),
            ('X-Content-Type-Options', 'nosniff'),
            ('Cross-Origin-Resource-Policy', 'same-origin'),
            ('Referrer-Policy', 'no-referrer'),
            ('Cache-Control', 'no-store'),
        ):
            self.send_header(name, value)
        if status != 200:
            self.send_header('Connection', 'close')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def send_error(self, code, message=None, explain=None):
        """In a line of plain text; what is left of the request is not read."""
        self.close_connection = True
        line = message or self.responses.get(code, ('',))[0]
        self._send(code, 'text/plain; charset=utf-8', (line + '\n').encode('utf-8'))

    def log_message(self, *args):
        """Not a line for each request."""


def content_security_policy(page):
    """Returns the policy by which a page may do what is written in it, and nothing else."""

    def hashes(element):
        found = re.findall('<%s>(.*?)</%s>' % (element, element), page, re.DOTALL)
        digests = [hashlib.sha256(text.encode('utf-8')).digest() for text in found]
        return ' '.join("'sha256-%s'" % base64.b64encode(digest).decode() for digest in digests)

    return '; '.join(
        [
            "default-src 'none'",
            'script-src ' + hashes('script'),
            'style-src ' + hashes('style'),
            "connect-src 'self'",
            'img-src blob: data:',
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def open_in_browser(address):
    """Opens a page in the browser of the desktop, if there is one; in a process of its own, which
    has no terminal, so that no text browser can start there.
    """
    desktop = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    if sys.platform not in ('win32', 'darwin') and not desktop:
        return
    environment = {name: value for name, value in os.environ.items() if name != 'TERM'}
    silent = {name: subprocess.DEVNULL for name in ('stdin', 'stdout', 'stderr')}
    command = [sys.executable, '-m', 'webbrowser', address]
    subprocess.Popen(command, env=environment, start_new_session=True, **silent)
