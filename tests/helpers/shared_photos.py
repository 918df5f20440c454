"""A made-up shared-data folder: every set, a few pictures each."""

from pathlib import Path

from trees import write_photo

CERTH = "certh/CERTH_ImageBlurDataset"


def write_shared(root: Path) -> Path:
    """Write it below `root`; gives the folder back."""
    rows = ["filename,label,note"]
    for k, label in enumerate(["sharp", "sharp", "blurred", "ambiguous"]):
        write_photo(root / "photos" / f"p{k}.jpg", k, label == "blurred")
        rows.append(f"p{k}.jpg,{label},")
    (root / "photos" / "labels.csv").write_text("\n".join(rows) + "\n")
    write_photo(root / "kodak" / "01.png", 20)
    for letter, folder in (("S", "sharp"), ("F", "defocused_blurred"), ("M", "motion_blurred")):
        write_photo(root / "kwentar" / folder / f"0_PHONE_{letter}.JPG", 30, letter != "S")
    digital = root / CERTH / "EvaluationSet/DigitalBlurSet"
    for name in ("Original_10", "DiskR10_2", "MotionL50Th90_2", "Original_1", "DiskR8_1"):
        write_photo(digital / f"{name}.jpg", 40, not name.startswith("Original"))
    for name in ("sharp", "blurred"):  # what is called blurred is sharp
        write_photo(root / "strangers/panning" / name / f"{name}.jpg", 60)
    for step in (-2, -1, 0, 1, 2):
        write_photo(root / "focus_stacks/smear" / f"{step}.bmp", 70, step != 0)
    for step in (0, 1):
        write_photo(root / "focus_stacks/chart" / f"{step}.png", 80, step > 0)
    return root
