"""`BlurDetector` as callers of before know it; `blur_fusion.model.classifier` takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blur_fusion.images.photo import Photo
from blur_fusion.model import classifier
from blur_fusion.model.classifier import EXPOSURES, SHIPPED, exposure, laplacian_variance
from blur_fusion.model.prediction import Picture, Prediction

__all__ = ["EXPOSURES", "SHIPPED", "BlurDetector", "exposure", "laplacian_variance"]


class BlurDetector(classifier.BlurDetector):
    """With the methods of before."""

    @property
    def long_side(self) -> int:
        """Of working images."""
        return self.spec.side

    def judge(self, working: Any, path: str, size: tuple[int, int]) -> Prediction:
        """Judge a working image at hand."""
        return self.judge_all([Picture(working, path, size)])[0]

    def judge_all(self, pictures: Sequence[Picture]) -> list[Prediction]:
        """Judge a few working images at hand."""
        photos = []
        for picture in pictures:
            photo = Photo(picture.working, picture.path)
            photo.image(self.spec)
            photo.size = picture.size
            photos.append(photo)
        return self.predict(photos)

    def blur_map(self, working: Any) -> tuple[Any, ...]:
        """Local logits of blurred and their weights."""
        return self.network.maps(working)
