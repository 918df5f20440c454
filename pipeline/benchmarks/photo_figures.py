"""Figures of merit on real photos: pooled, by set, by kind, and along focus stacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from pipeline.config.errors import require
from pipeline.data.dataset import LabelledImage
from pipeline.evaluation.intervals import scene_codes, scene_weights, weighted_auc
from pipeline.evaluation.kinds import measure_kinds
from pipeline.evaluation.metrics import Floats, Ints, counts
from pipeline.evaluation.shares import cell
from pipeline.fusion.model import JUDGES
from pipeline.fusion.predict import Scores

FALSE_ALARMS = 0.01
OF_KNOWN_KIND = ("kwentar", "certh_digital")


def weighted_recall(labels: Ints, scores: Floats, weights: Floats, rate: float) -> Floats:
    """Recall where at most a share `rate` of the sharp images is flagged, for many weightings.

    The lowest threshold that flags at most `floor(rate * sharp)` sharp images lies just above the
    score of the next one; sharp images of equal score are flagged together or not at all.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    scores : ndarray of float, shape (n,)
    weights : ndarray of float, shape (r, n)
        How often each image counts.
    rate : float

    Returns
    -------
    ndarray of float, shape (r,)
        NaN where a weighting holds one class only.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, truth, values = weights[:, order], labels[order] == 1, scores[order]
    sharp = np.where(truth, 0.0, ranked)
    allowed = np.floor(rate * sharp.sum(axis=1) + 1e-9)
    beyond = np.cumsum(sharp, axis=1) > allowed[:, None]
    first = np.argmax(beyond, axis=1)  # the sharp image whose score is the threshold
    flagged = values[None, :] > values[first][:, None]
    found = np.where(flagged & truth[None, :], ranked, 0.0).sum(axis=1)
    blurred = ranked[:, truth].sum(axis=1)
    defined = (blurred > 0) & beyond.any(axis=1)
    return np.where(defined, found / np.maximum(blurred, 1), np.nan)


def ranking_scores(scores: Scores) -> dict[str, Floats]:
    """Scores by which each judge ranks photos; the fused one's logit is finer near 0 and 1."""
    return {"cnn": scores.cnn, "features": scores.features, "fused": scores.logit}


def pooled(
    photos: Sequence[LabelledImage], ranking: dict[str, Floats], resamples: int, seed: int
) -> dict[str, Any]:
    """AUC and recall at `FALSE_ALARMS` of each judge, with intervals resampled by scene.

    Parameters
    ----------
    photos : sequence of LabelledImage, length n
    ranking : dict of ndarray of float, shape (n,)
    resamples, seed : int

    Returns
    -------
    dict
        `photos`, `blurred`, `scenes`, `may_be_flagged`, and for each judge `auc` and `recall`
        (value, low, high).

    Raises
    ------
    BlurError
        The photos hold one class only.
    """
    labels = np.array([photo.label for photo in photos], dtype=np.int64)
    require(set(labels.tolist()) == {0, 1}, "real photos: sharp and blurred ones are needed")
    codes = scene_codes([photo.key for photo in photos])
    blocks = list(scene_weights(codes, resamples, seed))
    once = np.ones((1, len(labels)))
    found: dict[str, Any] = {
        "photos": len(labels),
        "blurred": int(labels.sum()),
        "scenes": len(set(codes.tolist())),
        "may_be_flagged": int(np.floor(FALSE_ALARMS * (labels == 0).sum() + 1e-9)),
    }
    for judge, values in ranking.items():
        areas = [weighted_auc(labels, values, block) for block in blocks]
        recalls = [weighted_recall(labels, values, block, FALSE_ALARMS) for block in blocks]
        area = float(weighted_auc(labels, values, once)[0])
        recall = float(weighted_recall(labels, values, once, FALSE_ALARMS)[0])
        found[judge] = {
            "auc": cell(area, np.concatenate(areas)),
            "recall": cell(recall, np.concatenate(recalls)),
        }
    return found


def by_set(photos: Sequence[LabelledImage], scores: Scores) -> dict[str, dict[str, Any]]:
    """Blurred and found, sharp and flagged of each judge at its own threshold, set by set."""
    labels = np.array([photo.label for photo in photos], dtype=np.int64)
    sets = np.array([photo.subset for photo in photos])
    verdicts = {j: getattr(scores, j) >= scores.thresholds[j] for j in JUDGES}
    return {
        str(name): {j: counts(labels[sets == name], verdicts[j][sets == name]) for j in JUDGES}
        for name in dict.fromkeys(sets.tolist())
    }


def by_kind(
    photos: Sequence[LabelledImage], scores: Scores, resamples: int, seed: int
) -> dict[str, Any]:
    """Kinds named by the fused judge on the sets of known kind: see `measure_kinds`."""
    found = {}
    for name in OF_KNOWN_KIND:
        rows = [place for place, photo in enumerate(photos) if photo.subset == name]
        if rows:
            codes = scene_codes([photos[row].key for row in rows])
            known, named = [photos[row].kind for row in rows], [scores.kind[row] for row in rows]
            found[name] = measure_kinds(known, named, codes, resamples, seed)
    return found


def along_stack(steps: Sequence[int], logits: Floats) -> dict[str, Any]:
    """How the fused logit follows the defocus of one scene.

    Parameters
    ----------
    steps : sequence of int, length n
    logits : ndarray of float, shape (n,)

    Returns
    -------
    dict
        `images`; `spearman`, the rank correlation with the absolute step (None where undefined);
        `in_order`, whether each larger absolute step has larger logits than all smaller ones;
        `steps` and `logits` themselves.
    """
    out = np.abs(np.array(steps))
    varied = len(set(out.tolist())) > 1 and len(set(logits.tolist())) > 1
    correlation = float(spearmanr(out, logits).statistic) if varied else None
    levels = np.unique(out)
    pairs = zip(levels, levels[1:], strict=False)
    grows = all(logits[out == near].max() < logits[out == far].min() for near, far in pairs)
    return {
        "images": len(out),
        "spearman": correlation,
        "in_order": grows,
        "steps": [int(step) for step in steps],
        "logits": [float(logit) for logit in logits],
    }


def wrongly_judged(photos: Sequence[LabelledImage], scores: Scores) -> list[dict[str, Any]]:
    """Photos that the fused judge gets wrong at its own threshold, with all probabilities."""
    verdicts = scores.fused >= scores.thresholds["fused"]
    return [
        {
            "set": photo.subset,
            "name": photo.name,
            "label": photo.label,
            **{judge: float(getattr(scores, judge)[place]) for judge in JUDGES},
        }
        for place, photo in enumerate(photos)
        if bool(verdicts[place]) != bool(photo.label)
    ]
