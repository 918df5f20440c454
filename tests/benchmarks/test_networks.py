"""The final network trained without one of its parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_project import write_project
from benchmarks.replaced import replaced
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError
from blur_fusion.params import load_params


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


def test_what_is_replaced_comes_back_even_after_an_error() -> None:
    from blur_fusion.sample import shots

    before = shots.SHRINKS
    with pytest.raises(ValueError), replaced([(shots, "SHRINKS", (1,))]):
        assert shots.SHRINKS == (1,)
        raise ValueError
    assert shots.SHRINKS is before
    with pytest.raises(AttributeError), replaced([(shots, "SHRINKS", ()), (shots, "GONE", 1)]):
        pass
    assert shots.SHRINKS is before


def test_networks_lack_what_they_should(project: Path) -> None:
    import keras

    from benchmarks.network_variants import NETWORKS, changed
    from blur_fusion.cnn.network import build_network

    params = load_params(project / "params.yaml")
    assert not changed(params, "augmentation").cnn.augment
    assert changed(params, "overlays").cnn.overlays == 0
    assert changed(params, "ranked pairs").cnn.ranked == 0
    assert changed(params, "attention") == params == changed(params, "nothing")
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 96, 1)).astype(np.float32)
    answers = {}
    for part in ("nothing", "attention", "coarse scale"):
        with replaced(NETWORKS[part].replacements()):
            keras.utils.set_random_seed(1)
            model = build_network(params.cnn)
        local = keras.Model(model.input, model.get_layer("local").output)
        places = np.asarray(local(image))[0, :, :, 1:]
        answers[part] = np.asarray(model(image))[0]
        mean = places.mean(axis=(0, 1))
        assert (answers[part] == pytest.approx(mean, abs=1e-5)) == (part == "attention"), part
        if part == "coarse scale":
            rows = keras.Model(model.input, model.get_layer("nothing").output)
            assert not np.asarray(rows(image)).any()
    assert (answers["nothing"] != answers["coarse scale"]).any()


def test_networks_are_trained_once_and_judge_validation_images(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import network_variants as nets
    from blur_fusion.cnn.fit import Network

    path = project / "params.yaml"
    params, text, load = load_params(path), path.read_text(), project / "artifacts/load"
    chosen = {name: nets.NETWORKS[name] for name in ("nothing",)}
    monkeypatch.setattr(nets, "NETWORKS", chosen)
    store = Store.open(load)
    index = np.flatnonzero(store.splits == "validation")
    reference, others = nets.network_variants(load, tmp_path, text, params, index)
    network = Network.load(tmp_path / "nothing", params.cnn)
    again = network.logits(store.image(int(row)) for row in index)
    assert reference.name == "CNN alone, trained again" and others == []
    assert reference.logits == pytest.approx(again[:, 0], abs=1e-5)
    monkeypatch.setattr(nets, "fit_without", None)  # what is done is read, not trained again
    kept, _ = nets.network_variants(load, tmp_path, text, params, index)
    assert np.array_equal(kept.logits, reference.logits)
    with pytest.raises(BlurError, match="judged other images"):
        nets.network_variants(load, tmp_path, text, params, index[1:])
    with pytest.raises(BlurError, match="differs from the parameters asked for"):
        nets.network_variants(load, tmp_path, text + "# other\n", params, index)
