"""A fitted pipeline -> what answers in its place."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mlapi.data.signature import Matrix
from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from mlapi.inference.compiled.columns import Names, NumberBlock, Preparation, StepsBlock, WordBlock
from mlapi.inference.compiled.committees import Member
from mlapi.inference.compiled.final_estimator import Fallback, FinalEstimator, Uncompilable
from mlapi.inference.compiled.functions import FUNCTIONS
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.network import Network
from mlapi.inference.compiled.predictor import Additive, CompiledPipeline, Dense, Terms, Unscaled
from mlapi.inference.compiled.words import Table
from mlapi.inference.compiled.wrappers import Rescaled
from mlapi.inference.compiling import adaboost, bayes, linear, perceptron, svm, trees
from mlapi.inference.compiling.columns import preparation
from mlapi.inference.compiling.committees import COMMITTEES
from mlapi.inference.compiling.compilers import Compilers
from mlapi.inference.compiling.folding import fold, joined, moved, part, sums_of
from mlapi.inference.compiling.forms import Form, dense, form_after, table
from mlapi.inference.compiling.own_methods import OwnMethods
from mlapi.inference.compiling.preprocessing import flat
from mlapi.inference.compiling.texts import MOST_WORDS, TextBlock, TextScores, WithTexts

logger = logging.getLogger(__name__)


COMPILERS: Compilers = {
    **adaboost.COMPILERS,
    **bayes.COMPILERS,
    **linear.COMPILERS,
    **perceptron.COMPILERS,
    **svm.COMPILERS,
    **trees.COMPILERS,
}
"""By class of final estimator, what compiles it."""


MOST_COLUMNS = 2**17
"""The most columns of a matrix that a final estimator other than a linear model gets: 1 MB for each row."""


def compile_pipeline(estimator: Any, names: Names) -> CompiledPipeline | None:
    """Return what answers in an estimator's place; None if anything about it is not known exactly.

    Args:
        names: The names of all columns of a batch.
    """
    try:
        with np.errstate(all="ignore"):
            return _compiled(list(flat(estimator)), names)
    except (Uncompilable, Fallback):
        return None
    except Exception:  # attributes of somebody else's estimator: the price is only time
        logger.warning("estimator not compiled", exc_info=True)
        return None


def _compiled(chain: Sequence[Any], names: Names, form: Form | None = None) -> CompiledPipeline:
    """Return what answers in the place of some transformers and a final estimator.

    Args:
        form: The form in which scikit-learn hands the rows to the first; None for a whole pipeline.

    Raises:
        Uncompilable: One of them is not understood.
    """
    *transformers, final = chain
    if type(final) is ConvolutionalNetwork and not transformers:
        return _network(final)
    if type(final) is TransformedTargetRegressor:
        with suppress(Uncompilable):
            return _unscaled(final, transformers, names, form)
    if type(final) in COMMITTEES:
        with suppress(Uncompilable):
            return _committee(final, transformers, names, form)
    if not transformers and names != tuple(getattr(final, "feature_names_in_", names)):
        raise Uncompilable
    compile_final = COMPILERS.get(type(final))
    compiled_final = compile_final(final) if compile_final else None
    if compiled_final is None:
        return _by_own_methods(transformers, final, names, form)
    prepared = _prepared(transformers, final, names)
    additive = _additive(prepared, compiled_final) if isinstance(compiled_final, Linear) else None
    return additive or _dense(prepared, compiled_final)


def _dense(prepared: Preparation, final: FinalEstimator) -> Dense:
    """
    Raises:
        Uncompilable: The matrix would have more columns than are worth filling with zeros.
    """
    if prepared.widest > MOST_COLUMNS:
        raise Uncompilable
    return Dense(prepared, final)


def _by_own_methods(
    transformers: Sequence[Any], final: Any, names: Names, form: Form | None
) -> CompiledPipeline:
    """
    Raises:
        Uncompilable: A transformer is not understood, or nothing stands before the final estimator.
    """
    if not transformers and form is None:
        raise Uncompilable
    form = form_after(transformers, form or _form(transformers[0], names))
    prepared = _prepared(transformers, final, names, only_floats=True)
    return _dense(prepared, OwnMethods(final, form))


def _form(first: Any, names: Names) -> Form:
    """Return the form of what the first step of a whole pipeline gets."""
    return table(names) if hasattr(first, "feature_names_in_") else dense


def _committee(final: Any, transformers: Sequence[Any], names: Names, form: Form | None) -> CompiledPipeline:
    """Return what answers in the place of an estimator around others.

    Raises:
        Uncompilable: One of these is not understood.
    """
    form = form or _form((*transformers, final)[0], names)
    if not transformers:
        return COMMITTEES[type(final)](final, _Members(names, form))
    prepared = _prepared(transformers, final, names, only_floats=True)
    inner_names = getattr(final, "feature_names_in_", [f"x{place}" for place in range(prepared.width)])
    members = _Members(tuple(inner_names), form_after(transformers, form))
    return _dense(prepared, COMMITTEES[type(final)](final, members))


class _Members:
    """Compiles estimators that all get the same rows (`mlapi.inference.compiling.committees.Members`)."""

    def __init__(self, names: Names, form: Form) -> None:
        """
        Args:
            names: The names of the columns.
            form: The form in which scikit-learn hands the rows to each.
        """
        self._names, self._form = names, form

    def quick(self, estimator: Any) -> Member:
        """Return what answers by the quickest path, and says how far it may be from scikit-learn's."""
        chain = list(flat(estimator))
        if type(chain[-1]) in _QUICK and not self._is_sparse(chain):
            with suppress(Uncompilable):
                return _compiled(chain, self._names, self._form)
        return self.exact(estimator)

    def exact(self, estimator: Any) -> Member:
        """Return what gives scikit-learn's numbers to the last bit."""
        chain = list(flat(estimator))
        if self._is_sparse(chain):
            chain = [estimator]
        if type(chain[-1]) in _EXACT:
            with suppress(Uncompilable):
                return _compiled(chain, self._names, self._form)
        return _by_own_methods(chain[:-1], chain[-1], self._names, self._form)

    def final(self, estimator: Any) -> Member:
        """Return what answers the matrix that other members make: a linear model, or what is exact."""
        compile_final = COMPILERS[type(estimator)] if type(estimator) in linear.BOUNDED else None
        compiled_final = compile_final(estimator) if compile_final else None
        return compiled_final or OwnMethods(estimator, dense)

    def _is_sparse(self, chain: Sequence[Any]) -> bool:
        """Return whether steps of this chain get sparse matrices, which are not compiled."""
        return self._form is sparse.csr_matrix and len(chain) > 1


_EXACT = frozenset({*adaboost.COMPILERS, *trees.COMPILERS})
"""Estimators that are compiled to scikit-learn's own numbers."""

_QUICK = frozenset({*_EXACT, *bayes.COMPILERS, *linear.BOUNDED, *perceptron.COMPILERS, *COMMITTEES})
"""Estimators that are compiled within others: they say how far their numbers may be off."""


def _prepared(
    transformers: Sequence[Any], final: Any, names: Names, *, only_floats: bool = False
) -> Preparation:
    """
    Raises:
        Uncompilable: A transformer is not understood, or they do not make what the final estimator takes.
    """
    prepared = preparation(transformers, names, only_floats=only_floats)
    if prepared.width != getattr(final, "n_features_in_", prepared.width):
        raise Uncompilable
    return prepared


def _network(network: ConvolutionalNetwork) -> CompiledPipeline:
    compiled_network = Network(network.classes_, network.shape_)
    compiled_network.load_network(network.network_)
    return compiled_network


def _unscaled(
    model: TransformedTargetRegressor, transformers: Sequence[Any], names: Names, form: Form | None
) -> CompiledPipeline:
    """
    Raises:
        Uncompilable: The scale of the target, or what is fitted on it, is not understood.
    """
    scaler, is_flat = model.transformer_, model._training_dim == 1
    inner = partial(_compiled, [*transformers, *flat(model.regressor_)], names, form)
    if type(scaler) is StandardScaler:
        spread = scaler.scale_ if scaler.with_std else 1.0
        mean = scaler.mean_ if scaler.with_mean else 0.0
        return Unscaled(inner(), mean, spread, is_flat=is_flat)
    name = getattr(getattr(scaler, "inverse_func", None), "__name__", "")
    if type(scaler) is not FunctionTransformer or FUNCTIONS.get(name) is not scaler.inverse_func:
        raise Uncompilable
    if scaler.inv_kw_args:
        raise Uncompilable
    return Rescaled(inner(), name, is_flat=is_flat)


def _additive(prepared: Preparation, linear_model: Linear) -> CompiledPipeline | None:
    """Return the model as a sum over the blocks, each with its last steps folded into its weights.

    None if steps remain that take the matrix of all blocks.
    """
    whole, remaining = fold(sums_of(linear_model), prepared.steps)
    if remaining or any(isinstance(block, StepsBlock) for block in prepared.blocks):
        return None
    numbers, parts = [], []
    tables: list[tuple[str, Table]] = []
    texts: list[TextScores] = []
    for block in prepared.blocks:
        sums = part(whole, block.places)
        if isinstance(block, WordBlock):
            tables += [(block.names[table.column], _scored(table, sums.weights)) for table in block.tables]
        elif isinstance(block, NumberBlock):
            folded, steps = fold(sums, block.steps)
            numbers.append(NumberBlock(block.source, steps, block.places))
            parts.append(folded)
        elif isinstance(block, TextBlock):
            folded, steps = fold(sums, block.steps)
            if steps:
                return None
            texts.append(TextScores(block, folded.weights, folded.sizes))
            whole = moved(whole, folded, 2 * MOST_WORDS)
    constant = sum(float(np.abs(np.nan_to_num(table.rows)).max()) for _, table in tables)
    constant += sum(text.most for text in texts)
    model = joined(whole, parts, constant).model(linear_model.reading)
    additive = Additive(model, numbers, Terms(tables) if tables else None)
    return WithTexts(additive, texts) if texts else additive


def _scored(table: Table, weights: Matrix) -> Table:
    """Return the table with what each category adds to the scores, (codes, classes)."""
    return replace(table, rows=table.rows.dot(weights[:, table.places].T))
