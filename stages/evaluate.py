"""Stage evaluate: the test images, judged once; see `pipeline.evaluation.run`."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import load_params
from pipeline.config.running import run

ARTIFACTS = Path("artifacts")


def main() -> None:
    """Write `artifacts/evaluate`, and the speed where nothing depends on it."""
    from pipeline.data.store import Store
    from pipeline.evaluation.report import as_json
    from pipeline.evaluation.run import evaluate, write_evaluation
    from pipeline.fusion.predict import Detector

    params = load_params()
    store = Store.open(ARTIFACTS / "load")
    detector = Detector.load(ARTIFACTS / "cnn", ARTIFACTS / "fuse", params)
    evaluation = evaluate(store, detector, params)
    history = ARTIFACTS / "cnn" / "history.csv"
    write_evaluation(evaluation, store, params, ARTIFACTS / "evaluate", history)
    timing = {
        "images": len(evaluation.rows),
        "images_per_second": evaluation.images_per_second,
    }
    path = ARTIFACTS / "timings" / "evaluate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(timing), encoding="utf-8")


if __name__ == "__main__":
    run(main)
