"""A version's folder -> a `Model` that has proven itself on its golden rows, by the quickest path that does.

Three paths, each tried where the one before is missing or fails: the compiled predictor that was stored with
the version, which needs neither scikit-learn nor any pickled estimator; the estimator, compiled here; the
estimator as it is.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mlapi.artifacts import golden as golden_rows
from mlapi.artifacts import requirements
from mlapi.artifacts.folder import check_files, load_estimator, read_file
from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import (
    GOLDEN,
    MODEL,
    NETWORK,
    PREDICTOR,
    Manifest,
    differences,
    fitted_elsewhere,
)
from mlapi.artifacts.networks import loads_network
from mlapi.artifacts.pickles.pickling import dump_predictor, load_predictor
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact
from mlapi.inference.compiled.form import FORM, PICKLED
from mlapi.inference.compiled.predictor import CompiledPipeline
from mlapi.inference.model import Model, ModelOutputs, model_of
from mlapi.inference.outputs import EXPECTED

logger = logging.getLogger(__name__)


def load_model(folder: Path, manifest: Manifest, trust: Trust, copies: Path | None = None) -> Model:
    """Load a version, and check its answers to the golden rows, which also warms it up.

    Args:
        copies: As for `mlapi.artifacts.folder.load_estimator`.

    Raises:
        BrokenArtifact: It was altered, needs a package that is not here, cannot be unpickled, or does not
            give its training's answers.
    """
    missing = requirements.problems(manifest.provenance.requires)
    if missing:
        raise BrokenArtifact("; ".join(missing))
    golden = golden_rows.from_bytes(read_file(folder, manifest, GOLDEN))
    check_files(folder, manifest, MODEL)  # which may be loaded much later
    other = ", ".join(differences(manifest))
    try:
        paths = _paths(folder, manifest, trust, copies, golden.outputs)
        model = _outside_of_the_main_thread(partial(_proven, paths, golden))
    except BrokenArtifact as error:
        raise BrokenArtifact(f"{error} (with {other})" if other else str(error)) from error
    note = f"Served with {other}; all {len(golden.rows)} golden rows give the answers of the training."
    notes = filter(None, (fitted_elsewhere(manifest), note if other else None))
    return replace(model, notes=tuple(notes))


def predictor_content(model: Model) -> bytes | None:
    """Return the content of predictor.joblib, with which the next load needs no estimator.

    It is a pickled dictionary: `answering` is the compiled pipeline, `outputs` and `classes` are what
    `ModelOutputs` holds, and `form` is the number of this format. A `Predictor` is no part of it: each load
    makes one around the pipeline. None for a model that is not compiled, or not to classes that are stored.
    """
    if model.predictor is None:
        return None
    outputs, classes = model.capabilities.outputs, model.capabilities.classes
    stored = {
        "form": FORM,
        "answering": model.predictor.pipeline,
        "outputs": outputs,
        "classes": classes,
    }
    return dump_predictor(stored, PICKLED)


def _paths(
    folder: Path, manifest: Manifest, trust: Trust, copies: Path | None, outputs: Collection[str]
) -> Iterator[Model]:
    """Yield the ways in which this version can be served, the quickest first.

    Args:
        outputs: Those of the golden rows. What is not among them was not proven, or not to be had.

    Raises:
        BrokenArtifact: The estimator is needed, and cannot be loaded.
    """
    fitted = _Estimator(manifest, partial(load_estimator, folder, manifest, trust, copies))
    if PREDICTOR in manifest.files:
        model = _from_store(folder, manifest, fitted)
        if model is not None:
            yield model
    model = replace(model_of(manifest, fitted()), fitted=fitted).with_outputs(EXPECTED.union(outputs))
    from mlapi.inference.compiling import compile_pipeline  # noqa: PLC0415 - scikit-learn: only where it is needed

    # what is compiled takes the usual dtypes, and no others
    signature = manifest.signature
    pipeline = None if signature.typed else compile_pipeline(fitted(), signature.columns)
    if pipeline is not None:
        yield model.with_pipeline(pipeline)
    yield model


def _outside_of_the_main_thread(prove: Callable[[], Model]) -> Model:
    """Return what a call returns, made in a thread that ends with it, unless it is in one of its own already.

    OpenMP's threads belong to the thread that computed with them. gunicorn forks workers from its master's
    main thread; one whose own main thread answers would wait for threads that did not survive the fork.
    LightGBM makes them whatever OMP_NUM_THREADS says, if it has `n_jobs`.
    """
    if threading.current_thread() is not threading.main_thread():
        return prove()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(prove).result()


def _proven(paths: Iterator[Model], golden: Golden) -> Model:
    """Return the first model that gives the answers of training to the golden rows.

    Raises:
        BrokenArtifact: None does. The reason is that of the last one.
    """
    for model in paths:
        try:
            expected = model.signature, golden, model.manifest.tolerance
            golden_rows.check(model, *expected)
            if model.predictor is not None:
                golden_rows.check_alone(model, *expected)
            return model
        except BrokenArtifact as error:
            if model.predictor is None:
                raise
            why = {"model": model.name, "version": model.version, "reason": str(error)}
            logger.warning("compiled path not used", extra=why)
    raise AssertionError("the last path has no predictor")


def _from_store(folder: Path, manifest: Manifest, fitted: Callable[[], Any]) -> Model | None:
    """Return the model that answers by the compiled pipeline in predictor.joblib (`predictor_content`).

    None, with a line in the log, if the file cannot be used.
    """
    content = read_file(folder, manifest, PREDICTOR)
    try:
        stored = load_predictor(content, PICKLED)
        if stored["form"] != FORM:
            raise BrokenArtifact(f"it has the form {stored['form']!r:.40}; this mlapi reads {FORM}")
        pipeline = stored["answering"]
        if not isinstance(pipeline, CompiledPipeline):
            raise BrokenArtifact(f"a {type(pipeline).__name__} answers no rows")
        if NETWORK in manifest.files:
            _load_network(pipeline, read_file(folder, manifest, NETWORK))
        outputs = ModelOutputs(tuple(stored["outputs"]), stored["classes"])
        return Model(manifest, fitted, outputs).with_pipeline(pipeline)
    except (BrokenArtifact, LookupError, TypeError, ValueError, AttributeError) as error:  # of another mlapi
        why = {"model": manifest.name, "version": manifest.version, "reason": str(error)}
        logger.warning("stored predictor not used", extra=why)
        return None


def _load_network(pipeline: CompiledPipeline, network: bytes) -> None:
    if not loads_network(pipeline):
        raise BrokenArtifact(f"it has no use for {NETWORK}")
    pipeline.load_network(network)


class _Estimator:
    """A version's estimator, loaded when it is first asked for, once for all threads.

    Bytes that are right but make no estimator here are read once. What the disk refuses is tried again.
    """

    def __init__(self, manifest: Manifest, load: Callable[[], Any]) -> None:
        self._manifest = manifest
        self._load = load
        self._lock = threading.Lock()
        self._estimators: list[Any] = []
        """The estimator, once it is loaded: any value can be one, None as well."""
        self._failure: str | None = None

    def __call__(self) -> Any:
        """Return the estimator.

        Raises:
            BrokenArtifact: It cannot be loaded.
        """
        if not self._estimators:
            with self._lock:
                if not self._estimators:
                    self._estimators.append(self._read())
        return self._estimators[0]

    def _read(self) -> Any:
        if self._failure is not None:
            raise BrokenArtifact(self._failure)
        try:
            return self._load()
        except BrokenArtifact as error:
            if error.origin is not None and not isinstance(error.origin, OSError | MemoryError):
                self._failure = str(error)
                why = {"model": self._manifest.name, "version": self._manifest.version, "reason": str(error)}
                logger.warning("estimator not loaded", extra=why)
            raise
