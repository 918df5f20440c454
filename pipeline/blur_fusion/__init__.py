"""Blur Fusion: tells blurred photos from sharp ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blur_fusion.model.detector import BlurDetector as BlurDetector
    from blur_fusion.model.prediction import Verdict as Verdict

__version__ = "0.1.0"
__all__ = ["BlurDetector", "Verdict", "__version__"]


def __getattr__(name: str) -> Any:
    """Import what judges photos when it is first asked for: OpenCV and onnxruntime take a while."""
    if name == "BlurDetector":
        from blur_fusion.model.detector import BlurDetector

        return BlurDetector
    if name == "Verdict":
        from blur_fusion.model.prediction import Verdict

        return Verdict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
