"""Workers that record their tasks and die at "poison"; imported by other processes."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

from blur_fusion.scan.tasks import Answer, JobSpec, Task, run_tasks


def run_and_tell(job: JobSpec, tasks: Sequence[Task]) -> list[list[Answer]]:
    """Append process and file of each task to the file `told` beside the photos."""
    if any("poison" in task.place for task in tasks):
        if multiprocessing.parent_process() is None:
            raise BrokenExecutor("here it would take the tests along")
        os._exit(1)  # as a decoder that crashes
    with (Path(tasks[0].place).parent / "told").open("a") as told:
        told.writelines(f"{os.getpid()} {task.place}\n" for task in tasks)
    return run_tasks(job, tasks)
