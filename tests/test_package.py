"""Wheel and sdist: built, installed into an empty environment and used, with and without C.

And what other programs use: the hook for pre-commit, the action, the citation.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion import __version__
from scan_command import ENVIRONMENT, path_of_programs, run
from trees import REPOSITORY, copy_checkout, write_photo

BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


def _run(words: list[object], **more: Any) -> str:
    ran = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, **more)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    checkout = copy_checkout(folder / "checkout", ":!tests", ":!benchmarks")
    _run([sys.executable, "-c", BUILD, "build_sdist", folder], cwd=checkout)
    (archive,) = folder.glob("*.tar.gz")
    assert archive.name == f"blur_fusion-{__version__}.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "sdist", filter="data")
    return folder / "sdist" / f"blur_fusion-{__version__}"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A sharp photo in a folder, a blurred one in another."""
    write_photo(tmp_path / "my photos/a.jpg", 1, size=(640, 960))
    write_photo(tmp_path / "more/b.jpg", 1, blurred=True, size=(640, 960))
    return tmp_path


@pytest.mark.parametrize("compiler", ["", "false"], ids=["C compiler", "no C compiler"])
def test_the_wheel_judges_where_nothing_else_is(sdist: Path, compiler: str, photos: Path) -> None:
    if not compiler and not shutil.which("cc"):
        pytest.skip("no C compiler")
    source = shutil.copytree(sdist, photos / "source")
    environment = {**os.environ, "CC": compiler} if compiler else None
    _run([sys.executable, "-c", BUILD, "build_wheel", photos], cwd=source, env=environment)
    (wheel,) = photos.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("blur_fusion/native/kernels.") for name in names) != bool(compiler)
    folders = {name.split("/")[0] for name in names}
    assert folders == {"blur_fusion", f"blur_fusion-{__version__}.dist-info"}
    # An environment with the wheel alone, which also sees this one's packages; .pth files there,
    # and so the editable installation, are not followed.
    folder = photos / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", folder])
    install = [sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--no-index"]
    _run([*install, "--no-deps", "--python", folder / "bin/python", wheel])
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    here = {"cwd": photos, "env": clean}
    words = [folder / "bin/blur", "scan", "more", "--format", "json", "--report", "page.html"]
    (row,) = json.loads(_run(words, **here))
    assert row["error"] is None and row["blurred"] is True
    assert "<html" in (photos / "page.html").read_text("utf-8")
    code = "import blur_fusion.native.library as n; print(n.__file__, n.library() is not None)"
    where, compiled = _run([folder / "bin/python", "-c", code], **here).split()
    assert Path(where).is_relative_to(photos) and compiled == str(not compiler)


def test_pre_commit_reads_the_hook_and_it_fails_on_blurred_photos(photos: Path) -> None:
    from pre_commit.clientlib import load_manifest

    (hook,) = load_manifest(REPOSITORY / ".pre-commit-hooks.yaml")
    program, *words = hook["entry"].split()
    assert (program, hook["language"]) == ("blur", "python")
    for names, fails in ((["my photos/a.jpg"], False), (["my photos/a.jpg", "more/b.jpg"], True)):
        ran = run("-m", "blur_fusion.cli.main", *words, *names, cwd=photos, fails=fails)
        assert ran.returncode == (3 if fails else 0)


@pytest.mark.parametrize(
    ("paths", "options", "code"),
    [("my photos", "", 0), ("my photos\nmore", "", 3), ("my photos\nmore", "--threshold 1", 0)],
)
def test_the_action_fails_on_blurred_photos(
    photos: Path, paths: str, options: str, code: int
) -> None:
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))
    step = action["runs"]["steps"][-1]
    assert action["runs"]["using"] == "composite" and step["shell"] == "bash"
    given = {key: spec.get("default", "") for key, spec in action["inputs"].items()}
    given |= {"paths": paths, "options": options}
    filled = {
        name: given[value.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, value in step["env"].items()
    }
    environment = ENVIRONMENT | filled | {"PATH": path_of_programs(photos / "bin")}
    words = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
    assert subprocess.run(words, cwd=photos, env=environment).returncode == code


def test_versions_and_pythons_agree() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    assert citation["version"] == __version__ and f"## [{__version__}] - " in changelog
    assert f"## [{__version__}] - {citation['date-released']}\n" in changelog
    assert citation["license"] == project["license"] == "MIT"
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text("utf-8"))
    tried = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    declared = [name.split(" :: ")[-1] for name in project["classifiers"] if "3." in name]
    assert tried == declared == ["3.11", "3.12", "3.13"]
