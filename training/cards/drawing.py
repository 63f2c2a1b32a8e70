"""One picture: a function that draws on axes -> SVG in a data: URI.

matplotlib's objects only: no pyplot, no display, none of its user's own settings, and quiet.
"""

import base64
import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

NARROW = (4.2, 3.3)
"""Width and height in inches of a plot, of which two stand side by side."""

WIDE = (7.2, 6.6)
"""Width and height in inches of a plot that has the page's width."""

LONGEST_LABEL = 24
"""Letters of a label; of a longer one the middle is left out."""

STYLE: dict[Any, Any] = {
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that sizes are the same everywhere
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.edgecolor": "none",
    "legend.fontsize": 8,
    "svg.fonttype": "none",  # the browser's text: every script, right to left too, in a fraction of the bytes
    "svg.hashsalt": "mlapi",  # the same figures, the same bytes
    "text.parse_math": False,  # a column may be called "$x_1$"
    "savefig.dpi": 144,  # of points and images
}
"""matplotlib's settings for every plot; the others have their defaults."""

_drawing = threading.Lock()

Draw = Callable[[Any], str]
"""Draws on axes, and returns in words what it drew."""


class Plot(NamedTuple):
    """One plot: `uri` is its picture as a data: URI, `alt` says in words what it shows."""

    title: str
    uri: str
    alt: str
    is_wide: bool = False


def plot(title: str, draw: Draw, size: tuple[float, float] = NARROW) -> Plot:
    """Draw on axes of this width and height, in inches of 96 pixels on a screen."""
    svg = io.BytesIO()
    with _matplotlib() as figure_of:
        figure = figure_of(figsize=size, layout="constrained")
        alt = draw(figure.add_subplot())
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg.getvalue()).decode()}"
    return Plot(title, uri, f"{title}: {alt}", is_wide=size == WIDE)


def label(text: object) -> str:
    """Return a text as a label: short, of one line, and without characters that XML refuses."""
    whole = "".join(letter if letter.isprintable() else " " for letter in str(text)).strip() or "(blank)"
    half = LONGEST_LABEL // 2
    return whole if len(whole) <= LONGEST_LABEL else f"{whole[:half]}…{whole[1 - half :]}"


@contextmanager
def _matplotlib() -> Iterator[Callable[..., Any]]:
    """Give matplotlib's Figure, with our settings; to one thread at a time, since settings are the process's.

    Its messages are hidden: they are of a home that it cannot write to, of a cache of fonts, of letters that
    its font lacks (the browser's has them), which whoever trains a model could not mend.
    """
    logger = logging.getLogger("matplotlib")
    with _drawing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            import matplotlib as mpl  # noqa: PLC0415 - 0.3 s, and only a model card needs it
            from matplotlib.figure import Figure  # noqa: PLC0415

            with mpl.rc_context():
                mpl.rcdefaults()
                mpl.rcParams.update(STYLE)
                yield Figure
        finally:
            logger.setLevel(level)
