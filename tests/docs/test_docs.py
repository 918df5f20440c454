"""README, CONTRIBUTING, docs: code runs, generated parts are current, links work."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from blur_fusion.cli.main import blur
from blur_fusion.errors import BlurError
from docs import generate
from scan_command import ENVIRONMENT, path_of_programs, run
from trees import REPOSITORY, write_photo

PAGES = [*generate.pages(), *(REPOSITORY / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY"))]
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in PAGES]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TARGETS = re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
# Commands that install, train or need a network are not run; only their names are checked.
ELSEWHERE = ("git", "pip", "pipx", "pre-commit", "uv", "uvx", "dvc", "cd")


def blocks(name: str, *languages: str) -> list[str]:
    text = (REPOSITORY / name).read_text("utf-8")
    return [code for language, code in BLOCK.findall(text) if language in languages]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with the photos that the pages mention."""
    home = tmp_path_factory.mktemp("home")
    for number, place in enumerate((".", "Photos", "Photos/2026")):
        write_photo(home / place / "a.jpg", number, size=(300, 400))
        write_photo(home / place / "b.jpg", number, blurred=True, size=(300, 400))
    for label in ("sharp", "blurred"):
        shutil.copytree(home / "Photos", home / "labelled" / label)
    shutil.copy(REPOSITORY / "params.yaml", home)
    return home


@pytest.mark.parametrize("name", NAMES)
def test_what_is_generated_is_current(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)  # where `blur preset` finds presets
    text = (REPOSITORY / name).read_text("utf-8")
    assert generate.filled(text) == text, "run `make docs`"


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (REPOSITORY / name).read_text("utf-8")):
        assert "://" in target or (REPOSITORY / name).parent.joinpath(target).exists(), target


@pytest.mark.parametrize(
    "name", [name for name in NAMES if blocks(name, "python") and name != "CONTRIBUTING.md"]
)
def test_python_runs(name: str, sandbox: Path) -> None:
    for code in blocks(name, "python"):
        run("-c", code, cwd=sandbox)


def _elsewhere(words: list[str]) -> None:
    for extras in re.findall(r"blur-fusion\[([\w,]+)\]", " ".join(words)):
        project = (REPOSITORY / "pyproject.toml").read_text("utf-8")
        assert all(f"\n{extra} = [" in project for extra in extras.split(","))
    if words[0] == "make":
        assert not set(words[1:2]) - set(TARGETS), words
    elif words[0] == "python":
        assert importlib.util.find_spec(words[words.index("-m") + 1]) is not None
    else:
        assert words[0] in ELSEWHERE, words


@pytest.mark.parametrize("name", [name for name in NAMES if blocks(name, "console")])
def test_commands_run(name: str, sandbox: Path) -> None:
    path = path_of_programs(sandbox / "bin")
    environment = ENVIRONMENT | {"HOME": str(sandbox), "PATH": path, "PYTHONHASHSEED": "0"}
    before = set(sandbox.iterdir())
    for line in "".join(blocks(name, "console")).splitlines():
        command = line.split(" #")[0].strip().replace(".venv/bin/", "")
        words = command.split()
        if not words:
            continue
        if words[0] not in ("blur", "find"):
            _elsewhere(words)
            continue
        if words[:2] == ["blur", "export"]:  # as if a model had been trained
            shutil.copytree(generate.LIBRARY / "model" / "shipped", sandbox / words[2])
            continue
        if words[1] in ("app", "review"):  # they serve until Ctrl-C
            command += " --help"
        place = {"cwd": sandbox, "env": environment, "timeout": 300}
        ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, **place)
        allowed = {0, 3} if "--fail-on-blurred" in words else {0}
        assert ran.returncode in allowed, f"{command}\n{ran.stdout}{ran.stderr}"
    for path in set(sandbox.iterdir()) - before:  # each page begins with the same folder
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_settings_of_the_quality_gate() -> None:
    hook, action = map(yaml.safe_load, blocks("docs/quality-gate.md", "yaml"))
    (asked,) = hook["repos"][0]["hooks"]
    (known,) = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert asked["id"] == known["id"]
    given = action["jobs"]["photos"]["steps"][-1]["with"]
    inputs = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))["inputs"]
    assert set(given) <= set(inputs)


def test_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text("utf-8").splitlines()) <= 130


def test_each_promise_names_its_test() -> None:
    """In docs/reliability.md."""
    text = (REPOSITORY / "docs/reliability.md").read_text("utf-8")
    rows = [row for row in re.findall(r"^\| .*", text, re.MULTILINE) if "| promise" not in row]
    assert len(rows) >= 25
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"\ndef {test}(" in (REPOSITORY / file).read_text("utf-8"), f"{file}::{test}"


def test_every_option_that_is_named_is_there() -> None:
    """Options of `blur`, in all pages but the generated one, outside code blocks."""
    known = {word for words in generate._commands(blur) for word in _options(words)}
    for name in NAMES:
        text = BLOCK.sub("", (REPOSITORY / name).read_text("utf-8"))
        for option in re.findall(r"`(?:blur [\w ]*)?(--[a-z][a-z-]*)", text):
            assert option in known, f"{name}: {option}"


def _options(words: tuple[str, ...]) -> set[str]:
    command = blur
    for word in words:
        command = command.commands[word]
    return {"--help", *(opt for p in command.params for opt in (*p.opts, *p.secondary_opts))}


def test_a_part_that_nobody_writes_is_told() -> None:
    with pytest.raises((BlurError, KeyError)):
        generate.filled("<!-- generated: nonsense -->\n<!-- end -->\n")
