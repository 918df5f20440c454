"""Grid of tiles and percentiles over it; what `describe` refuses."""

from __future__ import annotations

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.features.summary import describe, tile_weights, weighted_percentiles
from blur_fusion.features.tiles import Grid, layout
from blur_fusion.params import load_params
from trees import REPOSITORY

PARAMS = load_params(REPOSITORY / "params.yaml").features


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32)])
def test_wrong_array_is_refused(image: np.ndarray) -> None:
    with pytest.raises(BlurError, match="give grey uint8"):
        describe(image, PARAMS)


def test_grid_covers_every_pixel_once() -> None:
    for height, width in ((100, 333), (16, 16), (17, 768), (5, 9)):
        grid = Grid.over(height, width, 8)
        tiles = [np.zeros((height, width))[place] for place in layout(grid, height, width).places]
        assert len(tiles) == grid.count and min(tile.size for tile in tiles) > 0
        assert sum(tile.size for tile in tiles) == height * width


def test_weighted_percentiles() -> None:
    levels = np.array([0.0, 25.0, 50.0, 100.0])
    ones = np.ones(5)
    found = weighted_percentiles(np.array([5.0, 1, 4, 2, 3]), ones, levels)
    assert found[2] == 3 and found[0] == 1 and found[3] == 5
    heavy = weighted_percentiles(np.array([1.0, 9.0, 500.0]), np.array([1.0, 98.0, 0.0]), levels)
    assert heavy[2] == pytest.approx(9.0, abs=0.1) and heavy[3] == 9.0
    assert (tile_weights(np.zeros(4)) == 1).all()
    assert (tile_weights(np.array([10.0, 1.0, 5.0])) == [10, 0, 5]).all()


@pytest.mark.parametrize("tiles", [1, 2, 5, 48])
def test_percentiles_of_all_rows_are_those_of_each(tiles: int) -> None:
    rng = np.random.default_rng(tiles)
    values, weights = rng.normal(size=(7, tiles)), rng.uniform(0.01, 1, tiles)
    levels = np.array([0.0, 10.0, 50.0, 99.9, 100.0])
    order = np.argsort(values, axis=1)
    expected = []
    for row, places in zip(values, order, strict=True):
        ranked = weights[places]
        middles = (np.cumsum(ranked) - ranked / 2) * (100 / weights.sum())
        expected.append(np.interp(levels, middles, row[places]))
    assert (weighted_percentiles(values, weights, levels) == np.array(expected)).all()
