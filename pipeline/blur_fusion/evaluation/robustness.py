"""How often verdicts flip when a picture is resized, compressed, turned or captioned."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.split import Row
from blur_fusion.errors import require
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.metrics import Flags, Floats, Ints
from blur_fusion.images.photo import Photo, working_image
from blur_fusion.images.resize import area_average
from blur_fusion.model.classifier import Classifier
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params

Picture = npt.NDArray[np.uint8]
Random = np.random.Generator

JUDGES = ("fused", "cnn", "features", "laplacian")
UNPERTURBED = "unperturbed"
KNOWN = ("name", "label", "subset", "scene", "kind")  # of an image, in CSV files
HEADER = (
    *("index", *KNOWN, "perturbation"),
    *(f"{judge}_{what}" for judge in JUDGES for what in ("score", "verdict", "flips")),
)

_FULL_SIZE = 1 << 30  # longer than any picture, so none is shrunk
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPTIONS = ("Harbour at dawn, 12 May", "Photo: archive, no. 4711", "Summer journey, day 3")
_WATERMARKS = ("(c) J. Miller", "SAMPLE", "www.example.org")
_OPACITY = 0.4  # of a watermark
_MARGIN = 2  # pixels that cubic interpolation looks beyond the crop


def resized(picture: Picture, random: Random, scale: float) -> npt.NDArray[Any]:
    """Area averaging down, cubic interpolation up."""
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale <= 1:
        return area_average(picture, size)
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


def noisy(picture: Picture, random: Random, sigma: float) -> npt.NDArray[Any]:
    """Gaussian noise, the same in all channels, so that grey has `sigma` too."""
    noise = random.standard_normal(picture.shape[:2], dtype=np.float32) * np.float32(sigma)
    plane = np.rint(noise).astype(np.int16)
    return cv2.add(picture, cv2.merge([plane] * 3), dtype=cv2.CV_8U)


def jpeg(picture: Picture, random: Random, quality: int) -> npt.NDArray[Any]:
    """Saved again with OpenCV's defaults (chroma at half size)."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def toned(picture: Picture, random: Random, factor: float, centre: float) -> npt.NDArray[Any]:
    """Grey levels pulled towards `centre`: 128 changes contrast, 0 brightness."""
    levels = np.rint(centre + (np.arange(256) - centre) * factor)
    return cv2.LUT(picture, levels.astype(np.uint8))


def grey(picture: Picture, random: Random) -> npt.NDArray[Any]:
    """Grey in all three channels (ITU-R BT.601)."""
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def turned(picture: Picture, random: Random, quarters: int) -> npt.NDArray[Any]:
    """Turned anticlockwise by right angles."""
    return np.rot90(picture, quarters)


def tilted(picture: Picture, random: Random, degrees: float) -> npt.NDArray[Any]:
    """Turned by a few degrees and cropped to the same proportions, without corners."""
    height, width = picture.shape[:2]
    angle = np.deg2rad(degrees)
    proportion = max(width / height, height / width)
    share = 1 / (np.cos(angle) + abs(np.sin(angle)) * proportion)
    inner = [max(1, int(side * share) - 2 * _MARGIN) for side in (width, height)]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    turn[:, 2] += [(inner[0] - width) / 2, (inner[1] - height) / 2]
    return cv2.warpAffine(picture, turn, inner, flags=cv2.INTER_CUBIC)


def framed(picture: Picture, random: Random, share: float) -> npt.NDArray[Any]:
    """A black, grey or white border, `share` of the long side wide."""
    wide = max(1, round(max(picture.shape[:2]) * share))
    level = int(random.choice((0, 128, 255)))
    edges = (wide, wide, wide, wide)
    return cv2.copyMakeBorder(picture, *edges, cv2.BORDER_CONSTANT, value=(level,) * 3)


def _written(text: str, height: int, width: int) -> Picture:
    """White text on black, as large as fits."""
    (across, tall), below = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = min(0.9 * width / across, 0.8 * height / (tall + below))
    stroke = max(1, round(1.6 * scale))
    (across, tall), below = cv2.getTextSize(text, _FONT, scale, stroke)
    plane = np.zeros((height, width), np.uint8)
    corner = ((width - across) // 2, (height + tall - below // 2) // 2)
    cv2.putText(plane, text, corner, _FONT, scale, 255, stroke, cv2.LINE_AA)
    return plane


def captioned(picture: Picture, random: Random) -> Picture:
    """A plain strip with sharp text over the lower edge, 8 % of the height."""
    height, width = picture.shape[:2]
    strip = min(height, max(8, round(0.08 * height)))
    text = _written(_CAPTIONS[random.integers(len(_CAPTIONS))], strip, width)
    result = picture.copy()
    result[-strip:] = (text if random.random() < 0.5 else 255 - text)[:, :, None]
    return result


def watermarked(picture: Picture, random: Random) -> Picture:
    """Half-transparent white text somewhere, half as wide and 10 % as high as the picture."""
    height, width = picture.shape[:2]
    tall, across = min(height, max(8, height // 10)), max(1, width // 2)
    text = _written(_WATERMARKS[random.integers(len(_WATERMARKS))], tall, across)
    top, left = random.integers(height - tall + 1), random.integers(width - across + 1)
    result = picture.copy()
    part = result[top : top + tall, left : left + across]
    cover = (_OPACITY / 255 * text)[:, :, None]
    part[:] = np.rint(part * (1 - cover) + 255 * cover).astype(np.uint8)
    return result


@dataclass(frozen=True)
class Perturbation:
    """One row of the robustness table.

    Attributes
    ----------
    name : str
    function : callable
        From an RGB picture of uint8, shape (H, W, 3), and a random generator to another picture.
    scale : float
        Intended change of the sides.
    """

    name: str
    function: Callable[[Picture, Random], npt.NDArray[Any]]
    scale: float = 1.0

    def fits(self, shape: tuple[int, ...], long_side: int) -> bool:
        """Whether a picture that is resized stays at or above the working size `long_side`."""
        return self.scale == 1 or round(max(shape[:2]) * min(1.0, self.scale)) >= long_side

    def apply(self, picture: Picture, seed: int, index: int) -> Picture:
        """The perturbed picture; random numbers depend only on `seed`, `index` and `name`.

        `index` is the image's number in the data set. `picture` stays as it is.
        """
        random = np.random.default_rng([seed, index, zlib.crc32(self.name.encode())])
        return np.ascontiguousarray(self.function(picture, random), dtype=np.uint8)


PERTURBATIONS = (
    *(Perturbation(f"size {p} %", partial(resized, scale=p / 100), p / 100) for p in (50, 75, 150)),
    *(Perturbation(f"noise {sigma}", partial(noisy, sigma=sigma)) for sigma in (3, 8)),
    *(Perturbation(f"jpeg {value}", partial(jpeg, quality=value)) for value in (40, 60, 80, 95)),
    Perturbation("half contrast", partial(toned, factor=0.5, centre=128)),
    Perturbation("half brightness", partial(toned, factor=0.5, centre=0)),
    Perturbation("grey", grey),
    Perturbation("turned 90", partial(turned, quarters=1)),
    Perturbation("turned 180", partial(turned, quarters=2)),
    Perturbation("turned 5", partial(tilted, degrees=5)),
    Perturbation("border", partial(framed, share=0.03)),
    Perturbation("caption", captioned),
    Perturbation("watermark", watermarked),
)


@dataclass(frozen=True)
class Trials:
    """What each of j judges says of n images, unperturbed and perturbed.

    Attributes
    ----------
    rows : list of Row, length n
    index, codes : ndarray of int, shape (n,)
        Numbers of the images in the data set, and of their scenes.
    names : tuple of str, length 1 + p
        `UNPERTURBED`, then each perturbation.
    made : ndarray of bool, shape (n, 1 + p)
        False where a picture is too small for the perturbation.
    scores : ndarray of float, shape (n, 1 + p, j)
        In the order of `JUDGES`: P(blurred); the variance of laplacian.
    verdicts : ndarray of bool, shape (n, 1 + p, j)
        True is blurred.
    """

    rows: list[Row]
    index: Ints
    codes: Ints
    names: tuple[str, ...]
    made: Flags
    scores: Floats
    verdicts: Flags

    @property
    def flips(self) -> Flags:
        """Whether each verdict differs from that on the unperturbed picture."""
        return np.asarray(self.made[..., None] & (self.verdicts != self.verdicts[:, :1]))


def choose_images(labels: Ints, codes: Ints, count: int, seed: int) -> Ints:
    """At most `count` images, half of each class, and at most one of each class per scene.

    Where one class has too few scenes, the other does not fill up.

    Parameters
    ----------
    labels, codes : ndarray of int, shape (n,)
        Labels and scene numbers.
    count, seed : int

    Returns
    -------
    ndarray of int, shape (m,), ascending
    """
    chosen = []
    for label, wanted in ((0, count // 2), (1, count - count // 2)):
        members = np.flatnonzero(labels == label)
        alone = members[metrics.one_per_scene(codes[members], seed)]
        chosen.append(np.random.default_rng([seed, label]).permutation(alone)[:wanted])
    return np.sort(np.concatenate(chosen))


def run_trials(
    rows: Sequence[Row],
    index: Ints,
    judges: Mapping[str, Classifier],
    params: Params,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
) -> Trials:
    """Judge `evaluate.robustness_images` images as they are and perturbed.

    Parameters
    ----------
    rows : sequence of Row, length n
        To choose from; the files are read in colour at full size.
    index : ndarray of int, shape (n,)
        Their numbers in the data set.
    judges : mapping of Classifier
        `JUDGES`.
    params : Params
    perturbations : sequence of Perturbation

    Raises
    ------
    BlurError
        There is no image, or a file is unreadable.
    """
    require(len(rows) > 0, "robustness: no test image to perturb; give the data set more scenes")
    labels, codes = metrics.labels_of(rows), metrics.scenes_of(rows)
    some = choose_images(labels, codes, params.evaluate.robustness_images, params.seed)
    scores = np.zeros((len(some), 1 + len(perturbations), len(JUDGES)))
    verdicts = np.zeros(scores.shape, dtype=np.bool_)
    made = np.zeros(scores.shape[:2], dtype=np.bool_)

    def tried(place: int) -> None:
        path, number = rows[some[place]].path, int(index[some[place]])
        picture = working_image(path, _FULL_SIZE, colour=True)
        for column, one in enumerate((None, *perturbations)):
            if one and not one.fits(picture.shape, params.image.long_side):
                continue
            photo = Photo(one.apply(picture, params.seed, number) if one else picture, str(path))
            made[place, column] = True
            said = metrics.readable(judges[judge].predict(photo)[0] for judge in JUDGES)
            verdicts[place, column] = [one.blurred for one in said]
            scores[place, column, :-1] = [one.probability for one in said[:-1]]
            scores[place, column, -1] = said[-1].laplacian_variance

    done = ordered_map(tried, range(len(some)), params.compute.workers)
    list(shown(done, len(some), "robustness"))
    names = (UNPERTURBED, *(one.name for one in perturbations))
    chosen = [rows[place] for place in some]
    return Trials(chosen, index[some], codes[some], names, made, scores, verdicts)


def measure_flips(trials: Trials, resamples: int, seed: int) -> dict[str, Any]:
    """Flip rates of each judge, with 95 % intervals on common resamples of scenes.

    Returns
    -------
    dict
        `images`: sharp, blurred, scenes. `perturbations`: a list of dicts with `name`, `images`,
        and for each judge `value`, `low`, `high` (of the rate), `flips`, and these flips split
        into `sharp_flagged`, `blurred_missed` and `put_right`. `mean`: the mean rate of each judge
        over the perturbations that were made. `fused_to_laplacian`: the ratio of these means.
    """
    labels, counted = metrics.labels_of(trials.rows), trials.made[:, 1:]
    flips, said = trials.flips[:, 1:], trials.verdicts[:, 1:]
    blurred = (labels == 1)[:, None, None]
    causes = {
        "flips": flips,
        "sharp_flagged": flips & ~blurred & said,
        "blurred_missed": flips & blurred & ~said,
        "put_right": flips & (said == blurred),
    }
    named = zip(trials.names[1:], counted.sum(axis=0).tolist(), strict=True)
    table: list[dict[str, Any]] = [{"name": name, "images": images} for name, images in named]
    means = {}
    for place, judge in enumerate(JUDGES):
        rates = metrics.proportions(flips[..., place], counted, trials.codes, resamples, seed)
        for number, row in enumerate(table):
            split = {name: int(of[:, number, place].sum()) for name, of in causes.items()}
            row[judge] = {**metrics.estimate(rates[:, number]), **split}
        means[judge] = metrics.ratio(np.nansum(rates, axis=1), np.isfinite(rates).sum(axis=1))
    sharp, soft = (int((labels == label).sum()) for label in (0, 1))
    return {
        "images": {"sharp": sharp, "blurred": soft, "scenes": len(np.unique(trials.codes))},
        "perturbations": table,
        "mean": {judge: metrics.estimate(means[judge]) for judge in JUDGES},
        "fused_to_laplacian": metrics.estimate(metrics.ratio(means["fused"], means["laplacian"])),
    }


def known(row: Row) -> list[object]:
    """The columns `KNOWN` of an image."""
    return [getattr(row, name) for name in KNOWN]


def trial_rows(trials: Trials) -> Iterator[list[object]]:
    """The lines of robustness.csv: one for each picture judged, unperturbed ones too."""
    for place, column in np.argwhere(trials.made):
        line = [int(trials.index[place]), *known(trials.rows[place]), trials.names[column]]
        said = trials.scores, trials.verdicts.astype(int), trials.flips.astype(int)
        for one in zip(*(values[place, column].tolist() for values in said), strict=True):
            line += one
        yield line
