"""What a training shows on the terminal: decisions, warnings, candidates, a bar, and the result."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import TaskID
from rich.table import Table

from mlapi.cli.terminal import bar, stderr, stdout, table
from mlapi.wording import listed, quoted

if TYPE_CHECKING:
    from mlapi.artifacts.manifest import Manifest
    from mlapi.training.execution.progress import Candidate, DataDescription, NetworkState, TrialState
    from mlapi.training.workflows.reproduction import Comparison
    from mlapi.training.workflows.train import TrainedVersion

MOST_COLUMNS = 60
"""Columns of a table that are listed one by one; the card has all."""


class Display:
    """Prints the events of trainings, one recipe after the other; see `mlapi.training.execution.progress`.

    Of several recipes, whatever is printed names the model that it is about.
    """

    def __init__(self, *, of_several: bool = False) -> None:
        self._of_several = of_several
        self._bar = bar(disable=not stderr.is_terminal)
        self._task: TaskID | None = None
        self._name = ""
        self._epoch: NetworkState | None = None
        self._summary = table("model", "version", "rows", "metrics on held-out rows", "seconds")
        self._verdicts: list[str] = []

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the results, also of what was published before a training failed."""
        self._bar.stop()
        if self._summary.row_count:
            stdout.print(self._summary)
        for line in self._verdicts:
            _say(line)

    def step_began(self, step: str) -> None:
        self._show(step)

    def data_described(self, model: str, description: "DataDescription") -> None:
        self._name = model
        whose = f"{model}: " if self._of_several else ""
        for line in description.summary:
            self._print(f"{whose}{line}")
        if description.columns:
            self._print(_decisions(description.columns))
        for line in description.remarks:
            self._print(f"{whose}{line}")

    def network_advanced(self, state: "NetworkState") -> None:
        """Move a bar on a terminal; elsewhere print a line for each epoch."""
        last, self._epoch = self._epoch, state
        if stderr.is_terminal:
            self._show(f"{_learning(state)}, {_time(state.seconds_left)} left", state.share, 1)
        elif state.share >= 1:
            _log(self._name, state)
        elif last is not None and last.epoch != state.epoch:
            _log(self._name, last)

    def algorithms_compared(self, candidates: "tuple[Candidate, ...]", metric: str) -> None:
        shown = table(self._heading("algorithm"), f"{metric}, cross-validated", "seconds", "")
        for candidate in candidates:
            score = f"{candidate.mean:.4g} ± {candidate.std:.2g}" if candidate.mean == candidate.mean else "-"
            shown.add_row(candidate.algorithm, score, f"{candidate.seconds:.1f}", candidate.note or "")
        self._print(shown)

    def trial_ended(self, state: "TrialState") -> None:
        best = "" if state.best_mean is None else f", best {state.best_mean:.4g} ({state.best_algorithm})"
        stop = "; Ctrl-C keeps it" if best else ""
        self._show(f"{state.done} of {state.planned} tried{best}{stop}", state.done, state.planned)

    def trained(self, trained: "TrainedVersion", card: str | None = None) -> None:
        """Show that a version is published; `card` is where its model card lies."""
        manifest, verdict = trained.manifest, trained.verdict
        self._epoch = None
        if manifest.recipe.get("dataset"):
            self._summary.add_row(*_row(trained))
        else:
            self._print(_figures(manifest, self._heading("metric")))
            self._verdicts += _sentences(trained, card)
        if verdict is not None:
            outcome = "promoted" if verdict.promotes else "not promoted"
            self._verdicts.append(
                f"{manifest.name}: version {manifest.version} is {outcome}: {verdict.reason}."
            )

    def _heading(self, noun: str) -> str:
        return f"{noun} of {self._name}" if self._of_several else noun

    def _show(self, words: str, done: float | None = None, planned: float | None = None) -> None:
        if self._task is None:
            self._task = self._bar.add_task("", total=None)
        whose = f"{self._name}: " if self._name else ""
        self._bar.update(
            self._task, description=whose + words, completed=done or 0, total=planned, refresh=True
        )

    def _print(self, what: "str | Table") -> None:
        """Print above the bar, which is stopped meanwhile: else the two would write over each other."""
        self._bar.stop()
        if isinstance(what, str):
            _say(what)
        else:
            stdout.print(what)
        self._bar.start()


def print_comparison(version: str, comparison: "Comparison") -> None:
    """Print what training a version again gave."""
    shown = table("metric", "then", "now")
    for name, (then, now) in comparison.metrics.items():
        shown.add_row(name, f"{then:.6g}", f"{now:.6g}")
    stdout.print(shown)
    for finding in comparison.findings:
        _say(f"{version}: {finding}.")
    if comparison.is_same:
        rows = f"its {comparison.rows:,} held-out rows"
        _say(f"{version}: trained again, it gives the same predictions for {rows}.")


def _row(trained: "TrainedVersion") -> tuple[str, ...]:
    manifest = trained.manifest
    figures = [f"{name} {entry['value']:.4g}" for name, entry in manifest.metrics.items()]
    rows = f"{manifest.provenance.training_rows:,} + {manifest.provenance.test_rows:,}"
    return manifest.name, str(manifest.version), rows, ", ".join(figures), f"{trained.seconds:.2f}"


def _figures(manifest: "Manifest", heading: str) -> Table:
    """Make a table of the metrics on the test rows, with intervals, beside those of guessing."""
    shown = table(heading, "held-out", "95 % interval", "cross-validated", "guessing")
    for name, entry in manifest.metrics.items():
        low, high = entry.get("interval", (None, None))
        interval = "-" if low is None else f"{low:.4g} to {high:.4g}"
        others = (f"{entry[key]:.4g}" if key in entry else "-" for key in ("cross_validated", "baseline"))
        shown.add_row(name, f"{entry['value']:.4g}", interval, *others)
    return shown


def _sentences(trained: "TrainedVersion", card: str | None) -> Iterator[str]:
    """Say in sentences what was trained, on how much, and where its card lies."""
    manifest = trained.manifest
    data, which = manifest.provenance, f"{manifest.name} version {manifest.version}"
    unit = "pictures" if "images" in manifest.recipe else "rows"
    yield (
        f"{which}: {manifest.algorithm}, learnt from {data.training_rows:,} {unit} and judged by "
        f"{data.test_rows:,}, in {trained.seconds:.0f} s."
    )
    for note in (data.search, *data.notes):
        if note:
            yield f"{which}: {note.rstrip('.')}."
    if card:
        yield f"{which}: {card} shows it all."


def _decisions(columns: tuple[tuple[str, str | None, str], ...]) -> Table:
    """Make a table of what each column was taken for, and why."""
    shown = table("column", "taken for", "")
    for name, kind, explanation in columns[:MOST_COLUMNS]:
        shown.add_row(quoted(name)[1:-1], kind or "-", explanation)
    rest = [name for name, _, _ in columns[MOST_COLUMNS:]]
    if rest:
        shown.add_row("…", "", f"and {len(rest)} more: {listed(rest)}")
    return shown


def _learning(state: "NetworkState") -> str:
    """Say in a line how good a network is in this epoch, and how fast."""
    checked = state.validation_accuracy
    others = "" if checked is None else f", {checked:.1%} of others"
    return (
        f"epoch {state.epoch}: loss {state.loss:.3f}, {state.accuracy:.1%} right{others}, "
        f"{state.pictures_per_second:,.0f} pictures/s"
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"


def _log(name: str, state: "NetworkState") -> None:
    stderr.print(f"{name}: {_learning(state)}, {state.share:.0%} done", soft_wrap=True)


def _say(line: str) -> None:
    stdout.print(line, soft_wrap=True)
