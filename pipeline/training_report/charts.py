"""Curves as SVG, black on white, drawn by Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.training_report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by colour-blind people too, and by dashes.
LOOKS = {
    "fused": ("#000000", "-"),
    "cnn": ("#0072b2", "--"),
    "features": ("#d55e00", "-."),
    "laplacian": ("#777777", ":"),
}
_OTHERS = (("#000000", "-"), ("#0072b2", "--"), ("#d55e00", "-."), ("#009e73", ":"))
_SETTINGS: Any = {  # Matplotlib types its names one by one
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "blur",  # the same curves give the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Axis:
    """Label and range, None where the values say."""

    label: str
    span: tuple[float, float] | None = (0.0, 1.0)


def _look(name: str, number: int) -> tuple[str, str]:
    return LOOKS.get(name, _OTHERS[number % len(_OTHERS)])


def _dress(axes: Axes, across: Axis, up: Axis, height: int) -> None:
    axes.set_xlabel(across.label)
    axes.set_ylabel(up.label)
    if across.span is not None:
        axes.set_xlim(*across.span)
    if up.span is not None:
        axes.set_ylim(*up.span)
    if height > 1:
        axes.legend()


def chart(
    curves: Mapping[str, tuple[list[float], list[float]]],
    across: Axis,
    up: Axis,
    *,
    diagonal: bool = False,
    marks: bool = False,
) -> str:
    """Curves in one pair of axes, SVG.

    Parameters
    ----------
    curves : mapping
        Name to values across and up.
    across, up : Axis
    diagonal : bool
        Draw where chance, or perfect calibration, lies.
    marks : bool
        Mark each point.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = figure.subplots()
        if diagonal:
            axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        for number, (name, (x, y)) in enumerate(curves.items()):
            colour, line = _look(name, number)
            marker = "o" if marks else ""
            axes.plot(x, y, line, color=colour, label=name, marker=marker, markersize=3, lw=1.4)
        _dress(axes, across, up, len(curves))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def curve(table: Table, across: str, up: str) -> tuple[list[float], list[float]]:
    """Two columns of a table."""
    return table.numbers(across), table.numbers(up)
