"""`python peers.py PROGRAM FOLDER ANSWERS.json WORKERS`: other programs' verdicts as JSON.

Run by an interpreter that has those programs, but not ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

FASTDUP_THRESHOLD = 150  # ours: fastdup ranks images by "blur", and has no threshold


def cleanvision(folder: str, workers: int) -> dict[str, bool]:
    """Whether each file is blurred by cleanvision's own threshold."""
    lab = importlib.import_module("cleanvision").Imagelab(data_path=folder)
    lab.find_issues({"blurry": {}}, n_jobs=workers, verbose=False)
    return {path: bool(blurred) for path, blurred in lab.issues["is_blurry_issue"].items()}


def fastdup(folder: str, workers: int) -> dict[str, bool]:
    """Whether the Laplacian variance of each file is below the threshold."""
    with tempfile.TemporaryDirectory() as work:
        run = importlib.import_module("fastdup").create(work_dir=work, input_dir=folder)
        run.run(num_threads=workers)
        rows = run.img_stats()
    pairs = zip(rows["filename"], rows["blur"], strict=True)
    return {name: float(blur) < FASTDUP_THRESHOLD for name, blur in pairs}


def decode(folder: str, workers: int, flag: str = "IMREAD_GRAYSCALE") -> dict[str, bool]:
    """Decode each file with OpenCV, and call none blurred."""
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    with ThreadPoolExecutor(workers) as pool:
        read = pool.map(lambda path: cv2.imread(path, getattr(cv2, flag)) is not None, paths)
        return {path: False for path, done in zip(paths, read, strict=True) if done}


Program = Callable[[str, int], dict[str, bool]]
PEERS: dict[str, Program] = {"cleanvision": cleanvision, "fastdup": fastdup}
DECODING: dict[str, Program] = {
    "decoding": decode,
    "decoding at half": partial(decode, flag="IMREAD_REDUCED_GRAYSCALE_2"),
}

if __name__ == "__main__":
    program, where, answers, count = sys.argv[1:]
    found = (PEERS | DECODING)[program](where, int(count))
    with open(answers, "w", encoding="utf-8") as file:
        json.dump({os.path.basename(path): blurred for path, blurred in found.items()}, file)
