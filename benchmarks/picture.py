"""The results as a picture: what a request costs, by work and server. For light and dark pages."""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report import number
from benchmarks.servers import OURS, SERVERS, TUTORIAL
from benchmarks.work import RECORD, ROW, SVM_ROW, SVM_THOUSAND, TEN_THOUSAND, THOUSAND, WORKS

SHOWN = (ROW, RECORD, THOUSAND, TEN_THOUSAND, SVM_ROW, SVM_THOUSAND)

INK = "#808080"  # 4:1 on white and 5:1 on black
COLORS = {OURS: "#1f83f2", "mlapi-granian": "#6cb0f7"}
OTHERS = "#9a9a9a"

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",  # the browser's text, in a fraction of the bytes
    "svg.hashsalt": "mlapi",  # the same figures, the same bytes
}


def draw(results: dict[str, Any]) -> bytes:
    """An SVG; the same results give the same bytes."""
    svg = io.BytesIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(9, 6.6), layout="constrained")
        for axes, work in zip(figure.subplots(3, 2, sharey=True).flat, SHOWN, strict=True):
            _bars(axes, results, work)
        figure.supxlabel(_caption(results), fontsize=8)
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return svg.getvalue()


def _caption(results: dict[str, Any]) -> str:
    ratio = f"×: of {SERVERS[TUTORIAL].title}.  " if TUTORIAL in results["ratios"] else ""
    cores = results["machine"]["cores"]
    return f"CPU time of one request, shorter is better.  {ratio}Two workers, {cores} cores."


def _bars(axes: Any, results: dict[str, Any], work: str) -> None:
    medians = results["medians"]
    names = list(medians)[::-1]  # the first bar is the lowest one
    values = [medians[name][work]["cpu_us"] for name in names]
    axes.barh(
        [SERVERS[name].title for name in names],
        values,
        height=0.7,
        color=[COLORS.get(name, OTHERS) for name in names],
    )
    ratios = results["ratios"].get(TUTORIAL, {})
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        ratio = f" (×{ratios[name][work]['cpu_us']:.2f})" if ratios else ""
        axes.text(value + max(values) * 0.015, place, _time(value) + ratio, va="center", fontsize=8)
    axes.set_title(WORKS[work].title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlim(0, max(values) * 1.3)
    axes.xaxis.set_visible(False)
    axes.tick_params(left=False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _time(us: float) -> str:
    return f"{number(us)} µs" if us < 1000 else f"{number(us / 1000)} ms"
