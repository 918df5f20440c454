"""The CNN in onnxruntime: its logits, and the maps behind them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.cnn.spectra import local_spectra
from blur_fusion.errors import BlurError, require
from blur_fusion.fusion.stack import LOGIT_NAMES
from blur_fusion.images.photo import center_crop
from blur_fusion.images.resize import SMALLEST_INPUT, pad_to
from blur_fusion.startup import environment

FINE, COARSE = "fine", "coarse"
LOGITS, LOCAL, ATTENTION = "logits", "local", "attention"

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def open_session(content: bytes, name: str, threads: int = 1) -> Any:
    """An onnxruntime session on a file's content; errors are one line."""
    with environment("ORT_DISABLE_TELEMETRY", "1"):  # it reports home unless told not to
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is said below, in one line
    options.enable_mem_pattern = False  # it would be kept for every size of image
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for every status
        line = " ".join(str(error).split())[:200]
        raise BlurError(f"{name}: not a network that onnxruntime can load ({line})") from None


class OnnxNetwork:
    """The network from its local spectra on; several threads may share one.

    `content` is ONNX from `blur_fusion.model.onnx.network_onnx`, `name` its name in messages,
    `threads` those of one call. Raises BlurError if it is another network, or none.
    """

    def __init__(self, content: bytes, name: str, threads: int = 1) -> None:
        self._session = open_session(content, name, threads)
        inputs = {given.name: list(given.shape) for given in self._session.get_inputs()}
        outputs = {given.name: list(given.shape) for given in self._session.get_outputs()}
        fits = (
            set(inputs) == {FINE, COARSE}
            and inputs[FINE][:2] == inputs[COARSE][:2]
            and {LOCAL, ATTENTION} <= outputs.keys()
            and outputs.get(LOGITS) == [1, len(LOGIT_NAMES)]
        )
        require(fits, f"{name}: inputs or outputs differ from blur's network; export it again")
        self._patterns = int(inputs[FINE][1])

    def _run(self, image: Pixels, outputs: list[str]) -> list[Floats]:
        if min(image.shape) < SMALLEST_INPUT:
            image = pad_to(image, SMALLEST_INPUT)
        fine, coarse = local_spectra(image.astype(np.float32), self._patterns)
        found: list[Floats] = self._session.run(outputs, {FINE: fine, COARSE: coarse})
        return found

    def logits(self, images: Iterable[Pixels]) -> Floats:
        """Logits (n, 4) in the order of `LOGIT_NAMES`, of the middles of grey uint8 images."""
        rows = [self._run(center_crop(image), [LOGITS])[0][0] for image in images]
        return np.asarray(rows, np.float32).reshape(-1, len(LOGIT_NAMES))

    def maps(self, image: Pixels) -> tuple[Floats, Floats]:
        """Maps behind the verdict on a grey uint8 image (h, w): (ceil(h / s), ceil(w / s)).

        `local` is the logit of blurred at each place, s pixels apart (the network's stride);
        `attention` its weight in the image's logit, with sum 1.
        """
        local, attention = self._run(image, [LOCAL, ATTENTION])
        return local, attention
