"""Training images in growing defocus: the stack learns their order, not only their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from pipeline.data.store import Store
from pipeline.images.reblur import blur_series

STEPS = 4  # pictures of a series: as it is, blurred, blurred more and more

Pixels = npt.NDArray[np.uint8]


def ranked_rows(store: Store, count: int, seed: int) -> npt.NDArray[np.int64]:
    """At most `count` training rows, drawn once for each seed, ascending."""
    train = np.flatnonzero(np.asarray(store.splits) == "train")
    drawn = np.random.default_rng([seed, 1]).permutation(train)[:count]
    return np.asarray(np.sort(drawn), dtype=np.int64)


def ranked_series(store: Store, rows: Iterable[int], seed: int) -> Iterator[Pixels]:
    """The pictures of `rows`, `STEPS` of each, less blurred first; the same for each seed."""
    for row in rows:
        rng = np.random.default_rng([seed, 2, int(row)])
        radii = float(np.exp(rng.uniform(np.log(1.5), np.log(8)))) * np.cumprod(
            [1.0, *rng.uniform(1.2, 2.0, STEPS - 2)]
        )
        noise = float(rng.uniform(0.3, 2.0))
        image = np.asarray(store.image(int(row)))
        yield from blur_series(image, (0.0, *radii.tolist()), noise, rng)
