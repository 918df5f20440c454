"""Run by another interpreter: another program's verdicts on a folder, as JSON.

`python peers.py PROGRAM FOLDER ANSWERS.json WORKERS`; imports nothing of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile

# fastdup's galleries show the images of least "blur", which has no threshold of its own.
FASTDUP_THRESHOLD = 150


def cleanvision(folder: str, workers: int) -> dict[str, bool]:
    """Whether each file is blurred: cleanvision's own threshold."""
    lab = importlib.import_module("cleanvision").Imagelab(data_path=folder)
    lab.find_issues({"blurry": {}}, n_jobs=workers, verbose=False)
    return {path: bool(blurred) for path, blurred in lab.issues["is_blurry_issue"].items()}


def fastdup(folder: str, workers: int) -> dict[str, bool]:
    """Whether each file is blurred: Laplacian variance below the threshold."""
    with tempfile.TemporaryDirectory() as work:
        run = importlib.import_module("fastdup").create(work_dir=work, input_dir=folder)
        run.run(num_threads=workers)
        rows = run.img_stats()
    pairs = zip(rows["filename"], rows["blur"], strict=True)
    return {name: float(blur) < FASTDUP_THRESHOLD for name, blur in pairs}


PEERS = {"cleanvision": cleanvision, "fastdup": fastdup}

if __name__ == "__main__":
    program, where, answers, count = sys.argv[1:]
    found = PEERS[program](where, int(count))
    with open(answers, "w", encoding="utf-8") as file:
        json.dump({os.path.basename(path): blurred for path, blurred in found.items()}, file)
