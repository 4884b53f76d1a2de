"""A server of files that can be told to misbehave, for tests of downloads."""

import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Server:
    """Serves ``files`` (bytes by path, or files) and ``lists`` of files as the NSRR does, on a port, or on a free one.

    ``manner`` maps a path, or `None` for all, to what is done instead, by the number of the request for it (from 0): a
    function that returns one of the words of `Handler.misbehave`, or `None` to behave.
    """

    def __init__(self, port: int = 0) -> None:
        self.files: dict[str, bytes | Path] = {}
        self.lists: dict[str, list[dict[str, object]]] = {}
        self.manner: dict[str | None, Callable[[int], str | None]] = {}
        self.asked: list[str] = []
        self.times: dict[str, int] = defaultdict(int)
        handler = type("Bound", (Handler,), {"server_of": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers a request as the server's manner is."""

    server_of: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server_of
        path = self.path.split("?")[0]
        number = server.times[path]
        server.times[path] += 1
        server.asked.append(path)
        manner = server.manner.get(path, server.manner.get(None, lambda _: None))(number)
        body = server.files.get(path)
        if isinstance(body, Path):
            body = body.read_bytes()
        if path == "/api/v1/datasets/shhs/files.json":
            folder = parse_qs(urlsplit(self.path).query)["path"][0]
            body = json.dumps(server.lists[folder]).encode()
        if manner:
            self.misbehave(manner, path, body or b"")
        elif body is None:
            self.answer(404, b"no such file")
        else:
            self.answer(200, body)

    def misbehave(self, manner: str, path: str, body: bytes) -> None:
        self.close_connection = not manner.startswith("redirect")
        match manner.split(" "):
            case ["drop"]:
                self.connection.shutdown(socket.SHUT_RDWR)
            case ["stall"]:
                self.answer(200, body[: len(body) // 2], length=len(body))
                time.sleep(30)
            case ["trickle"]:
                self.answer(200, b"", length=len(body))
                for i in range(0, len(body), 100):
                    self.wfile.write(body[i : i + 100])
                    time.sleep(0.05)
            case ["cut"]:
                self.answer(200, body[: len(body) // 2], length=len(body))
                self.connection.shutdown(socket.SHUT_RDWR)
            case ["short"]:  # says so in its header too: nothing but the checksum can tell
                self.answer(200, body[: len(body) // 2])
            case ["wrong"]:
                self.answer(200, bytes(255 - byte for byte in body[:1000]) + body[1000:])
            case ["page"]:  # what the NSRR does with a token that it does not accept, here with an echo
                self.answer(200, f"<html>no access with {path}</html>".encode(), kind="text/html")
            case ["redirect", target]:
                self.answer(302, b"", location=target)
            case ["echo", status]:
                self.answer(int(status), f"wrong: {path}".encode(), reason=f"bad {path}", kind="text/plain")
            case ["garbage"]:
                self.wfile.write(f"HTTP/1.1 200 OK\r\nbroken header {path}\r\n\r\n".encode() + body)
            case [status]:
                self.answer(int(status), b"busy")

    def answer(self, status, body, *, length=None, kind="application/octet-stream", location=None, reason=None) -> None:
        self.send_response(status, reason)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass
