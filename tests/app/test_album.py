"""The photos of a visitor: judged once, limits before anything is decoded."""

import struct
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from trees import write_photo

pytest.importorskip("PIL", reason="Pillow, which the extra 'app' brings, is not installed")

from blur_fusion.app import serve
from blur_fusion.app.album import Album, Limits, judge_upload
from blur_fusion.cli.main import blur
from blur_fusion.errors import BlurError
from blur_fusion.explain.explainer import Explainer
from blur_fusion.model.classifier import BlurDetector

LIMITS = Limits()


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    data = bytearray(write_photo(tmp_path / "bomb.png", 1).read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 50_000)  # width and height, and their check
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(BlurError, match="more than 120 million pixels"):
        LIMITS.check(tmp_path / "bomb.png")
    with pytest.raises(BlurError, match="more than 1 million pixels"):
        Limits(pixels=1_000_000).check(write_photo(tmp_path / "a.png", 1, size=(1001, 1000)))
    Limits(pixels=1_000_000).check(write_photo(tmp_path / "b.png", 1, size=(1000, 1000)))
    with pytest.raises(BlurError, match="more than 0 MB"):
        Limits(upload=10).check(tmp_path / "b.png")


def test_verdicts_follow_the_threshold_and_are_the_detector_s(model: Path, tmp_path: Path) -> None:
    paths = [
        write_photo(tmp_path / "crisp.jpg", 1, size=(300, 420)),
        write_photo(tmp_path / "soft.jpg", 2, blurred=True, size=(300, 420)),
        tmp_path / "absent.jpg",
    ]
    explainer, album = Explainer(BlurDetector(model, threshold=0.0)), Album()
    album.add([judge_upload(explainer, path, LIMITS) for path in paths])
    for threshold in (0.0, 0.5, 1.0):
        expected = BlurDetector(model, threshold=threshold).predict(paths)
        found = album.predictions(threshold)
        for ours, theirs in zip(found[:2], expected[:2], strict=True):
            assert (ours.blurred, ours.probability) == (theirs.blurred, theirs.probability)
            assert ours.kind == theirs.kind and ours.path == Path(theirs.path).name
        assert found[2].error and found[2].blurred is None
    album.choose(1)
    first = album.explained(explainer, 0.5, False)
    second = album.explained(explainer, 1.0, False)
    assert first is not None and second is not None
    assert first.map is second.map  # looked at once
    assert first.prediction.blurred and not second.prediction.blurred and second.threshold == 1.0
    album.choose(2)
    assert album.explained(explainer, 0.5, False) is None
    album.choose(99)
    assert album.chosen == 2
    assert album.csv(0.5).count("\n") == 4


@pytest.mark.parametrize(
    ("gradio", "line"),
    [
        (False, "error: 'blur app' needs the extra 'app': pip install 'blur-fusion[app]'"),
        (True, "is not a model folder"),
    ],
)
def test_without_gradio_or_a_model_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gradio: bool, line: str
) -> None:
    if not gradio:
        monkeypatch.setattr(serve, "find_spec", lambda name: None)
    result = CliRunner().invoke(blur, ["app", "--model", str(tmp_path), "--port", "0"])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1 and line in result.stderr
