"""Write release/dvc.yaml: the stages of dvc.yaml for the model that ships."""

from __future__ import annotations

from pathlib import Path

import yaml

PARAMS, ARTIFACTS, DATA = "release/params.yaml", "artifacts/release", "data/release"
HEADER = "# Written by make from the dvc.yaml above: change that one, or params.yaml beside this.\n"


def release_stages(text: str) -> str:
    """Turn the text of dvc.yaml into that of release/dvc.yaml."""
    for old in ("data/sample", "${dataset.root}/${dataset.name}"):
        text = text.replace(old, DATA)
    stages = yaml.safe_load(text.replace("artifacts/", f"{ARTIFACTS}/"))["stages"]
    for name, spec in stages.items():
        spec["cmd"] += f" {PARAMS} {DATA if name == 'sample' else ARTIFACTS}"
        spec |= {"wdir": "..", "params": [{PARAMS: spec["params"]}]}
    return HEADER + yaml.safe_dump({"stages": stages}, sort_keys=False, width=1000)


if __name__ == "__main__":
    print(release_stages(Path("dvc.yaml").read_text(encoding="utf-8")), end="")
