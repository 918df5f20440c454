"""Blur Fusion: tells blurred photos from sharp ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blur_fusion.model.classifier import BlurDetector as BlurDetector
    from blur_fusion.model.classifier import load as load
    from blur_fusion.model.prediction import Prediction as Prediction
    from blur_fusion.model.prediction import Verdict as Verdict

__version__ = "0.1.0"
__all__ = ["BlurDetector", "Prediction", "Verdict", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import what judges photos when it is first asked for: OpenCV and onnxruntime take a while."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from blur_fusion.model import prediction

    if hasattr(prediction, name):
        return getattr(prediction, name)
    from blur_fusion.model import classifier

    return getattr(classifier, name)
