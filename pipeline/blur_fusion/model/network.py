"""The network as ONNX: its logits, and the maps that they come from."""

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
from blur_fusion.native.library import library
from blur_fusion.startup import environment

IMAGE = "image"
FINE, COARSE = "fine", "coarse"
LOGITS, LOCAL, ATTENTION = "logits", "local", "attention"

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def open_session(content: bytes, name: str, threads: int = 1) -> Any:
    """An onnxruntime session on a file's content; whatever is wrong with it is one line."""
    with environment("ORT_DISABLE_TELEMETRY", "1"):  # it reports home unless told not to
        import onnxruntime

        return _opened(onnxruntime, content, name, threads)


def _opened(onnxruntime: Any, content: bytes, name: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is said below, in one line
    options.enable_mem_pattern = False  # it would be kept for every size of image
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for every status
        line = " ".join(str(error).split())[:200]
        raise BlurError(f"{name}: no network that onnxruntime can load ({line})") from None


def _checked(session: Any, name: str, images: dict[str, int]) -> Any:
    """`session`, if it takes `images` (of so many channels; 0 is any) and gives what is asked."""
    inputs = {given.name: list(given.shape) for given in session.get_inputs()}
    outputs = {given.name: list(given.shape) for given in session.get_outputs()}
    fits = (
        set(inputs) == set(images)
        and all(inputs[one][:2] == [1, images[one] or inputs[one][1]] for one in inputs)
        and {LOCAL, ATTENTION} <= outputs.keys()
        and outputs.get(LOGITS) == [1, len(LOGIT_NAMES)]
    )
    require(fits, f"{name}: other inputs or outputs than blur's network; export it anew")
    return session


class OnnxNetwork:
    """A network for `blur_fusion.model.scores.Detector`; several threads may use one at once.

    Parameters
    ----------
    content : bytes
        An ONNX file.
    name : str
        What messages call it.
    threads : int
        Threads of one call.
    rest : bytes, optional
        The same network from its local spectra on (see `blur_fusion.model.onnx`): used where these
        can be computed by compiled code, in half of the time. Logits differ in their last digits.

    Raises
    ------
    BlurError
        It is no ONNX, or the ONNX of something else.
    """

    def __init__(
        self, content: bytes, name: str, threads: int = 1, rest: bytes | None = None
    ) -> None:
        self._compiled = None if rest is None else library()
        self._patterns = 0  # of the local spectra, where these are computed by compiled code
        if rest is None or self._compiled is None:
            self._session = _checked(open_session(content, name, threads), name, {IMAGE: 1})
            return
        name = f"{name} without its beginning"
        self._session = _checked(open_session(rest, name, threads), name, {FINE: 0, COARSE: 0})
        self._patterns = int(self._session.get_inputs()[0].shape[1])

    def _run(self, image: Pixels, outputs: list[str]) -> list[Floats]:
        if min(image.shape) < SMALLEST_INPUT:
            image = pad_to(image, SMALLEST_INPUT)
        batch = image.astype(np.float32)
        if self._compiled is None:
            given = {IMAGE: batch[None, None]}
        else:
            fine, coarse = local_spectra(self._compiled, batch, self._patterns)
            given = {FINE: fine, COARSE: coarse}
        found: list[Floats] = self._session.run(outputs, given)
        return found

    def logits(self, images: Iterable[Pixels]) -> Floats:
        """Logits (n, 4): blurred, sharp, defocus, motion, of the middles of grey uint8 images."""
        rows = [self._run(center_crop(image), [LOGITS])[0][0] for image in images]
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
