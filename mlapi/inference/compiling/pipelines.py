"""A fitted pipeline -> what answers in its place."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler

from mlapi.data.signature import Matrix
from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from mlapi.inference.compiled.columns import Names, NumberBlock, Preparation, StepsBlock, WordBlock
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.network import Network
from mlapi.inference.compiled.predictor import Additive, CompiledPipeline, Dense, Terms, Unscaled
from mlapi.inference.compiled.words import Table
from mlapi.inference.compiling import linear, svm, trees
from mlapi.inference.compiling.columns import preparation
from mlapi.inference.compiling.compilers import Compilers
from mlapi.inference.compiling.folding import fold, joined, part, sums_of
from mlapi.inference.compiling.forms import dense, form_after, table
from mlapi.inference.compiling.own_methods import OwnMethods
from mlapi.inference.compiling.preprocessing import flat

logger = logging.getLogger(__name__)


COMPILERS: Compilers = {**linear.COMPILERS, **svm.COMPILERS, **trees.COMPILERS}
"""By class of final estimator, what compiles it."""


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


def _compiled(chain: Sequence[Any], names: Names) -> CompiledPipeline:
    """Return what answers in the place of some transformers and a final estimator.

    Raises:
        Uncompilable: One of them is not understood.
    """
    *transformers, final = chain
    if type(final) is ConvolutionalNetwork and not transformers:
        return _network(final)
    if type(final) is TransformedTargetRegressor:
        with suppress(Uncompilable):
            return _unscaled(final, transformers, names)
    if not transformers and names != tuple(getattr(final, "feature_names_in_", names)):
        raise Uncompilable
    compile_final = COMPILERS.get(type(final))
    compiled_final = compile_final(final) if compile_final else None
    if compiled_final is None:
        return _by_own_methods(transformers, final, names)
    prepared = _prepared(transformers, final, names)
    additive = _additive(prepared, compiled_final) if isinstance(compiled_final, Linear) else None
    return additive or Dense(prepared, compiled_final)


def _by_own_methods(transformers: Sequence[Any], final: Any, names: Names) -> CompiledPipeline:
    """
    Raises:
        Uncompilable: A transformer is not understood, or there is none before the final estimator.
    """
    if not transformers:
        raise Uncompilable
    given = table(names) if hasattr(transformers[0], "feature_names_in_") else dense
    form = form_after(transformers, given)
    prepared = _prepared(transformers, final, names, only_floats=True)
    return Dense(prepared, OwnMethods(final, form))


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
    model: TransformedTargetRegressor, transformers: Sequence[Any], names: Names
) -> CompiledPipeline:
    if type(model.transformer_) is not StandardScaler:
        raise Uncompilable
    inner = _compiled([*transformers, *flat(model.regressor_)], names)
    scaler = model.transformer_
    spread = scaler.scale_ if scaler.with_std else 1.0
    mean = scaler.mean_ if scaler.with_mean else 0.0
    return Unscaled(inner, mean, spread, is_flat=model._training_dim == 1)


def _additive(prepared: Preparation, linear_model: Linear) -> CompiledPipeline | None:
    """Return the model as a sum over the blocks, each with its last steps folded into its weights.

    None if steps remain that take the matrix of all blocks.
    """
    whole, remaining = fold(sums_of(linear_model), prepared.steps)
    if remaining or any(isinstance(block, StepsBlock) for block in prepared.blocks):
        return None
    numbers, parts = [], []
    tables: list[tuple[str, Table]] = []
    for block in prepared.blocks:
        sums = part(whole, block.places)
        if isinstance(block, WordBlock):
            tables += [(block.names[table.column], _scored(table, sums.weights)) for table in block.tables]
        elif isinstance(block, NumberBlock):
            folded, steps = fold(sums, block.steps)
            numbers.append(NumberBlock(block.source, steps, block.places))
            parts.append(folded)
    constant = sum(float(np.abs(np.nan_to_num(table.rows)).max()) for _, table in tables)
    model = joined(whole, parts, constant).model(linear_model.reading)
    return Additive(model, numbers, Terms(tables) if tables else None)


def _scored(table: Table, weights: Matrix) -> Table:
    """Return the table with what each category adds to the scores, (codes, classes)."""
    return replace(table, rows=table.rows.dot(weights[:, table.places].T))
