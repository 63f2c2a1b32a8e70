"""`make bench`: this server beside the tutorials' app, FastAPI and an empty Flask view, on this machine."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from benchmarks import alone, picture, report
from benchmarks.machine import machine
from benchmarks.measurement import Turn, Wrong, measure, rehearse
from benchmarks.models import Models, make_models, publish_many
from benchmarks.results import document
from benchmarks.servers import OURS, SERVERS, Server

T = TypeVar("T")

HERE = Path(__file__).parent

console = Console(markup=False, highlight=False)


def main() -> None:
    options = _options()
    if not sys.platform.startswith("linux"):
        sys.exit("The benchmark counts processor time and memory in /proc: it runs on Linux only.")
    if shutil.which("wrk") is None:
        sys.exit("The benchmark needs wrk, which makes the requests: apt-get install wrk (Debian, Ubuntu).")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended in order
    try:
        with tempfile.TemporaryDirectory(prefix="mlapi-bench-") as folder:
            results = _run(options, Path(folder))
    except Wrong as error:
        sys.exit(f"The run ends here: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    report.show(results, console)
    if options.to:
        options.to.mkdir(parents=True, exist_ok=True)
        (options.to / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (options.to / "results.svg").write_bytes(picture.draw(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each server takes its turn (5)")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement (3)")
    parser.add_argument("--only", metavar="SERVER,…", help=f"some of {', '.join(SERVERS)}")
    parser.add_argument("--quick", action="store_true", help="one round of one second, two starts")
    parser.add_argument("--penguins", type=Path, metavar="FILE", help="penguins.csv; else one is drawn")
    parser.add_argument(
        "--to", type=Path, metavar="FOLDER", help="for the results; benchmarks/ if the run is whole"
    )
    options = parser.parse_args()
    options.servers = options.only.split(",") if options.only else list(SERVERS)
    unknown = set(options.servers) - set(SERVERS)
    if unknown or options.rounds < 1 or options.seconds < 1:
        parser.error(f"unknown servers: {', '.join(sorted(unknown))}" if unknown else "expected 1 or more")
    if options.quick:
        options.rounds = options.seconds = 1
    if not (options.to or options.only or options.quick):  # part of a run does not take a whole one's place
        options.to = HERE
    return options


def _run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    models = _told("training the models", make_models, folder, options.penguins)
    if OURS in options.servers:
        _told("publishing a hundred models", publish_many, models)
    servers = [SERVERS[name] for name in options.servers]
    for server in servers:
        _told(f"comparing the answers of {server.title} with scikit-learn's", rehearse, server, models)
    turns, rounds = _rounds(servers, models, options)
    starts = (2 if options.quick else 10) if rounds else 0
    shares = [_told(f"start {number + 1}", alone.smallest_share, models) for number in range(starts)]
    facts = {"rounds": options.rounds, "seconds": options.seconds, "penguins": models.penguins}
    ours = alone.Alone(rounds, shares) if rounds else None
    return document(turns, ours, {**machine(), **facts})


def _rounds(
    servers: list[Server], models: Models, options: argparse.Namespace
) -> tuple[list[Turn], list[alone.Round]]:
    """The turns, by server; every other round goes backwards, so that none always follows the same one."""
    turns, rounds = [], []
    for number in range(options.rounds):
        story = f"round {number + 1} of {options.rounds}:"
        for server in servers[:: -1 if number % 2 else 1]:
            turns.append(_told(f"{story} {server.title}", measure, server, models, options.seconds))
        if OURS in options.servers:
            rounds.append(_told(f"{story} a hundred models", alone.measure_alone, models, options.seconds))
    return sorted(turns, key=lambda turn: options.servers.index(turn.server)), rounds


def _told(story: str, call: Callable[..., T], *given: Any) -> T:
    """Call, and say meanwhile what is done; a file keeps it."""
    if not console.is_terminal:
        console.print(story)
    with console.status(story):
        return call(*given)


if __name__ == "__main__":
    main()
