"""`blur review`: decisions that survive everything, actions and their way back, refusals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from blur_fusion.actions.journal import not_undone
from blur_fusion.app.decisions import DecisionFile
from blur_fusion.app.review import DECISIONS, Review, ReviewSettings, application, opened
from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Prediction
from scan_command import python, served
from trees import contents, write_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("starlette", reason="starlette, of the extra 'review', is not installed")
pytest.importorskip("uvicorn", reason="uvicorn, of the extra 'review', is not installed")

EVIL = "<img src=x onerror=document.title=1>&amp;.jpg"


def records(path: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(path.read_text())["photos"]
    return found


def decided(path: Path) -> dict[str, str]:
    return {Path(one["path"]).name: one["decision"] for one in records(path)}


def test_review_kill_review_apply_undo(browser: Browser, model: Path, tmp_path: Path) -> None:
    """By keyboard, 300 photos, one whose name is HTML; what was decided outlives SIGKILL."""
    folder = tmp_path / "photos"
    pair = [write_photo(folder / f"{k}.jpg", k, k == 0, (160, 240)) for k in (0, 1)]
    for k in range(2, 300):
        os.link(pair[k % 2], folder / (EVIL if k == 299 else f"{k}.jpg"))
    before = contents(folder)
    page = browser.new_page()
    with served("review", folder, "--model", model, "--no-bursts") as (address, process):
        page.goto(address)
        page.locator("#status", has_text="of 300 flagged").wait_for()
        for key in "rkrkxu":
            page.keyboard.press(key)
        page.locator("#status", has_text="2 kept, 2 rejected").wait_for()
        page.wait_for_load_state("networkidle")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        page.keyboard.press("k")
        page.locator("#trouble", has_text="not saved yet: 1 (").wait_for()
    page.close()
    assert sorted(decided(folder / DECISIONS).values()) == ["keep", "keep", "reject", "reject"]
    rejected = [name for name, word in decided(folder / DECISIONS).items() if word == "reject"]
    page = browser.new_page()
    with served("review", folder, "--model", model, "--no-bursts") as (address, _):
        page.goto(address)
        page.locator("#status", has_text="2 kept, 2 rejected").wait_for()
        page.keyboard.press("End")
        assert EVIL in page.locator(".tile .name").all_inner_texts()
        assert page.title() == f"Review of {folder}"
        page.keyboard.press("a")
        page.locator("#summary", has_text="2 files would be moved").wait_for()
        plan = page.locator("#plan li").all_inner_texts()
        assert all(f"move {folder / name} -> " in " ".join(plan) for name in rejected)
        assert files(folder) == before
        page.get_by_role("button", name="Do it").click()
        page.locator("#summary", has_text="2 files moved").wait_for()
        left = {name: data for name, data in before.items() if name not in rejected}
        moved = {f"rejected/{name}": before[name] for name in rejected}
        assert files(folder) == left | moved
        page.get_by_role("button", name="Undo what was done").click()
        page.locator("#summary", has_text="2 files put back").wait_for()
        assert files(folder) == before
    page.close()


def files(folder: Path) -> dict[str, bytes]:
    """All but our own."""
    return {n: d for n, d in contents(folder).items() if "blur-" not in n}


Answer = tuple[int, dict[bytes, bytes], bytes]


def answered(
    review: Review, path: str, body: bytes | None = None, host: str = "127.0.0.1:80", **more: str
) -> Answer:
    """What the server answers: status, headers, body."""
    headers = {"host": host, **more}.items()
    scope = {
        "type": "http",
        "method": "GET" if body is None else "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    sent: list[dict[str, Any]] = []
    parts = iter([{"type": "http.request", "body": body or b""}])

    async def receive() -> dict[str, Any]:
        for part in parts:
            return part
        return await asyncio.Future()  # the browser stays

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asked = application(review, "token")(scope, receive, send)
    with ThreadPoolExecutor(1) as thread:  # as this one may be Playwright's
        thread.submit(asyncio.run, asked).result()
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), content


@pytest.fixture(scope="module")
def review(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Review:
    folder = tmp_path_factory.mktemp("reviewed")
    write_photo(folder / "a.jpg", 1)
    write_photo(folder / "b.bmp", 2)
    (folder / "c.jpg").write_bytes(b"no photo")
    (folder.parent / "secret.jpg").write_bytes(b"secret")
    return opened(ReviewSettings(folder, model), warn=print)


def test_only_the_secret_address_is_answered(review: Review) -> None:
    status, headers, page = answered(review, "/token/")
    assert status == 200 and b"a.jpg" in page
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"referrer-policy"] == b"no-referrer"
    for path, more in (
        ("/", {}),
        ("/tokem/", {}),
        ("/token", {"host": "evil.example"}),
        ("/token/", {"host": "127.0.0.1.evil.example:80"}),
        ("/token/photos/0/small", {"host": "192.168.0.2:80"}),
        ("/token/", {"origin": "http://evil.example"}),
        ("/token/photos/0/whole", {"origin": "null"}),
        ("/photos/0/whole", {}),
    ):
        assert answered(review, path, **more)[0] == 403, (path, more)
    for name in ("decisions", "plan", "apply", "undo"):
        foreign = answered(review, f"/token/{name}", b"{}", origin="http://127.0.0.1:81")
        assert foreign[0] == 403 and answered(review, f"/{name}", b"{}")[0] == 403
        assert answered(review, f"/token/{name}")[0] == 405
    assert answered(review, "/token/", origin="http://127.0.0.1:80")[0] == 200


def test_pictures_have_numbers_and_nothing_else_is_served(review: Review) -> None:
    for number, begin in ((0, b"\xff\xd8\xff"), (1, b"\xff\xd8\xff")):
        for what in ("small", "whole"):
            status, headers, data = answered(review, f"/token/photos/{number}/{what}")
            assert status == 200 and data.startswith(begin)
            assert headers[b"content-type"] == b"image/jpeg"
    first = Path(review.predictions[0].path)
    assert answered(review, "/token/photos/0/whole")[2] == first.read_bytes()
    assert answered(review, "/token/photos/0/map")[2].startswith(b"\x89PNG")
    for what in ("small", "whole", "map"):
        assert answered(review, f"/token/photos/2/{what}")[0] == 400  # no photo
        assert answered(review, f"/token/photos/3/{what}")[0] == 400
    assert answered(review, "/token/photos/0/path")[0] == 400
    for path in ("-1", "../secret.jpg", "..%2fsecret.jpg", "0/../../secret.jpg", str(first)):
        status, _, data = answered(review, f"/token/photos/{path}/whole")
        assert status == 404 and b"secret" not in data


def test_a_request_that_the_page_would_not_make_changes_nothing(review: Review) -> None:
    good = {"threshold": 0.5, "decisions": {"0": "k"}}
    assert answered(review, "/token/decisions", json.dumps(good).encode())[0] == 200
    before = review.decisions.path.read_bytes()
    for content in (
        {**good, "decisions": {"3": "k"}},
        {**good, "decisions": {"-1": "k"}},
        {**good, "decisions": {"0": "delete"}},
        {**good, "decisions": ["r"]},
        {**good, "threshold": 2},
        {**good, "threshold": None},
        {},
        [],
        {**good, "more": "x" * (1 << 22)},
    ):
        status, _, line = answered(review, "/token/decisions", json.dumps(content).encode())
        assert status == 400 and len(line) < 200
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        assert answered(review, "/token/decisions", body)[0] == 400
    for action in ("delete", "", 3, None):
        body = json.dumps({"action": action}).encode()
        assert answered(review, "/token/apply", body)[0] == 400
    assert answered(review, "/token/undo", b"{}")[0] == 400  # nothing was done
    assert review.decisions.path.read_bytes() == before


def test_undo_after_a_restart(model: Path, tmp_path: Path) -> None:
    """The journal is on disk; one of another folder is left alone."""
    for name in ("a.jpg", "b.jpg"):
        write_photo(tmp_path / "photos" / name, 1)
    settings = ReviewSettings(tmp_path / "photos", model)
    before = contents(tmp_path / "photos")
    first = opened(settings, warn=print)
    assert not first.apply("move", dry_run=True)["undo"]
    first.decide({0: "r"}, 0.5)
    assert first.apply("move", dry_run=False)["undo"]
    assert not_undone(tmp_path, [first.move]) == []
    again = opened(settings, warn=print)
    assert len(again.predictions) == 1 and not again.apply("move", dry_run=True)["apply"]
    said = again.undo()
    assert said["summary"] == "1 file put back" and not said["undo"]
    assert "started again" in said["lines"][0]
    assert files(tmp_path / "photos") == before
    last = opened(settings, warn=print)
    assert not last.apply("move", dry_run=True)["undo"]
    last.apply("rate", dry_run=False)
    said = opened(settings, warn=print).undo()
    assert said["summary"] == "1 file put back" and said["lines"] == []
    assert files(tmp_path / "photos") == before


def predictions(folder: Path, *names: str) -> list[Prediction]:
    return [Prediction(str(folder / name), True, 0.9, "motion", 2.0) for name in names]


def test_decisions_of_others_stay(tmp_path: Path) -> None:
    """Of photos that are gone, and of a second window or program."""
    path = tmp_path / "d.json"
    first = DecisionFile(path, tmp_path, predictions(tmp_path, "a", "b", os.fsdecode(b"c\xe9")))
    assert not path.exists()
    first.decide({0: "k", 2: "r"}, 0.5)
    second = DecisionFile(path, tmp_path, predictions(tmp_path, "b"))
    assert second.letters() == "-"
    second.decide({0: "r"}, 0.95)
    assert first.letters() == "k-r"
    first.decide({0: "-"}, 0.5)
    assert first.letters() == "-rr"
    assert decided(path) == {"b": "reject", os.fsdecode(b"c\xe9"): "reject"}
    assert [one["verdict"] for one in records(path)] == ["blurred", "sharp"]


def test_decisions_follow_a_folder_that_was_moved(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    DecisionFile(old / "d.json", old, predictions(old, "a", "b")).decide({1: "r"}, 0.5)
    old.rename(new)
    found = DecisionFile(new / "d.json", new, predictions(new, "a", "b"))
    assert found.letters() == "-r"
    found.decide({0: "k"}, 0.5)
    assert {one["path"] for one in records(new / "d.json")} == {str(new / "a"), str(new / "b")}


@pytest.mark.parametrize("content", ["", "mine", "{}", "[]", '{"photos": [{"path": "a"}]}'])
def test_a_file_that_holds_no_decisions_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / DECISIONS
    path.write_text(content)
    with pytest.raises(BlurError, match="does not hold decisions of blur; choose another"):
        opened(ReviewSettings(tmp_path), warn=print)
    assert contents(tmp_path) == {DECISIONS: content.encode()}


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for settings, line in (
        (ReviewSettings(tmp_path / "file"), "not a folder"),
        (ReviewSettings(tmp_path, decisions=tmp_path / "no" / "d.json"), "cannot be written"),
        (ReviewSettings(tmp_path, move=tmp_path), "holds the scanned folder"),
    ):
        with pytest.raises(BlurError, match=line):
            opened(settings, warn=print)
    code = """
import socket, sys
from blur_fusion.cli.main import blur
taken = socket.create_server(("127.0.0.1", 0))
words = ["review", sys.argv[1], "--port", str(taken.getsockname()[1])]
for more in ([], ["starlette", "uvicorn"]):
    sys.modules.update(dict.fromkeys(more))
    sys.stderr = sys.stdout
    try:
        blur(words)
    except SystemExit as end:
        print(end.code)
"""
    said = python(code, tmp_path).splitlines()
    assert said[0].endswith("try --port 0") and said[1] == "1"
    assert said[2].endswith("pip install 'blur-fusion[review]'") and said[3:] == ["1"]
