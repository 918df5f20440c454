"""Run by another interpreter: fastdup's verdicts on a folder, as JSON.

`python rival_fastdup.py FOLDER ANSWERS.json WORKERS`; imports nothing of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile

THRESHOLD = 150  # its galleries show the images of least "blur", which has no threshold of its own


def main(folder: str, answers: str, workers: int) -> None:
    """Write whether each file, by name, is blurred: Laplacian variance below the threshold."""
    with tempfile.TemporaryDirectory() as work:
        fastdup = importlib.import_module("fastdup").create(work_dir=work, input_dir=folder)
        fastdup.run(num_threads=workers)
        rows = fastdup.img_stats()
    found = {
        os.path.basename(name): float(blur) < THRESHOLD
        for name, blur in zip(rows["filename"], rows["blur"], strict=True)
    }
    with open(answers, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
