"""A local web server that misbehaves as told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from blur_fusion.data import fetch as download

CONTENT = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(12_000))


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked."""

    content: bytes = CONTENT
    ranges: bool = True
    sized: bool = True
    breaks: list[int] = field(default_factory=list)  # bytes sent before each of the first breaks
    statuses: list[int] = field(default_factory=list)  # instead of the first answers
    tag: str = '"first"'
    wrong_start: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.asked.append({name.lower(): value for name, value in self.headers.items()})
        if site.statuses:
            self.send_response(site.statuses.pop(0))
            self.end_headers()
            return
        start, size = self._start(site), len(site.content)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if site.wrong_start else start
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        if site.sized:
            self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", site.tag)
        self.end_headers()
        end = start + site.breaks.pop(0) if site.breaks else size
        self.wfile.write(site.content[start:end])

    def _start(self, site: Site) -> int:
        wanted = self.headers.get("Range")
        if not wanted or not site.ranges or self.headers.get("If-Range", site.tag) != site.tag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


Serve = Callable[[Site], Site]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server for each :class:`Site` that is handed over, and fill in its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    servers = []

    def start(site: Site) -> Site:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.site = site  # type: ignore[attr-defined]
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}/set.zip"
        return site

    try:
        yield start
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
