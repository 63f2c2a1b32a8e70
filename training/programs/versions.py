"""Versions as programs have them: they predict by the path that serves, are promoted, and show their card."""

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from mlapi.artifacts.allowing import as_lines, with_names
from mlapi.artifacts.manifest import REPORT, Manifest
from mlapi.artifacts.names import PRODUCTION
from mlapi.data.images.reader import reader_of
from mlapi.data.rows.reader import Instances
from mlapi.data.rows.violations import InvalidRows
from mlapi.errors import DatasetError, MlapiError
from mlapi.inference.model import Model, Prediction
from mlapi.registry.audit import who
from mlapi.registry.changes import Changes, changes_to
from mlapi.registry.opening import open_registry
from mlapi.settings import Settings
from mlapi.training.preparation.series import NoCells, plain
from mlapi.training.programs.tables import to_frame
from mlapi.training.versions.promotion import Verdict
from mlapi.wording import Finding

_SHOWN_METRICS = 3


@dataclass(frozen=True)
class CardPage:
    """A model card: a page of HTML, which a notebook shows."""

    html: str

    def __repr__(self) -> str:
        return f"CardPage({len(self.html) // 1024:,} KiB of HTML)"

    def _repr_html_(self) -> str:
        page = escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="600" style="border: 0"></iframe>'


@dataclass(frozen=True, eq=False, repr=False)
class ModelVersion:
    """A version of a model, in the hands of a program.

    `verdict` and `seconds` are those of its training; None where it was not trained just now.
    """

    manifest: Manifest
    """What the version is: signature, metrics, parameters, and `Manifest.provenance`."""
    changes: Changes
    verdict: Verdict | None = None
    seconds: float | None = None
    needs: tuple[str, ...] = ()
    """The classes that the settings do not allow yet, so that a server cannot load the version."""

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics by name, as numbers; none of an estimator that was fitted elsewhere."""
        return {
            name: entry["value"] if isinstance(entry, Mapping) else entry
            for name, entry in self.manifest.metrics.items()
        }

    @property
    def is_production(self) -> bool:
        """Whether the alias `production` names this version now."""
        self.changes.refresh()
        alias = self.changes.registry.current_snapshot().record(self.name).aliases.get(PRODUCTION)
        return alias is not None and alias.version == self.version

    @cached_property
    def model(self) -> Model:
        """What answers: the version as a server loads it.

        Raises:
            ModelUnavailable: It cannot be loaded with the settings in force.
        """
        return self.changes.registry.get(self.name, str(self.version))

    @property
    def card(self) -> CardPage | None:
        """The model card; None of an estimator that was fitted elsewhere."""
        content = self.changes.registry.read_file(self.name, self.version, REPORT)
        return None if content is None else CardPage(content.decode())

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the prediction for each row, `(rows,)` or `(rows, targets)`.

        What a server would name under `warnings` is a Python warning.

        Args:
            rows: A frame `(rows, columns)`, or any other table; rows without names are in signature order.

        Raises:
            DatasetError: It is no table, or a cell does not fit the model.
            Unanswerable: The estimator has no answer.
        """
        return self.answer(rows).values

    def answer(self, rows: Any, include: Collection[str] = ()) -> Prediction:
        """Return the prediction for each row `(rows, columns)`, and the outputs that `include` names.

        Raises:
            DatasetError, Unanswerable: As `predict`.
            UnknownOutput: The version cannot give such an output.
        """
        try:
            instances = reader_of(self.manifest.signature).read_rows(list(_cells(rows, self._names)))
        except InvalidRows as error:
            raise DatasetError(_sentence(error.findings[0], error.count)) from error
        _warn(instances)
        return self.model.predict(instances.batch, include)

    def promote(self, alias: str = PRODUCTION) -> "ModelVersion":
        """Let an alias name this version, once it has proved that it serves; return the version.

        Raises:
            MlapiError: It does not serve with the settings in force, or the alias is none.
            OSError: The models folder cannot be written.
        """
        self.changes.promote(self.name, self.version, alias)
        return self

    @property
    def _names(self) -> Sequence[str]:
        return self.manifest.signature.columns

    def _facts(self) -> Iterator[tuple[str, str]]:
        """Yield what is shown of the version, by name."""
        yield "algorithm", self.manifest.algorithm
        yield "production", self._standing()
        for name, value in list(self.metrics.items())[:_SHOWN_METRICS]:
            yield name, f"{value:.4g}"
        if self.needs:
            lines = as_lines(with_names(self.needs, self.changes.registry.trust.classes))
            yield "to serve it", f"set in config/mlapi.toml, where it is served: {lines}"

    def _standing(self) -> str:
        try:
            is_production = self.is_production
        except (MlapiError, OSError):
            return "unknown"
        if is_production:
            return "yes"
        return f"no: {self.verdict.reason}" if self.verdict else "no; promote() makes it so"

    @property
    def warnings(self) -> Sequence[str]:
        """What seems to be wrong with the rows that it learnt from, in sentences."""
        return self.manifest.provenance.warnings

    def __repr__(self) -> str:
        facts = "; ".join(f"{name}: {value}" for name, value in self._facts())
        if self.warnings:
            facts += f"; warnings: {len(self.warnings)} (.warnings)"
        return f"<{self.name} version {self.version}; {facts}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align: left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in (*self._facts(), *(("warning", warning) for warning in self.warnings))
        )
        return f"<table><caption>{escape(self.name)} version {self.version}</caption>{rows}</table>"


def load_version(reference: str, settings: Settings) -> ModelVersion:
    """Return the version that `churn`, `churn@3` or `churn@production` means, loaded.

    Raises:
        ModelNotFound, VersionNotFound: There is none.
        ModelUnavailable: It cannot be loaded with these settings.
    """
    name, _, ref = reference.partition("@")
    registry = open_registry(settings, eager=False)
    model = registry.get(name, ref or None)
    version = ModelVersion(model.manifest, changes_to(registry, settings.state_dir, who()))
    version.__dict__["model"] = model  # loaded already
    return version


def _cells(rows: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield rows as a client sends them: lists in signature order, or records if the columns are others."""
    if isinstance(rows, list) and rows and all(isinstance(row, list | dict) for row in rows):
        yield from rows
        return
    frame = to_frame(rows, names)
    columns = [_json_cells(frame[name]) for name in frame.columns]
    is_whole = set(names) <= set(frame.columns)
    if is_whole and len(columns) == len(names):
        places = [frame.columns.get_loc(name) for name in names]
        yield from map(list, zip(*(columns[place] for place in places), strict=True))
        return
    yield from (dict(zip(frame.columns, cells, strict=True)) for cells in zip(*columns, strict=True))


def _json_cells(column: pd.Series) -> list[Any]:
    """Return the cells of a column `(rows,)` as JSON has them, None for a missing one."""
    try:
        cells = plain(column.reset_index(drop=True))
    except NoCells as error:
        raise DatasetError(f"column {column.name!r} holds {error}, which no row of a request can") from error
    if cells.dtype.kind == "M":
        cells = cells.map(pd.Timestamp.isoformat, na_action="ignore")
    return list(cells.astype(object).where(cells.notna(), None))


def _warn(instances: Instances) -> None:
    if instances.warnings:
        warnings.warn(_sentence(instances.warnings[0], instances.warning_count), UserWarning, stacklevel=4)


def _sentence(finding: Finding, count: int) -> str:
    where = [f"row {token}" if place == 0 else f"column {token}" for place, token in enumerate(finding.place)]
    more = f" (and {count - 1:,} more)" if count > 1 else ""
    return f"{', '.join(where)}: {finding.detail}{more}" if where else f"{finding.detail}{more}"
