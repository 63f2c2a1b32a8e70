"""The results on a terminal, and the sentence that the README says of them."""

from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import FIGURES, REFERENCES, WHOLE
from benchmarks.servers import FLOOR, OURS, SERVERS, TUTORIAL
from benchmarks.work import RECORD, ROW, THOUSAND, WORKS

HEADS = {
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "per_second": "requests/s",
    "cpu_us": "CPU µs",
    "start_s": "start s",
    "memory_mib": "memory MiB",
}


def show(results: dict[str, Any], console: Console) -> None:
    """Tables of the medians, each figure with its ratios, and of the goals."""
    names = [SERVERS[name].title for name in REFERENCES if name in results["ratios"]]
    console.print(
        f"Medians; rounds: {results['rounds']}, of {results['seconds']} s a work. Two workers, no access "
        f"logs (MLAPI_LOG_LEVEL=warning). Penguins: {results['penguins']}."
        + (f" Behind each: its ratio to {' / to '.join(names)}." if names else "")
    )
    for name, work in WORKS.items():
        console.print(_table(results, work.title, name, FIGURES))
    console.print(_table(results, "the server", WHOLE, ("start_s", "memory_mib")))
    if results["goals"]:
        console.print(_goals(results["goals"]))
    if results["alone"]:
        console.print(alone_sentence(results["alone"]))


def _table(results: dict[str, Any], title: str, row: str, figures: tuple[str, ...]) -> Table:
    made = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    made.add_column("", no_wrap=True)
    for figure in figures:
        made.add_column(HEADS[figure], justify="right", no_wrap=True)
    for server, rows in results["medians"].items():
        ratios = [table[server][row] for table in results["ratios"].values()]
        made.add_row(
            server,
            *(f"{number(rows[row][f])} {'/'.join(_ratio(ratio[f]) for ratio in ratios)}" for f in figures),
        )
    return made


def _goals(goals: list[dict[str, Any]]) -> Table:
    made = Table("goal", "at most", "is", "", title="goals", title_justify="left", box=None, pad_edge=False)
    for goal in goals:
        verdict = "reached" if goal["reached"] else "not reached"
        made.add_row(goal["goal"], f"{goal['limit']:g}", f"{goal['ratio']:.2f}", verdict)
    return made


def alone_sentence(alone: dict[str, Any]) -> str:
    """What was measured of this server alone."""
    rounds = alone["rounds"]
    p50 = {name: ", ".join(number(each[name]["p50_ms"]) for each in rounds) for name in ("one", "hundred")}
    shares = ", ".join(f"{share:.2f}" for share in alone["smallest_shares"])
    parsers = ", ".join(
        f"{name} {number(median(each['parsers_ms'][name] for each in rounds))}"
        for name in rounds[0]["parsers_ms"]
    )
    return (
        f"p50 with one model {p50['one']} ms, with a hundred {p50['hundred']} ms. The smaller share of two "
        f"workers at each start: {shares}. Parsing 10,000 rows alone, in ms: {parsers}."
    )


def sentence(results: dict[str, Any]) -> str:
    """What the README says of the figures."""
    ratios = {
        (name, work): f"{results['ratios'][name][OURS][work]['cpu_us']:.2f} times"
        for name in (FLOOR, TUTORIAL)
        for work in (ROW, RECORD, THOUSAND)
    }
    return (
        f"One row of 30 numbers takes {ratios[FLOOR, ROW]} the processor time of an empty Flask view, and "
        f"{ratios[TUTORIAL, ROW]} that of the tutorials' app; a record of words and numbers takes "
        f"{ratios[TUTORIAL, RECORD]} that of the tutorials' app, and 1,000 rows {ratios[TUTORIAL, THOUSAND]}."
    )


def _ratio(value: float) -> str:
    return f"{value:.{2 if value < 1 else 1 if value < 10 else 0}f}"


def number(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
