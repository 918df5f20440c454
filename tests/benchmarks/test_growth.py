"""The table of growth, on a handful of tiny photos."""

from pathlib import Path

from benchmarks.growth import grown
from pictures import noise, save


def test_each_number_of_photos_is_a_line(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"{number}.jpg", noise(48, 64, number))
    two, five, many = grown(tmp_path, (2, 5), 40, 1)
    assert two.startswith("2 photos") and five.startswith("5 photos")
    assert all(float(number) > 0 for line in (two, five) for number in line.split()[2:])
    seconds = [float(line.split()[2]) for line in (two, five)]
    expected = seconds[1] + (seconds[1] - seconds[0]) * 15
    assert many.startswith("50 photos") and many.endswith("extrapolated")
    assert abs(float(many.split()[2]) - expected) < 2
