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
        start, size = self._start(site), len(site.content)
        if site.statuses:
            self._head(site.statuses.pop(0))
        elif start >= size:
            self._head(416, {"Content-Range": f"bytes */{size}"})
        else:
            headers = {"ETag": site.tag}
            if start:
                first = start + 1 if site.wrong_start else start
                headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
            if site.sized:
                headers["Content-Length"] = str(size - start)
            self._head(206 if start else 200, headers)
            end = start + site.breaks.pop(0) if site.breaks else size
            self.wfile.write(site.content[start:end])

    def _head(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _start(self, site: Site) -> int:
        wanted = self.headers.get("Range")
        if not wanted or not site.ranges or self.headers.get("If-Range", site.tag) != site.tag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


Serve = Callable[[Site], Site]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server for each :class:`Site` that is handed over, and fill in its address."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
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
