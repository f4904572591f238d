"""A server on this machine that sends files as well, or as badly, as a test asks for."""
import re
import threading
from collections import namedtuple
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Asked = namedtuple("Asked", "path range agent")


class Server(ThreadingHTTPServer):
    """pages: {path: answer(handler)}; asked: what requests there were; released: set when the test is over."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked, self.released = {}, [], threading.Event()

    def at(self, path, *answers):
        """The address of a page that gives the answers in turn, the last of them from then on."""
        answers = list(answers)
        self.pages[path] = lambda handler: (answers.pop(0) if answers[1:] else answers[0])(handler)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges(self, path=None):
        """The Range headers of the requests."""
        return [asked.range for asked in self.asked if path in (None, asked.path)]

    def handle_error(self, request, client_address):
        pass  # clients here hang up as they like


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(Asked(self.path, self.headers.get("Range"), self.headers.get("User-Agent")))
        self.close_connection = True
        self.server.pages.get(self.path, status(404))(self)

    def log_message(self, *words):
        pass

    def send(self, code, body=b"", **headers):
        self.send_response(code)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def first(self):
        """The first byte that is asked for."""
        return int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])


@contextmanager
def serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def file(data, *, stop=None, then_stall=False, length=None):
    """Send what is asked for of data, as a good server does; but break off, or stall, after `stop` bytes of it, or
    give the length of the whole as `length`.
    """
    def answer(handler):
        first = handler.first()
        told = len(data) if length is None else length
        if first >= told:
            return handler.send(416, Content_Range=f"bytes */{told}", Content_Length=0)
        partial = {"Content_Range": f"bytes {first}-{told - 1}/{told}"} if first else {}
        handler.send(206 if first else 200, data[first:told][:stop], Content_Length=told - first, **partial)
        if then_stall:
            handler.server.released.wait(10)
    return answer


def plain(data, **headers):
    """Send all of data, whatever is asked for."""
    return lambda handler: handler.send(200, data, Content_Length=len(data), **headers)


def status(code, **headers):
    return lambda handler: handler.send(code, Content_Length=0, **headers)
