"""Stage `evaluate`: judge the test images once."""

from pathlib import Path

from blur_fusion.params import load_params
from stages import run


def main(params_file: str = "params.yaml", artifacts: str = "artifacts") -> None:
    """Write artifacts/evaluate, and the speed to artifacts/timings."""
    from blur_fusion.data.store import Store
    from blur_fusion.evaluation.report import OURS, as_json
    from blur_fusion.evaluation.run import evaluate
    from blur_fusion.model.classifier import load

    params, folder = load_params(params_file), Path(artifacts)
    store = Store.open(folder / "load")
    ours = {judge: load(folder / "fuse", judge=judge) for judge in OURS}
    history = folder / "cnn" / "history.csv"
    report, speed = evaluate(store, ours, params, folder / "evaluate", history)
    timing = {"images": report["dataset"]["images"], "images_per_second": speed}
    path = folder / "timings" / "evaluate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(timing), encoding="utf-8")


if __name__ == "__main__":
    run(main)
