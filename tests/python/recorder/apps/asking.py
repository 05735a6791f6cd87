"""A server, of nobody's package, that sends a body of the store's twice."""

import http.client
import io
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

from store import bodies


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass

    def get_stderr(self):
        return io.StringIO()


def ask(name):
    with make_server("127.0.0.1", 0, getattr(bodies, name), handler_class=Quiet) as server:
        thread = threading.Thread(target=lambda: [server.handle_request() for _ in range(2)])
        thread.start()
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
            connection.request("GET", "/body")
            answer = connection.getresponse()
            headers = {key: value for key, value in answer.getheaders() if key != "Date"}
            print(answer.status, sorted(headers.items()), answer.read())
            connection.close()
        thread.join()
