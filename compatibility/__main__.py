"""`make compatibility`: models as people bring them, each served and compared with what it answers itself."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read when numpy is imported
    os.environ[_threads] = "1"

from rich.console import Console
from rich.progress import Progress

from compatibility import real_server, report, running
from compatibility.case import EQUAL, Case, Outcome
from compatibility.cases import all_cases

console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 130)


def main() -> None:
    options = _options()
    cases = [case for case in all_cases() if _is_chosen(f"{case.kind}: {case.name}", options)]
    if not cases:
        sys.exit("No case is called so.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes are ended
    began = time.monotonic()
    outcomes: dict[int, Outcome] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="mlapi-compatibility-", ignore_cleanup_errors=True) as folder:
            _run(cases, Path(folder), options, outcomes)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        in_order = [outcomes[number] for number in sorted(outcomes)]
        report.show(in_order, console)
        console.print(f"{len(in_order)} cases in {time.monotonic() - began:.0f} s")
        if options.to:
            options.to.write_text(report.as_json(in_order))
    sys.exit(0 if report.is_good(in_order) else 1)


def _run(cases: list[Case], folder: Path, options: argparse.Namespace, outcomes: dict[int, Outcome]) -> None:
    """Fill in the outcomes by the case's number; what is there stays if the run is ended."""
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("cases", total=len(cases))
        for number, outcome in running.run(cases, folder, options.at_once):
            outcomes[number] = outcome
            progress.advance(task)
            if options.verbose or not outcome.is_right:
                console.print(report.line(outcome), soft_wrap=True)
    if options.without_gunicorn:
        return
    equal = [number for number, outcome in outcomes.items() if outcome.outcome == EQUAL]
    with console.status("all of them by a real server"):
        again = real_server.ask_again(
            {running.folder_of(number, folder): outcomes[number] for number in equal}, folder
        )
        outcomes |= dict(zip(equal, again, strict=True))


def _is_chosen(title: str, options: argparse.Namespace) -> bool:
    wanted = not options.only or any(words in title for words in options.only)
    return wanted and not any(words in title for words in options.without or ())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m compatibility", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="WORDS", help='cases whose "kind: name" contains this'
    )
    parser.add_argument("--without", action="append", metavar="WORDS", help="none of these cases")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="as many cases (the cores)")
    parser.add_argument("--without-gunicorn", action="store_true", help="no second run by a real server")
    parser.add_argument("--verbose", action="store_true", help="show the cases that are right, too")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the outcomes as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
