"""No command uses the network, and no pickle is loaded from a user's folder."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blur_fusion.model.folder import FILES, MODEL
from export_project import make_project
from fake_classifier import album
from forked import WHOLE
from scan_command import ENVIRONMENT
from trees import REPOSITORY, Tree, write_photos

# Runs `blur` with an audit hook, inherited by forked processes: the first foreign address, and
# the first class that a pickle names, end the process with 99.
_WATCHED = """
import os, sys
LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None)
def foreign(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        return not isinstance(arguments[1], (str, bytes)) and arguments[1][0] not in LOCAL
    if event == "socket.getaddrinfo":
        return arguments[0] not in LOCAL
    return event == "pickle.find_class" and arguments[0] not in ALLOWED
def hook(event, arguments):
    if foreign(event, arguments):
        os.write(1, f"FORBIDDEN {event} {arguments}".encode())
        os._exit(99)
ALLOWED = set(sys.argv.pop(1).split())
sys.addaudithook(hook)
from blur_fusion.cli.main import main
main()
"""
# What process pools send.
OURS = "blur_fusion.scan.tasks blur_fusion.model.prediction blur_fusion.model.classifier pathlib"
OURS += " concurrent.futures.process builtins blur_fusion.images.photo"


def watched(*words: object, allowed: str = OURS) -> subprocess.CompletedProcess[bytes]:
    arguments = [sys.executable, "-c", _WATCHED, allowed, *map(str, words)]
    more = {"env": ENVIRONMENT, "cwd": REPOSITORY, "capture_output": True, "timeout": 300}
    return subprocess.run(arguments, check=False, **more)


def test_no_command_speaks_to_the_network(tmp_path: Path, model: Path, folder_tree: Tree) -> None:
    photos, own, out = album(tmp_path / "photos", 40)[0].parent, folder_tree(), tmp_path / "out"
    scan = ["scan", photos, "--model", model]
    commands = [
        [*scan, "--report", tmp_path / "page.html", "--cache", tmp_path / "cache"],
        ["scan", photos, "--copy", out, "--threshold", "0", "--tag"],
        ["explain", photos / "00.jpg", "--no-grad-cam", "--output", tmp_path],
        *(["test", own], ["data", "check", own], ["data", "fetch", "kwentar"], ["--version"]),
        ["data", "make", "three-class", own, tmp_path / "made"],
    ]
    if WHOLE:  # these start TensorFlow
        (tmp_path / "project").mkdir()
        project, preset = make_project(tmp_path / "project"), write_photos(tmp_path / "preset")
        export = ["export", out / "e", "--model-dir", project / "artifacts"]
        commands += [
            ["preset", "two-conv", "--data", preset, "--out", out / "p", "--images", "24"],
            [*export, "--params", project / "params.yaml"],
        ]
    for words in commands:
        ran = watched(*words)
        assert ran.returncode == 0, (words, ran.stdout[-300:], ran.stderr[-300:])
    fetch = ["data", "fetch", "certh", "--target", tmp_path / "certh"]
    ran = watched(*fetch, "--url", "http://192.0.2.1/certh.zip")
    assert ran.returncode == 99 and b"FORBIDDEN socket" in ran.stdout  # so the hook works
    (journal,) = out.glob("blur-journal-*")
    assert watched("undo", journal).returncode == 0


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (self.trace, 0o700)


@pytest.mark.parametrize("name", [*FILES, MODEL])
def test_no_pickle_is_read_from_a_model_folder(tmp_path: Path, model: Path, name: str) -> None:
    folder, trace = Path(shutil.copytree(model, tmp_path / "model")), tmp_path / "trace"
    (folder / name).write_bytes(pickle.dumps(Payload(trace)))
    (photo,) = album(tmp_path / "photos", 1)
    for words in (["scan", photo], ["explain", photo, "--no-grad-cam", "--output", tmp_path]):
        ran = watched(*words, "--model", folder, allowed="")
        assert ran.returncode in (1, 2) and ran.stderr.startswith(b"error: "), ran
        assert len(ran.stderr.splitlines()) == 1 and not trace.exists()


@pytest.mark.parametrize("command", ["scan", "data check", "test"])
def test_no_pickle_is_read_from_a_data_set(tmp_path: Path, folder_tree: Tree, command: str) -> None:
    own, trace = folder_tree(), tmp_path / "trace"
    for name in ("sharp/x.jpg", "sharp/x.pkl", "x.npy", "labels.pickle", "sharp/y.npz"):
        (own / name).write_bytes(pickle.dumps(Payload(trace)))
    ran = watched(*command.split(), own)
    assert ran.returncode in (0, 1) and not trace.exists()
