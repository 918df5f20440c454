"""`blur review`: decisions that survive everything, actions and their way back, refusals."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from pytest import MonkeyPatch

from blur_fusion.actions.journal import not_undone
from blur_fusion.app.decisions import DecisionFile
from blur_fusion.app.review import DECISIONS, Review, ReviewSettings, application, opened
from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Prediction
from scan_command import invoked, served
from trees import contents, write_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

for name in ("starlette", "uvicorn"):
    pytest.importorskip(name, reason="the extra 'review' is not installed")
from starlette.testclient import TestClient  # noqa: E402

EVIL = "<img src=x onerror=document.title=1>&amp;.jpg"


def records(path: Path) -> list[dict[str, str]]:
    return json.loads(path.read_text())["photos"]


def decided(path: Path) -> dict[str, str]:
    return {Path(one["path"]).name: one["decision"] for one in records(path)}


def files(folder: Path) -> dict[str, bytes]:
    """All but our own."""
    return {n: d for n, d in contents(folder).items() if "blur-" not in n}


def test_review_kill_review_apply_undo(browser: Browser, model: Path, tmp_path: Path) -> None:
    """By keyboard; what was decided outlives SIGKILL. One photo's name is HTML."""
    folder = tmp_path / "photos"
    pair = [write_photo(folder / f"{k}.jpg", k, k == 0, (160, 240)) for k in (0, 1)]
    for k in range(2, 40):
        os.link(pair[k % 2], folder / (EVIL if k == 39 else f"{k}.jpg"))
    before = contents(folder)
    page = browser.new_page()
    with served("review", folder, "--model", model, "--no-bursts") as (address, process):
        page.goto(address)
        page.locator("#status", has_text="of 40 flagged").wait_for()
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


@pytest.fixture(scope="module")
def review(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Review:
    folder = tmp_path_factory.mktemp("reviewed")
    write_photo(folder / "a.jpg", 1)
    write_photo(folder / "b.bmp", 2)
    (folder / "c.jpg").write_bytes(b"no photo")
    (folder.parent / "secret.jpg").write_bytes(b"secret")
    return opened(ReviewSettings(folder, model), warn=print)


@pytest.fixture
def client(review: Review) -> TestClient:
    return TestClient(application(review, "token"), "http://127.0.0.1:8000")


def test_only_the_secret_address_is_answered(client: TestClient) -> None:
    answer = client.get("/token/")
    assert answer.status_code == 200 and "a.jpg" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    for path, headers in (
        ("/", {}),
        ("/tokem/", {}),
        ("/token", {"host": "evil.example"}),
        ("/token/", {"host": "127.0.0.1.evil.example:8000"}),
        ("/token/photos/0/small", {"host": "192.168.0.2:8000"}),
        ("/token/", {"origin": "http://evil.example"}),
        ("/token/photos/0/whole", {"origin": "null"}),
        ("/photos/0/whole", {}),
    ):
        assert client.get(path, headers=headers).status_code == 403, (path, headers)
    for name in ("decisions", "plan", "apply", "undo"):
        foreign = {"origin": "http://127.0.0.1:8001"}
        assert client.post(f"/token/{name}", json={}, headers=foreign).status_code == 403
        assert client.post(f"/{name}", json={}).status_code == 403
        assert client.get(f"/token/{name}").status_code == 405
    own = {"origin": "http://127.0.0.1:8000"}
    assert client.get("/token/", headers=own).status_code == 200


def test_pictures_have_numbers_and_nothing_else_is_served(
    client: TestClient, review: Review
) -> None:
    for name in ("0/small", "0/whole", "1/small", "1/whole"):  # the second is a BMP
        answer = client.get(f"/token/photos/{name}")
        assert answer.status_code == 200 and answer.content.startswith(b"\xff\xd8\xff")
        assert answer.headers["content-type"] == "image/jpeg"
    first = Path(review.predictions[0].path)
    assert client.get("/token/photos/0/whole").content == first.read_bytes()
    assert client.get("/token/photos/0/map").content.startswith(b"\x89PNG")
    for name in ("small", "whole", "map"):
        assert client.get(f"/token/photos/2/{name}").status_code == 400  # no photo
        assert client.get(f"/token/photos/3/{name}").status_code == 400
    assert client.get("/token/photos/0/path").status_code == 400
    climbing = ("%2e%2e/secret.jpg", "..%2fsecret.jpg", "0/%2e%2e/%2e%2e/secret.jpg")
    for path in ("-1", *climbing, quote(str(first), safe="")):
        answer = client.get(f"/token/photos/{path}/whole")
        assert answer.status_code == 404 and b"secret" not in answer.content


def test_a_request_that_the_page_would_not_make_changes_nothing(
    client: TestClient, review: Review
) -> None:
    good = {"threshold": 0.5, "decisions": {"0": "k"}}
    assert client.post("/token/decisions", json=good).status_code == 200
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
        answer = client.post("/token/decisions", json=content)
        assert answer.status_code == 400 and len(answer.content) < 200
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        assert client.post("/token/decisions", content=body).status_code == 400
    for action in ("delete", "", 3, None):
        assert client.post("/token/apply", json={"action": action}).status_code == 400
    assert client.post("/token/undo", json={}).status_code == 400  # nothing was done
    assert review.decisions.path.read_bytes() == before


def test_undo_after_a_restart(model: Path, tmp_path: Path) -> None:
    """The journal is on disk; one of another folder is left alone."""
    for name in ("a.jpg", "b.jpg"):
        write_photo(tmp_path / "photos" / name, 1)
    settings, before = ReviewSettings(tmp_path / "photos", model), contents(tmp_path / "photos")
    first = opened(settings, warn=print)
    assert not first.apply("move", dry_run=True)["undo"]
    first.decide({0: "r"}, 0.5)
    assert first.apply("move", dry_run=False)["undo"]
    assert not_undone(tmp_path, [first.move]) == []
    again = opened(settings, warn=print)
    assert len(again.predictions) == 1 and not again.apply("move", dry_run=True)["apply"]
    said = again.undo()
    assert said["summary"] == "1 file put back" and not said["undo"]
    assert "started again" in said["lines"][0] and files(tmp_path / "photos") == before
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


def test_what_cannot_be_served_is_one_line(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for settings, line in (
        (ReviewSettings(tmp_path / "file"), "not a folder"),
        (ReviewSettings(tmp_path, decisions=tmp_path / "no" / "d.json"), "cannot be written"),
        (ReviewSettings(tmp_path, move=tmp_path), "holds the scanned folder"),
    ):
        with pytest.raises(BlurError, match=line):
            opened(settings, warn=print)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for end in ("try --port 0\n", "pip install 'blur-fusion[review]'\n"):
            ran = invoked("review", tmp_path, "--port", taken.getsockname()[1])
            assert (ran.exit_code, ran.stderr.count("\n")) == (1, 1) and ran.stderr.endswith(end)
            monkeypatch.setitem(sys.modules, "starlette", None)
