"""Run by another interpreter: cleanvision's verdicts on a folder, as JSON.

`python rival_cleanvision.py FOLDER ANSWERS.json WORKERS`; imports nothing of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def main(folder: str, answers: str, workers: int) -> None:
    """Write whether each file, by name, is blurred: cleanvision's own threshold."""
    lab = importlib.import_module("cleanvision").Imagelab(data_path=folder)
    lab.find_issues({"blurry": {}}, n_jobs=workers, verbose=False)
    found = {
        os.path.basename(path): bool(blurred)
        for path, blurred in lab.issues["is_blurry_issue"].items()
    }
    with open(answers, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
