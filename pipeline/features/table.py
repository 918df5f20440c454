"""The one table of measures: name, function, source, levels, and how each answers to changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.features import measures, picture
from pipeline.features.pyramid import Pyramid
from pipeline.features.spectrum import PARTS, spectrum
from pipeline.features.tiles import Tiles


@dataclass(frozen=True)
class Measure:
    """One row of the table.

    Attributes
    ----------
    name : str
    function : callable
        From a pyramid and the number of a level to one value for every tile, or for the picture.
    source : str
    levels : tuple of int
        Pyramid levels on which it is taken, as far as `params.features.levels` has them.
    answer : int
        -1 falls and 1 grows as blur grows; 0 tells something else.
    contrast_free, brightness_free : bool
        Whether it ignores a change of contrast, or of brightness.
    tiled : bool
        One value for every tile, to be summarised by percentiles; otherwise for the picture.
    parts : tuple of str
        Names of the values of a measure that gives several for the picture.
    """

    name: str
    function: Callable[[Pyramid, int], Tiles]
    source: str
    levels: tuple[int, ...] = (0,)
    answer: int = -1
    contrast_free: bool = True
    brightness_free: bool = True
    tiled: bool = True
    parts: tuple[str, ...] = ()


_OWN = "this project"
MEASURES = (
    Measure(
        "laplacian_variance",
        measures.laplacian_variance,
        "Pech-Pacheco et al. 2000",
        contrast_free=False,
    ),
    Measure("laplacian_maximum", measures.laplacian_maximum, "Bansal et al. 2016"),
    Measure("laplacian_gradient", measures.laplacian_gradient, "Subbarao et al. 1993", (0, 1)),
    Measure("modified_laplacian", measures.modified_laplacian, "Nayar and Nakagawa 1994", (1,)),
    Measure("diagonal_laplacian", measures.diagonal_laplacian, "Thelen et al. 2009", (0, 1)),
    Measure("tenengrad", measures.tenengrad, "Tenenbaum 1970; Krotkov 1988"),
    Measure("brenner", measures.brenner, "Brenner et al. 1976"),
    Measure("haar_ratio", measures.haar_ratio, "Yang and Nelson 2003", (0, 1, 2)),
    Measure("spectral_slope", measures.spectral_slope, "Field and Brady 1997", answer=1),
    Measure("reblur", measures.reblur, "Crete et al. 2007", (0, 1, 2)),
    Measure("weakest_direction", measures.weakest_direction, _OWN, (0, 1)),
    Measure("direction_contrast", measures.direction_contrast, _OWN, (1,), answer=0),
    Measure("coherence", measures.coherence, "Bigun and Granlund 1987", (1,), answer=0),
    Measure("edge_width", measures.edge_width, "Zhuo and Sim 2011", (0, 1, 2), answer=1),
    Measure("direction_range", picture.direction_range, _OWN, (1,), answer=0, tiled=False),
    Measure(
        "spectrum",
        spectrum,
        "Stockham et al. 1975",
        (1, 2),
        answer=0,
        tiled=False,
        parts=PARTS,
    ),
    Measure(
        "noise_level",
        picture.noise_level,
        "Immerkaer 1996",
        answer=0,
        contrast_free=False,
        tiled=False,
    ),
    Measure(
        "content_share",
        picture.content_share,
        _OWN,
        answer=0,
        contrast_free=False,
        tiled=False,
    ),
    Measure(
        "saturation",
        picture.saturation,
        _OWN,
        answer=0,
        contrast_free=False,
        brightness_free=False,
        tiled=False,
    ),
    Measure("contrast", picture.contrast, _OWN, answer=0, contrast_free=False, tiled=False),
    Measure(
        "darkness",
        picture.darkness,
        _OWN,
        answer=0,
        contrast_free=False,
        brightness_free=False,
        tiled=False,
    ),
)
