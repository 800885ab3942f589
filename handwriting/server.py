"""Serves the page and its answers on 127.0.0.1, and refuses what the page itself would never ask.

The threat is another web site, open in the same browser: it can send requests to 127.0.0.1, also
under a host name of its own. Other users of the machine are not kept out.
"""

import http.server
import os
import re
import socketserver
import sys
import threading
import traceback
import webbrowser

from support import console

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'page')
JAVASCRIPT = 'text/javascript; charset=utf-8'  # whatever the machine takes .js for
MODULES = 'answers', 'field', 'layers', 'page', 'shown', 'sums', 'words'
FILES = {
    '/': ('index.html', 'text/html; charset=utf-8'),
    '/style.css': ('style.css', 'text/css; charset=utf-8'),
    **{f'/{name}.js': (f'{name}.js', JAVASCRIPT) for name in MODULES},
}
# before another site may send this type, the browser asks this server for permission
OCTETS = 'application/octet-stream'
HOSTS = re.compile(r'(127\.0\.0\.1|localhost)(:\d{1,5})?')
HEADERS = {
    'Content-Security-Policy': "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
}


class PortError(console.Error):
    """The server cannot use the port."""


class Server(socketserver.ThreadingTCPServer):
    """Serves the page and its answers at a port of 127.0.0.1, in `serve_forever`."""

    allow_reuse_address = os.name == 'posix'  # elsewhere a second server could take the same port
    daemon_threads = True

    def __init__(self, port, answers):
        """answers: {path: (maximal bytes of a request, function from bytes to bytes)}.

        Raises PortError.
        """
        self.answers = answers
        try:
            super().__init__(('127.0.0.1', port), Handler)
        except OSError as error:
            problem = f'port {port}: cannot be used ({error.strerror})'
            raise PortError(f'{problem}; give another one with --port') from error
        self.address = f'http://127.0.0.1:{self.server_address[1]}/'

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # the client went away
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = 'HTTP/1.1'
    timeout = 30  # seconds without a byte from a client
    disable_nagle_algorithm = True
    error_message_format = '%(explain)s\n'
    error_content_type = 'text/plain; charset=utf-8'

    def parse_request(self):
        """Refuses a request under another host name or from another site, whatever its method."""
        if not super().parse_request():
            return False
        host = self.headers.get('Host', '')
        origin = self.headers.get('Origin', 'http://' + host)
        if HOSTS.fullmatch(host) and origin == 'http://' + host:
            return True
        self.send_error(403, explain='only the page of this address may ask')
        return False

    def do_GET(self):
        if self.path in FILES:
            name, content_type = FILES[self.path]
            with open(os.path.join(FOLDER, name), 'rb') as file:
                self._send(content_type, file.read())
        elif self.path == '/settings.js':
            self._send(JAVASCRIPT, self.server.answers[self.path][1](b''))
        else:
            self.send_error(404)

    def do_POST(self):
        most, answer = self.server.answers.get(self.path, (0, None))
        length = self.headers.get('Content-Length', '')
        if not answer:
            self.send_error(404)
        elif self.headers.get('Content-Type') != OCTETS:
            self.send_error(415)
        elif not length.isdecimal():
            self.send_error(411)
        elif len(length) > 12 or int(length) > most:
            self.send_error(413)
        else:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self.send_error(400, explain='the body ends early')
            else:
                self._answer(answer, body)

    def _answer(self, answer, body):
        try:
            content = answer(body)
        except Exception as error:  # a mistake of ours: the page shows a line and goes on
            traceback.print_exc()
            line = f'{type(error).__name__}: {error}\n'  # send_error would escape it as HTML
            self._send(self.error_content_type, line.encode('utf-8', 'replace'), 500)
        else:
            self._send(OCTETS, content)

    def _send(self, content_type, body, status=200):
        self.send_response(status)
        self.send_header('Content-Type', content_type)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args):
        """Writes no line for a request."""


def open_in_browser(address):
    """Opens a page in the browser of the desktop.

    Does nothing without a desktop, where a text browser would take over the terminal.
    """
    desktop = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    if desktop or sys.platform in ('win32', 'darwin'):
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
