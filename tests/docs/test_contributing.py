"""The examples of CONTRIBUTING work, in a copy: a measure, a reader, a preset."""

import re
from pathlib import Path

from scan_command import run
from trees import REPOSITORY, copy_checkout

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
STEP = re.compile(r"`([\w/.-]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHANGES = {
    title: STEP.findall(body)
    for title, body in re.findall(r"^## (Add .*?)\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
}


def test_they_work_as_described(tmp_path: Path) -> None:
    """All three at once: they are independent."""
    assert [title.split()[2] for title in CHANGES] == ["focus", "reader", "preset"]
    copy = copy_checkout(tmp_path, "pipeline", "presets", "stages", "tests", ":(glob)*")
    tests = []
    for (target, code), (test, checks) in CHANGES.values():
        fresh = not (copy / target).exists()
        with (copy / target).open("a", encoding="utf-8") as file:
            file.write(code if fresh else f"\n\n{code}")
        (copy / test).write_text(checks, "utf-8")
        tests.append(test)
    (measures, _), (layouts, _) = (steps[0] for steps in list(CHANGES.values())[:2])
    lint = ["-m", "ruff", "check", "-q", "--config", "pyproject.toml"]
    run(*lint, measures, layouts, *tests, cwd=copy)
    measured = ["test_names_table", "test_answers_as_blur_grows", "test_ignores"]
    chosen = " or ".join((*measured, "test_it", "name_is"))
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    words += ["tests/features/test_features.py", "-k", chosen]
    ran = run(*words, cwd=copy, PYTHONPATH=None)
    assert int(re.findall(r"(\d+) passed", ran.stdout)[0]) >= 8
