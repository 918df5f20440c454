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
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion import __version__
from scan_command import ENVIRONMENT, path_of_programs
from trees import REPOSITORY, copy_checkout, write_photo

BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


def _run(words: list[object], **more: Any) -> str:
    ran = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, **more)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("package")
    checkout = copy_checkout(folder / "checkout", ":!tests", ":!benchmarks")
    _run([sys.executable, "-c", BUILD, "build_sdist", folder], cwd=checkout)
    (archive,) = folder.glob("*.tar.gz")
    assert archive.name == f"blur_fusion-{__version__}.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "sdist", filter="data")
    return folder / "sdist" / f"blur_fusion-{__version__}"


def _environment(folder: Path, wheel: Path) -> Path:
    """An environment with the wheel alone, which also sees this one's packages."""
    _run([sys.executable, "-m", "venv", "--without-pip", folder])
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--no-index"]
    _run([*install, "--no-deps", "--python", python, wheel])
    (site,) = folder.glob("lib/python*/site-packages")
    # Its .pth files, and so the editable installation, are not followed from there.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


@pytest.mark.parametrize("compiler", ["", "false"], ids=["C compiler", "no C compiler"])
def test_the_wheel_judges_where_nothing_else_is(sdist: Path, compiler: str, tmp_path: Path) -> None:
    if not compiler and not shutil.which("cc"):
        pytest.skip("no C compiler")
    source = shutil.copytree(sdist, tmp_path / "source")
    environment = {**os.environ, "CC": compiler} if compiler else None
    _run([sys.executable, "-c", BUILD, "build_wheel", tmp_path], cwd=source, env=environment)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("blur_fusion/native/kernels.") for name in names) != bool(compiler)
    assert {name.split("/")[0] for name in names} == {
        "blur_fusion",
        f"blur_fusion-{__version__}.dist-info",
    }
    programs = _environment(tmp_path / "environment", wheel)
    photo = write_photo(tmp_path / "a.jpg", 1, blurred=True, size=(640, 960))
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    here = {"cwd": tmp_path, "env": clean}
    (row,) = json.loads(_run([programs / "blur", "scan", photo, "--format", "json"], **here))
    assert row["error"] is None and row["blurred"] is True
    _run([programs / "blur", "scan", photo, "--report", "page.html"], **here)
    assert "<html" in (tmp_path / "page.html").read_text("utf-8")
    code = "import blur_fusion.native.library as n; print(n.__file__, n.library() is not None)"
    where, compiled = _run([programs / "python", "-c", code], **here).split()
    assert Path(where).is_relative_to(tmp_path) and compiled == str(not compiler)


def test_pre_commit_reads_the_hook_and_it_fails_on_blurred_photos(tmp_path: Path) -> None:
    from pre_commit.clientlib import load_manifest

    (hook,) = load_manifest(REPOSITORY / ".pre-commit-hooks.yaml")
    program, *words = hook["entry"].split()
    assert (program, hook["language"]) == ("blur", "python")
    write_photo(tmp_path / "a.jpg", 1, size=(640, 960))
    write_photo(tmp_path / "b.jpg", 1, blurred=True, size=(640, 960))
    for photos, code in ((["a.jpg"], 0), (["a.jpg", "b.jpg"], 3)):
        asked = [sys.executable, "-m", "blur_fusion.cli.main", *words, *photos]
        ran = subprocess.run(asked, cwd=tmp_path, env=ENVIRONMENT, check=False)
        assert ran.returncode == code


def test_the_action_fails_on_blurred_photos(tmp_path: Path) -> None:
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))
    step = action["runs"]["steps"][-1]
    assert action["runs"]["using"] == "composite" and step["shell"] == "bash"
    given = {key: spec.get("default", "") for key, spec in action["inputs"].items()}
    write_photo(tmp_path / "my photos" / "a.jpg", 1, size=(640, 960))
    write_photo(tmp_path / "more" / "b.jpg", 1, blurred=True, size=(640, 960))
    path = path_of_programs(tmp_path / "bin")
    for paths, options, code in (
        ("my photos", "", 0),
        ("my photos\nmore", "", 3),
        ("my photos\nmore", "--threshold 1", 0),
    ):
        asked = given | {"paths": paths, "options": options}
        filled = {
            name: asked[value.removeprefix("${{ inputs.").removesuffix(" }}")]
            for name, value in step["env"].items()
        }
        environment = ENVIRONMENT | filled | {"PATH": path}
        ran = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            **{"cwd": tmp_path, "env": environment, "check": False},
        )
        assert ran.returncode == code


def test_versions_and_pythons_agree() -> None:
    import tomllib

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
