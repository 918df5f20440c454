"""Rooms import only earlier rooms; dvc.yaml lists what stages really import, and all use AVX2.

And release/dvc.yaml does so for the release, another run of the same stages.
"""

import ast
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion.errors import TRAIN_MODULES
from blur_fusion.model.provenance import OURS, RELEASE, flat_params, read_stages
from blur_fusion.model.release import ARTIFACTS, DATA, PARAMS, release_stages
from scan_command import run
from stages import PINNED
from tiny_project import TINY
from trees import REPOSITORY, contents

WRITTEN = (REPOSITORY / "dvc.yaml").read_text("utf-8")
STAGES: dict[str, Any] = yaml.safe_load(WRITTEN)["stages"]
LIBRARY = REPOSITORY / "pipeline" / "blur_fusion"
NATIVE = "pipeline/blur_fusion/native"
# They change how a run looks or ends, or DVC compares them by value.
EXEMPT = {LIBRARY / f"{name}.py" for name in ("errors", "startup", "params")}
ROOMS = (
    *("startup", "errors", "files", "params", "parallel", "native", "images", "data"),
    *("sample", "features", "cnn", "fusion", "model", "evaluation", "scan", "actions", "bursts"),
    *("personal", "explain", "report", "app", "presets", "cli"),
)


def outputs(spec: dict[str, Any]) -> list[str]:
    entries = [entry for part in ("outs", "metrics", "plots") for entry in spec.get(part, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below `node` except those for type checkers and lazy exports."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == "__getattr__":
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _executed(child)


def _file(module: str) -> Path | None:
    root = REPOSITORY / "pipeline" if module.startswith("blur_fusion") else REPOSITORY
    path = root.joinpath(*module.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def _named(nodes: Iterable[ast.AST]) -> set[str]:
    named: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.level == 0, "relative imports are not followed here"
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return named


def _imports(path: Path) -> set[str]:
    """Modules of the project that `path` imports anywhere, and their packages."""
    named = _named(_executed(ast.parse(path.read_text("utf-8"))))
    modules = {name for name in named if name.split(".")[0] in ("blur_fusion", "stages")}
    parents = {m.rsplit(".", depth)[0] for m in modules for depth in range(m.count(".") + 1)}
    return {module for module in modules | parents if _file(module)}


def reached(start: Path) -> set[Path]:
    """Files of the project that running `start` may import."""
    found, waiting = {start}, [start]
    while waiting:
        files = {_file(module) for module in _imports(waiting.pop())} - {None} - found
        found |= files
        waiting += files
    return found - {start}


def test_every_room_has_its_place() -> None:
    found = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py"}
    found |= {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert found - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_look_to_rooms_before(room: str) -> None:
    """Also within functions and for type checkers."""
    place = LIBRARY / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    named = {
        name for file in files for name in _named(ast.walk(ast.parse(file.read_text("utf-8"))))
    }
    words = [name.split(".") for name in named if name.startswith("blur_fusion.")]
    assert {parts[1] for parts in words} & set(ROOMS) <= {room, *ROOMS[: ROOMS.index(room)]}


def test_a_room_opens_with_a_docstring_alone() -> None:
    """So no stage needs to depend on it."""
    for path in LIBRARY.glob("*/__init__.py"):
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree) and len(tree.body) == 1, path
    assert all(path.is_file() for path in EXEMPT)


def test_five_stages_and_the_sample() -> None:
    assert list(STAGES) == ["sample", "load", "cnn", "features", "fuse", "evaluate"]
    for stage, spec in STAGES.items():
        assert spec["cmd"] == f"python -m stages.{stage}"
        assert {f"stages/{stage}.py", "stages/__init__.py"} <= set(spec["deps"])  # AVX2 alone


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_files_it_imports(stage: str) -> None:
    files = reached(REPOSITORY / f"stages/{stage}.py")
    names = {file.relative_to(REPOSITORY).as_posix() for file in files - EXEMPT}
    used = {NATIVE if name.startswith(NATIVE) else name for name in names}
    used = {name for name in used if not name.endswith("__init__.py")}
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline")}
    assert used - listed == set(), f"dvc.yaml: {stage} imports these, but does not depend on them"
    assert listed - used == set(), f"dvc.yaml: {stage} depends on these, but imports none of them"


WITHOUT_EXTRA = f"""
import sys
sys.modules.update(dict.fromkeys({TRAIN_MODULES}))
from importlib import import_module
from blur_fusion.errors import run
for stage in {list(STAGES)}:
    try:
        run(import_module(f"stages.{{stage}}").main)
    except SystemExit as ended:
        assert ended.code == 1
"""


def test_stages_name_the_missing_extra(tmp_path: Path) -> None:
    lines = run("-c", WITHOUT_EXTRA, cwd=tmp_path).stderr.splitlines()
    assert len(lines) == len(STAGES) and not list(tmp_path.iterdir())
    assert all(x.startswith("error: ") and "blur-fusion[train]" in x for x in lines)


def test_params_of_stages_are_the_leaves_of_params_yaml() -> None:
    used = {place for spec in STAGES.values() for place in spec["params"]}
    # The number of workers changes no byte; the report shows the worst errors.
    unused = {"compute.workers", "evaluate.worst_images"}
    assert used | unused == set(flat_params(REPOSITORY / "params.yaml")) and not used & unused


def test_a_users_data_set_is_no_output() -> None:
    for stage, spec in STAGES.items():
        for path in outputs(spec):
            own = "data/sample" if stage == "sample" else f"artifacts/{stage}"
            assert path == own or path.startswith(f"{own}/"), f"{stage} writes {path}"
    assert "${dataset.root}/${dataset.name}" in STAGES["load"]["deps"]


def test_the_release_is_of_the_same_stages() -> None:
    text = (REPOSITORY / RELEASE / "dvc.yaml").read_text("utf-8")
    assert text == release_stages(WRITTEN), "say make release/dvc.yaml"
    ours, theirs = (read_stages(REPOSITORY, folder) for folder in (OURS, RELEASE))
    for name, spec in theirs.items():
        place = DATA if name == "sample" else ARTIFACTS
        assert spec["cmd"] == f"{ours[name]['cmd']} {PARAMS} {place}" and spec["wdir"] == ".."
        assert spec["params"] == [{PARAMS: ours[name]["params"]}]
        assert all(path.startswith(place) for path in outputs(spec))
        moved = set(spec["deps"]) - set(ours[name]["deps"])
        assert all(path.startswith((DATA, ARTIFACTS)) for path in moved)
        kept = set(spec["deps"]) & set(ours[name]["deps"])
        assert all(path.startswith(("pipeline/", "stages/")) for path in kept)


def test_the_release_differs_in_its_budget_alone() -> None:
    ours, theirs = (flat_params(REPOSITORY / name) for name in ("params.yaml", PARAMS))
    changed = {name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)}
    budget = {"sample.training_scenes", "cnn.epochs", "cnn.steps_per_epoch"}
    assert changed == {"dataset.name", "fuse.epochs", *budget}
    assert all(theirs[name] > ours[name] for name in budget)
    assert f"{theirs['dataset.root']}/{theirs['dataset.name']}" == DATA


def test_stages_take_a_params_file_and_a_folder(tmp_path: Path) -> None:
    params = {**TINY, "dataset": {"name": "b", "root": "a"}}
    params["sample"] = {**TINY["sample"], "training_scenes": 6, "natural_scenes": 4}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for stage, folder in (("sample", "a/b"), ("load", "c/d")):
        run("-m", f"stages.{stage}", "other.yaml", folder, cwd=tmp_path)
    places = {"/".join(Path(path).parts[:3]) for path in contents(tmp_path)}
    sample = {f"a/b/{name}" for name in ("TrainingSet", "EvaluationSet", "scenes.csv")}
    assert places == {"other.yaml", "c/d/load", *sample}


def test_metrics_lie_in_git() -> None:
    runs = [read_stages(REPOSITORY, folder)["evaluate"] for folder in (OURS, RELEASE)]
    entries = [entry for spec in runs for entry in (*spec["outs"], *spec["metrics"])]
    options = dict(pair for entry in entries if isinstance(entry, dict) for pair in entry.items())
    uncached = [path for path, option in options.items() if option.get("cache") is False]
    assert {Path(path).name for path in uncached} == {"cnn.json", "fused.json", "metrics.json"}
    ignored = subprocess.run(["git", "check-ignore", "-q", *uncached], cwd=REPOSITORY)
    assert ignored.returncode != 0


def test_no_file_names_a_registry_or_this_machine() -> None:
    hosts = ["files.python" + "hosted", "py" + "pi.org", "artifact" + "ory", "--index" + "-url"]
    folders = ["/wo" + "rk/", "/ro" + "ot/", "/home" + "/"]
    pattern = "|".join([*map(re.escape, hosts), *(rf"(^|[^[:alnum:]_]){f}" for f in folders)])
    words = ["git", "grep", "-nIE", "--untracked", "-e", pattern]
    found = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    if found.returncode > 1:
        pytest.skip("no Git checkout")
    assert found.stdout == ""


SEEN = """
import stages
def seen():
    import cv2
    import numpy._core._multiarray_umath as umath
    wide = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    return wide, cv2.getCPUFeaturesLine().split()[-1], cv2.ipp.useIPP()
import joblib, json
worker = joblib.Parallel(n_jobs=2)(joblib.delayed(seen)() for _ in range(2))
print(json.dumps([seen(), *worker]))
"""
RENDERED = """
import stages, sys
from pathlib import Path
from blur_fusion.params import SampleParams
from blur_fusion.sample.tree import write_sample
write_sample(Path(sys.argv[1]), SampleParams(6, 4, 1, 256, 0.5), 3, 1)
"""
FORBIDDEN = {  # as if the processor lacked it, also for glibc's own functions
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ",
    "OPENBLAS_NUM_THREADS": "1",
}
CPU = Path("/proc/cpuinfo")
avx2 = pytest.mark.skipif(
    not CPU.is_file() or "avx2" not in CPU.read_text("utf-8"), reason="no Linux, or no AVX2"
)


def unpinned(code: str, *arguments: object, **environment: str) -> str:
    """What a program prints that chooses the instruction sets itself."""
    unset = dict.fromkeys([*PINNED, "OPENCV_CPU_DISABLE"])
    done = run("-c", code, *arguments, **{**unset, **environment})
    assert "OPENCV" not in done.stderr and "IPP" not in done.stderr
    return done.stdout


@avx2
def test_nothing_wider_than_avx2_runs_in_a_stage_or_its_workers() -> None:
    for wide, opencv, ipp in json.loads(unpinned(SEEN)):
        assert wide == ["X86_V3"]
        assert opencv.endswith("AVX512-SKX?")  # OpenCV's mark of unused features
        assert ipp is False


@avx2
def test_what_is_set_already_stays() -> None:
    code = "import os, stages; print(os.environ['ONEDNN_MAX_CPU_ISA'])"
    assert unpinned(code, ONEDNN_MAX_CPU_ISA="SSE41").strip() == "SSE41"


@avx2
def test_wider_vectors_change_no_rendered_byte(tmp_path: Path) -> None:
    allowed, forbidden = tmp_path / "allowed", tmp_path / "forbidden"
    unpinned(RENDERED, allowed)
    unpinned(RENDERED, forbidden, **FORBIDDEN)
    assert contents(allowed) == contents(forbidden) != {}
