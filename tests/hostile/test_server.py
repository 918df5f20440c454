"""The app under attack: many uploads, malformed requests, names with HTML."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from forked import WHOLE, Results
from hostile_files import JPEG, encoded, photo
from scan_command import app_served, blur, invoked

pytestmark = pytest.mark.skipif(not find_spec("gradio"), reason="the extra 'app' is not installed")

UPLOADS, AT_ONCE = (500, 50) if WHOLE else (50, 50)
GROWTH = 150  # MB that may remain after all uploads


class Server:
    def __init__(self, address: str, pid: int, temporary: Path) -> None:
        self.address, self.pid, self.temporary = address, pid, temporary
        self.host = urlsplit(address).netloc

    def memory(self) -> float:
        """Resident MB."""
        return psutil.Process(self.pid).memory_info().rss / 1e6

    def upload(self, name: str, data: bytes) -> httpx.Response:
        files = {"files": (name, data, "image/jpeg")}
        return httpx.post(f"{self.address}/gradio_api/upload", files=files, timeout=60)

    def raw(self, request: bytes) -> bytes:
        """The response within 5 s to these bytes, with the app's host in them."""
        with socket.create_connection(self.host.split(":"), timeout=5) as connection:
            connection.sendall(request.replace(b"{host}", self.host.encode()))
            with suppress(OSError):
                return connection.recv(65536)
        return b""

    def alive(self) -> bool:
        return httpx.get(self.address, timeout=20).status_code == 200


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    temporary = tmp_path_factory.mktemp("temporary")
    with app_served(model, temporary) as (address, process):
        yield Server(address, process.pid, temporary)


def test_parallel_uploads_and_their_memory(server: Server, results: Results) -> None:
    data = encoded(".jpg", photo(900, 1200))
    assert len(data) < 1_000_000
    for _ in range(3):
        assert server.upload("warm.jpg", data).status_code == 200
    before = server.memory()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        names = [f"{number}.jpg" for number in range(UPLOADS)]
        codes = [r.status_code for r in threads.map(lambda name: server.upload(name, data), names)]
    failures = len(codes) - codes.count(200)
    time.sleep(1)
    after = server.memory()
    results.append((f"app: {UPLOADS} uploads, {AT_ONCE} at once", UPLOADS, failures, after))
    assert failures == 0 and server.alive()
    assert after - before < GROWTH


def test_oversize_is_refused(server: Server, results: Results) -> None:
    answer = server.upload("large.jpg", bytes(5_000_000))
    results.append(("app: upload that is too large", 1, int(answer.status_code < 400), 0))
    assert answer.status_code in (400, 413) and server.alive()


@pytest.mark.parametrize("name", ["../../../../tmp/escaped.jpg", "/etc/cron.d/x.jpg", "..\\x.jpg"])
def test_names_that_climb_stay_in_the_folder(server: Server, name: str) -> None:
    answer = server.upload(name, JPEG)
    assert answer.status_code == 200
    (path,) = answer.json()
    assert Path(path).resolve().is_relative_to(server.temporary.resolve())
    assert not Path("/tmp/escaped.jpg").exists() and not Path("/etc/cron.d/x.jpg").exists()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "//etc/passwd"]
)
@pytest.mark.parametrize("route", ["/gradio_api/file=", "/file=", "/static/", "/assets/", "/"])
def test_no_file_of_this_machine_is_served(server: Server, route: str, path: str) -> None:
    request = f"GET {route}{path} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n\r\n"
    answer = server.raw(request.encode())
    assert b"root:" not in answer and answer.startswith(b"HTTP/1.1 4")


MALFORMED = [
    b"\0\xff\0\xff" * 100,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /%00%ff HTTP/1.1\r\nHost: {host}\r\n\r\n",
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\nabc",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n"
    b"Content-Type: application/json\r\n\r\n{]",
    b"GET / HTTP/1.1\r\nHost: {host}\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
]


def test_malformed_requests(server: Server, results: Results) -> None:
    for request in MALFORMED:
        answer = server.raw(request)
        assert b"Traceback" not in answer and not answer.startswith(b"HTTP/1.1 5")
        assert server.alive()
    results.append(("app: malformed requests", len(MALFORMED), 0, server.memory()))


def test_foreign_hosts_and_origins_are_refused(server: Server) -> None:
    own, port = server.host, int(server.host.split(":")[1])
    for headers, code in (
        ({"Host": own}, 200),
        ({"Host": f"localhost:{port}"}, 200),
        ({"Host": own, "Origin": f"http://{own}"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": f"evil.example:{port}"}, 403),
        ({"Host": own, "Origin": "http://evil.example"}, 403),
        ({"Host": own, "Origin": "null"}, 403),
        ({"Host": own, "Origin": f"http://127.0.0.1:{port + 1}"}, 403),
    ):
        assert httpx.get(server.address, headers=headers).status_code == code, headers
    foreign = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": "x"})
    url = f"{server.address}/gradio_api/queue/join"
    assert httpx.post(url, content=body, headers=foreign).status_code == 403


SCRIPTS = [
    "<img src=x onerror=window.ran=1>.jpg",
    "<script>window.ran=1<.script>.jpg",
    '"><svg onload=window.ran=1>.jpg',
    "'-window.ran-'.jpg",
    "[x](javascript:window.ran=1).jpg",
]


@pytest.fixture
def scripts(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "photos" / name for name in SCRIPTS]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(JPEG)
    return paths


def test_scripts_in_names_do_not_run_in_the_app(
    page: Any, server: Server, scripts: list[Path], results: Results
) -> None:
    page.goto(server.address)
    paths = scripts * (10 if WHOLE else 2)
    before = server.memory()
    for _ in range(2):
        page.set_input_files("#photos input[type=file]", paths)
        page.wait_for_selector(f"#table tbody tr:nth-child({len(paths)})", timeout=60_000)
    page.wait_for_timeout(500)
    assert page.evaluate("window.ran") is None
    assert "onerror=window.ran" in page.inner_text("#table")
    results.append(("app: names with HTML, judged", 2 * len(paths), 0, server.memory()))
    assert server.memory() - before < GROWTH


def test_scripts_in_names_do_not_run_in_pages(
    page: Any, model: Path, scripts: list[Path], tmp_path: Path, results: Results
) -> None:
    report, why = tmp_path / "page.html", tmp_path / "why.html"
    assert blur(scripts[0].parent, "--model", model, "--report", report).returncode == 0
    asked = invoked("explain", *scripts, "--model", model, "--no-grad-cam", "--output", why)
    assert asked.exit_code == 0
    for file in (report, why):
        page.goto(file.as_uri())
        page.wait_for_timeout(300)
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        assert page.evaluate("window.ran") is None
        assert "onerror=window.ran" in page.inner_text("body")
    results.append(("pages: names with HTML", 2 * len(scripts), 0, 0))
