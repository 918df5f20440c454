"""The network as ONNX: its logits, and the maps that they come from."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline.config.errors import BlurError, require
from pipeline.fusion.model import LOGIT_NAMES
from pipeline.images import middle
from pipeline.networks.crops import SMALLEST, pad_to

IMAGE = "image"
LOGITS, LOCAL, ATTENTION = "logits", "local", "attention"

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class OnnxNetwork:
    """A network for `pipeline.fusion.predict.Detector`; several threads may use one at once.

    Parameters
    ----------
    content : bytes
        An ONNX file.
    name : str
        What messages call it.
    threads : int
        Threads of one call.

    Raises
    ------
    BlurError
        It is no ONNX, or the ONNX of something else.
    """

    def __init__(self, content: bytes, name: str, threads: int = 1) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it reports home unless told not to
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is wrong is said below, in one line
        options.enable_mem_pattern = False  # it would be kept for every size of image
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an exception class for every status
            line = " ".join(str(error).split())[:200]
            raise BlurError(f"{name}: no network that onnxruntime can load ({line})") from None
        inputs = {given.name: list(given.shape) for given in self._session.get_inputs()}
        outputs = {given.name: list(given.shape) for given in self._session.get_outputs()}
        fits = (
            set(inputs) == {IMAGE}
            and inputs[IMAGE][:2] == [1, 1]
            and {LOCAL, ATTENTION} <= outputs.keys()
            and outputs.get(LOGITS) == [1, len(LOGIT_NAMES)]
        )
        require(fits, f"{name}: other inputs or outputs than blur's network; export it anew")

    def _run(self, image: Pixels, outputs: list[str]) -> list[Floats]:
        batch = pad_to(image, SMALLEST)[None, None].astype(np.float32)
        found: list[Floats] = self._session.run(outputs, {IMAGE: batch})
        return found

    def logits(self, images: Iterable[Pixels]) -> Floats:
        """Logits (n, 4): blurred, sharp, defocus, motion, of the middles of grey uint8 images."""
        rows = [self._run(middle(image), [LOGITS])[0][0] for image in images]
        return np.asarray(rows, np.float32).reshape(-1, len(LOGIT_NAMES))

    def maps(self, image: Pixels) -> tuple[Floats, Floats]:
        """Where the verdict comes from.

        Parameters
        ----------
        image : ndarray of uint8, shape (h, w)

        Returns
        -------
        local : ndarray of float32, shape (ceil(h / s), ceil(w / s))
            Logit of blurred at each place, s pixels apart (the network's stride).
        attention : ndarray of float32, same shape
            What each place counts in the image's logit; sums to 1.
        """
        local, attention = self._run(image, [LOCAL, ATTENTION])
        return local, attention
