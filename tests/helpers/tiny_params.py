"""Params of a stack small enough to be trained in a test."""

import dataclasses

from blur_fusion.params import Params, load_params
from trees import REPOSITORY

ROOT = REPOSITORY


def tiny_params() -> Params:
    params = load_params(ROOT / "params.yaml")
    small = {"hidden": (8, 4), "epochs": 20, "members": 2, "batch": 32, "base_dropout": 0.3}
    fuse = dataclasses.replace(params.fuse, **small)
    features = dataclasses.replace(params.features, levels=1, tiles=3, percentiles=(50.0,))
    return dataclasses.replace(params, fuse=fuse, features=features)
