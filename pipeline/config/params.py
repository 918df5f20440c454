"""Read params.yaml into frozen dataclasses; unknown names and wrong types get one clear line."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pipeline.config import sections
from pipeline.config.errors import BlurError, require


@dataclass(frozen=True)
class Params:
    """All parameters of a run, one section for each part of the pipeline."""

    seed: int
    dataset: sections.DatasetParams
    sample: sections.SampleParams
    image: sections.ImageParams
    split: sections.SplitParams
    load: sections.LoadParams
    compute: sections.ComputeParams
    cnn: sections.CnnParams
    features: sections.FeatureParams
    fuse: sections.FuseParams
    threshold: sections.ThresholdParams
    evaluate: sections.EvaluateParams


def _value(name: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`; whole numbers serve as floats, lists as tuples, nothing else is bent."""
    if get_origin(kind) is tuple:
        require(isinstance(value, list), f"params: {name} is {value!r}, must be a list")
        return tuple(_value(name, item, get_args(kind)[0]) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        raise BlurError(f"params: {name} is {value!r}, must be of type {kind.__name__}")
    return value


def _section(name: str, values: Any, kind: Any) -> Any:
    """Build the dataclass `kind` from the mapping `values`."""
    require(isinstance(values, dict), f"params: section '{name}' is missing or no mapping")
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    prefix = f"{name}." if name else ""
    for key in values:
        require(key in known, f"params: unknown name '{prefix}{key}'; known: {', '.join(known)}")
    for key in known:
        require(key in values, f"params: '{prefix}{key}' is missing")
    built = {}
    for key in known:
        hint = hints[key]
        nested = hasattr(hint, "__dataclass_fields__")
        build = _section if nested else _value
        built[key] = build(f"{prefix}{key}", values[key], hint)
    return kind(**built)


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read `path`.

    Raises
    ------
    BlurError
        The file is missing or no YAML, a name is unknown or missing, or a value impossible.
    """
    import yaml  # a detector that is told its params has no need of it

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; run from the project's folder") from None
    except yaml.YAMLError as error:
        raise BlurError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    params: Params = _section("", values, Params)
    return params
