"""Why a photo is judged as it is: blur map, Grad-CAM, kind and extent, focus measures."""

from pipeline.explain.explainer import Explainer, open_explainer
from pipeline.explain.explanation import Explanation

__all__ = ["Explainer", "Explanation", "open_explainer"]
