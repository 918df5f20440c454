"""What the network that tells motion from defocus learns from."""

from __future__ import annotations

import numpy as np

from blur_fusion.fusion.dense import Inputs
from blur_fusion.fusion.stack import motion_logit
from blur_fusion.fusion.train import Table, kind_inputs

KINDS = np.array(["sharp", "defocus", "motion", "motion", "sharp", "defocus"])
SERIES_OF = np.array(["sharp", "motion", "defocus", ""])
STEPS, WIDTH = 3, 5


def made_up() -> tuple[Inputs, Table]:
    """Four training and two validation rows, every number its own."""
    train = np.array([True, True, True, True, False, False])
    labels = (KINDS != "sharp").astype(np.int64)
    numbers = iter(np.arange(10_000, dtype=np.float32))

    def block(*shape: int) -> np.ndarray:
        return np.array([next(numbers) for _ in range(int(np.prod(shape)))]).reshape(shape) ** 0.5

    table = Table(
        index=np.arange(6),
        labels=labels,
        train=train,
        logits=block(6, 4),
        measures=block(6, 1),
        names=("a",),
        kinds=KINDS,
        ranked_logits=block(4, STEPS, 4),
        ranked_measures=block(4, STEPS, 1),
        ranked_kinds=SERIES_OF,
        copied_logits=block(4, 4),
        copied_measures=block(4, 1),
    )
    rows = Inputs(
        values=block(4, WIDTH),
        base=block(4),
        labels=labels[train],
        ranked=block(4, STEPS, WIDTH),
        ranked_base=block(4, STEPS),
        copies=block(4, WIDTH),
        copies_base=block(4),
    )
    return rows, table


def test_blurred_training_rows_come_with_their_copies() -> None:
    rows, table = made_up()
    told = kind_inputs(rows, table)
    assert told.labels[:3].tolist() == [0, 1, 1]  # defocus, motion, motion
    assert (told.values[:3] == rows.values[1:4]).all()
    assert (told.copies[:3] == rows.copies[1:4]).all()
    assert np.allclose(told.base[:3], motion_logit(table.logits[1:4]))
    assert np.allclose(told.copies_base[:3], motion_logit(table.copied_logits[1:4]))


def test_only_series_of_images_known_not_to_have_moved_are_defocus() -> None:
    rows, table = made_up()
    told = kind_inputs(rows, table)
    blurred_further = rows.ranked[[0, 2], 1:].reshape(-1, WIDTH)
    assert (told.values[3:] == blurred_further).all()
    assert told.labels[3:].tolist() == [0] * len(blurred_further)
    guess = motion_logit(table.ranked_logits[[0, 2], 1:].reshape(-1, 4))
    assert np.allclose(told.base[3:], guess)


def test_nothing_is_ranked_by_kind() -> None:
    told = kind_inputs(*made_up())
    assert len(told.ranked) == 0 and len(told.labels) == len(told.copies) == len(told.base)
