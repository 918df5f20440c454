"""Run the pipeline's stages in folders of their own; what is done there is not done again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blur_fusion.errors import BlurError, require
from blur_fusion.model.provenance import dvc_digest

ROOT = Path(__file__).resolve().parents[1]  # where `stages` are imported from
# What a trained model depends on; an edit of anything else changes none of its figures.
CODE = (*("config", "synthesis", "overlays", "data", "images", "networks", "features", "fusion"),)
MARKERS, LOGS, SAMPLE = "done", "logs", "data/sample"


@dataclass(frozen=True)
class Step:
    """One command: `python -m module arguments`, known by `name`.

    `discards` is a folder that no later step needs.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    discards: str = ""


def stage(name: str) -> Step:
    """The stage `name` of the pipeline; the sample is not needed once `load` has stored it."""
    return Step(name, f"stages.{name}", discards=SAMPLE if name == "load" else "")


def code_digest() -> str:
    """Digest of the code that a trained model depends on."""
    parts = [dvc_digest(ROOT / "pipeline" / name) for name in CODE]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def with_seed(text: str, seed: int) -> str:
    """The text of a params.yaml with another seed; all else, comments too, stays."""
    changed, count = re.subn(r"(?m)^seed:.*$", f"seed: {seed}", text)
    require(count == 1, f"params: {count} lines begin with 'seed:', needs one")
    return changed


def read_params_text(path: Path) -> str:
    """The text of `path`, of an embedded data set's run.

    Raises
    ------
    BlurError
        It is no valid params.yaml, or names another data set.
    """
    from blur_fusion.params import load_params

    dataset = load_params(path).dataset
    chosen = f"{dataset.root}/{dataset.name}"
    require(chosen == SAMPLE, f"{path}: names {chosen}; this needs the embedded {SAMPLE}")
    return path.read_text(encoding="utf-8")


def prepare(folder: Path, params_text: str) -> None:
    """Make `folder` with its params.yaml.

    Raises
    ------
    BlurError
        It holds another params.yaml: a run of both would be a run of neither.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "params.yaml"
    if path.is_file():
        same = path.read_text(encoding="utf-8") == params_text
        require(same, f"{path}: differs from the parameters asked for; name another folder")
    path.write_text(params_text, encoding="utf-8")


def _marker(folder: Path, name: str) -> Path:
    return folder / MARKERS / f"{name}.json"


def is_done(folder: Path, name: str) -> bool:
    """Whether the step `name` ran to its end in `folder`."""
    return _marker(folder, name).is_file()


def forget(folder: Path, names: Sequence[str]) -> None:
    """Have the steps `names` run again."""
    for name in names:
        _marker(folder, name).unlink(missing_ok=True)


def mark_done(folder: Path, name: str, code: str) -> None:
    """Note that `name` has run, and with which code."""
    path = _marker(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"code": code}) + "\n", encoding="utf-8")


def codes_of(folder: Path) -> set[str]:
    """Digests of the code that the steps done in `folder` ran with."""
    paths = sorted((folder / MARKERS).glob("*.json"))
    return {str(json.loads(path.read_text(encoding="utf-8"))["code"]) for path in paths}


def _environment() -> dict[str, str]:
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [f"{ROOT}/pipeline", str(ROOT), path])),
        "PYTHONHASHSEED": "0",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }


def run_steps(folder: Path, steps: Sequence[Step]) -> None:
    """Run those of `steps` that are not done in `folder`, in order, each in its own process.

    Once one has run, all after it run too: they read what it wrote. Output goes to
    `logs/<name>.txt`, progress to stderr.

    Raises
    ------
    BlurError
        A step failed; it and those after it run again next time.
    """
    for place, step in enumerate(steps):
        if not is_done(folder, step.name):
            forget(folder, [later.name for later in steps[place:]])
            code = code_digest()
            _run(folder, step)
            mark_done(folder, step.name, code)
        if step.discards:
            shutil.rmtree(folder / step.discards, ignore_errors=True)


def _run(folder: Path, step: Step) -> None:
    log = folder / LOGS / f"{step.name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", step.module, *step.arguments]
    with log.open("w", encoding="utf-8") as file:
        ended = subprocess.run(words, cwd=folder, env=_environment(), stdout=file, check=False)
    if ended.returncode:
        raise BlurError(f"{folder}: {step.name} ended with status {ended.returncode}; see {log}")


def run_from_sample(folder: Path, steps: Sequence[Step]) -> None:
    """Run `steps`, of which the first renders the sample; see :func:`run_steps`.

    The sample is rendered again where `load` needs it and it is gone.
    """
    if not is_done(folder, "load") and not (folder / SAMPLE).is_dir():
        forget(folder, [steps[0].name])
    run_steps(folder, steps)
