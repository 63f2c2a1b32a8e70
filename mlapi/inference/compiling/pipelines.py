"""A fitted pipeline -> what answers in its place."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler

from mlapi.data.signature import Matrix
from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from mlapi.inference.compiled.columns import Names, NumberBlock, Preparation, WordBlock
from mlapi.inference.compiled.final_estimator import Fallback, FinalEstimator, Uncompilable
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.network import Network
from mlapi.inference.compiled.predictor import Additive, CompiledPipeline, Dense, Terms, Unscaled
from mlapi.inference.compiled.words import Table
from mlapi.inference.compiling import linear, svm, trees
from mlapi.inference.compiling.columns import preparation
from mlapi.inference.compiling.compilers import Machines
from mlapi.inference.compiling.linear import folded
from mlapi.inference.compiling.preprocessing import flat

logger = logging.getLogger(__name__)


MACHINES: Machines = {**linear.MACHINES, **svm.MACHINES, **trees.MACHINES}


def compiled(estimator: Any, names: Names) -> CompiledPipeline | None:
    """What answers for an estimator of columns of these names; None if anything about it is not known."""
    try:
        with np.errstate(all="ignore"):
            return _compiled(list(flat(estimator)), names)
    except (Uncompilable, Fallback):
        return None
    except Exception:  # attributes of somebody else's estimator: the price is only time
        logger.warning("estimator not compiled", exc_info=True)
        return None


def _compiled(chain: Sequence[Any], names: Names) -> CompiledPipeline:
    *transformers, final = chain
    if type(final) is ConvolutionalNetwork and not transformers:
        return _network(final)
    if type(final) is TransformedTargetRegressor:
        return _unscaled(final, transformers, names)
    machine = _machine(final)
    if not transformers and names != tuple(getattr(final, "feature_names_in_", names)):
        raise Uncompilable
    prepared = preparation(transformers, names)
    if prepared.width != final.n_features_in_:
        raise Uncompilable
    found = _additive(prepared, machine) if isinstance(machine, Linear) else None
    return found or Dense(prepared, machine)


def _machine(final: Any) -> FinalEstimator:
    make = MACHINES.get(type(final))
    machine = make(final) if make else None
    if machine is None:
        raise Uncompilable
    return machine


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


def _additive(prepared: Preparation, machine: Linear) -> CompiledPipeline | None:
    """The model of what stands before the scalers, block by block; None if steps are left for the whole."""
    whole, left = folded(machine, prepared.steps)
    if left:
        return None
    numbers, parts = [], []
    tables: list[tuple[str, Table]] = []
    bias, constant = whole.bias, whole.constant
    for block in prepared.blocks:
        weights = whole.weights[:, block.places]
        if isinstance(block, WordBlock):
            tables += [(block.names[table.column], _scored(table, weights)) for table in block.tables]
            continue
        part, steps = folded(Linear(weights, 0 * bias, whole.reading), block.steps)
        numbers.append(NumberBlock(block.source, steps, block.places))
        parts.append(part.weights)
        bias, constant = bias + part.bias, constant + part.constant
    constant += sum(float(np.abs(np.nan_to_num(table.rows)).max()) for _, table in tables)
    weights = np.concatenate(parts, axis=1) if parts else np.zeros((len(bias), 0))
    return Additive(
        Linear(weights, bias, whole.reading, constant), numbers, Terms(tables) if tables else None
    )


def _scored(table: Table, weights: Matrix) -> Table:
    """Each word with what it adds to the scores."""
    return replace(table, rows=table.rows.dot(weights[:, table.places].T))
