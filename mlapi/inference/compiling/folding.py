"""Linear models with the steps before them folded into their weights, so that these cost nothing.

With w and b the weights and the bias of a model, and what a step makes of a row x,

    scaled       w . ((x - subtract) / divide * multiply + add)
    chosen       w . x[chosen]
    projected    w . ((x . C - subtract) / divide)

are models of x itself. Beside each weight goes a size: the sum of the sizes of all products that make it in
scikit-learn, so that the bound of rounding holds for these too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.functions import Finite
from mlapi.inference.compiled.linear import LARGEST, SMALLEST, DecisionHead, Linear
from mlapi.inference.compiled.selection import Project, Take
from mlapi.inference.compiled.steps import Scale, Step
from mlapi.inference.compiling.selection import SparseProject

FARTHEST = 1e4
"""How many standard deviations a column's mean may be from zero for its scaler to be folded into the
coefficients. Each power of ten loses a digit, and answers have to agree to 1e-9."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A linear model's scores, as they are folded."""

    weights: Matrix
    """`(scores, columns)`."""
    sizes: Matrix
    """`(scores, columns)`: of each weight the sum of the sizes of what it is made of."""
    bias: NDArray[np.float64]
    """`(scores,)`."""
    constant: float
    """An upper bound of the terms of a score that do not depend on the row."""
    terms: int
    """How many products are added for a score, here or by scikit-learn."""

    def model(self, head: DecisionHead) -> Linear:
        """Return the model that makes these scores."""
        return Linear(self.weights, self.bias, head, self.constant, self.sizes.max(axis=0), self.terms)


def sums_of(model: Linear) -> Sums:
    """Return the scores of a model of which nothing is folded yet."""
    weights = model.weights
    return Sums(weights, np.abs(weights), model.bias, model.constant, weights.shape[1])


def part(sums: Sums, places: slice) -> Sums:
    """Return what some of the columns add to the scores, without bias."""
    weights = sums.weights[:, places]
    return Sums(weights, sums.sizes[:, places], 0 * sums.bias, 0.0, weights.shape[1])


def moved(whole: Sums, part: Sums, terms: int) -> Sums:
    """Return the scores with what was folded into the bias of a part that stands beside the matrix.

    Args:
        terms: How many products of the part are added for a score.
    """
    return replace(
        whole,
        bias=whole.bias + part.bias,
        constant=whole.constant + part.constant,
        terms=whole.terms + terms,
    )


def joined(whole: Sums, parts: Sequence[Sums], constant: float) -> Sums:
    """Return the scores of several matrices side by side.

    Args:
        whole: The scores that the parts were taken from: their bias counts.
        constant: An upper bound of what stands beside the matrices.
    """
    none = np.zeros((len(whole.bias), 0))
    return Sums(
        np.concatenate([none, *(part.weights for part in parts)], axis=1),
        np.concatenate([none, *(part.sizes for part in parts)], axis=1),
        whole.bias + sum(part.bias for part in parts),
        whole.constant + sum(part.constant for part in parts) + constant,
        max(whole.terms, sum(part.terms for part in parts)) + len(parts),
    )


def fold(sums: Sums, steps: Sequence[Step]) -> tuple[Sums, tuple[Step, ...]]:
    """Return the same scores of what comes before the last steps, as far as these can be folded, and the
    steps that remain.

    A scaler whose column lies far from zero remains: subtracting first, as scikit-learn does, keeps the
    digits that all its values share out of the sum.
    """
    remaining = list(steps)
    while remaining and type(remaining[-1]) in _FOLDS:
        simpler = _FOLDS[type(remaining[-1])](sums, remaining[-1])
        if simpler is None:
            break
        sums = simpler
        remaining.pop()
    return sums, tuple(remaining)


def _scaled(sums: Sums, scale: Scale) -> Sums | None:
    """Return None if this would lose digits or overflow."""
    ones = np.ones(sums.weights.shape[1])
    divide = ones if scale.divide is None else scale.divide
    multiply = ones if scale.multiply is None else scale.multiply
    subtract = 0 * ones if scale.subtract is None else scale.subtract
    add = 0 * ones if scale.add is None else scale.add
    weights, sizes = sums.weights / divide * multiply, sums.sizes / np.abs(divide) * np.abs(multiply)
    moved = np.maximum(np.abs(subtract / divide * multiply), np.abs(add))
    bias = sums.bias - weights.dot(subtract) + sums.weights.dot(add)
    terms = sizes.dot(np.abs(subtract)) + sums.sizes.dot(np.abs(add))
    if not (_are_usable(sums.sizes, sizes) and (moved <= FARTHEST).all() and (terms < LARGEST).all()):
        return None
    return replace(sums, weights=weights, sizes=sizes, bias=bias, constant=sums.constant + float(terms.max()))


def _taken(sums: Sums, take: Take) -> Sums:
    weights = np.zeros((len(sums.weights), take.columns))
    sizes = weights.copy()
    weights[:, take.chosen], sizes[:, take.chosen] = sums.weights, sums.sizes
    return replace(sums, weights=weights, sizes=sizes)


def _projected(sums: Sums, project: Project) -> Sums | None:
    divide = 1.0 if project.divide is None else project.divide
    weights, sizes = sums.weights / divide, sums.sizes / np.abs(divide)
    subtract = np.zeros(weights.shape[1]) if project.subtract is None else project.subtract[0]
    folded, folded_sizes = weights.dot(project.weights.T), sizes.dot(np.abs(project.weights.T))
    terms = sizes.dot(np.abs(subtract))
    if not (_are_usable(sums.sizes, sizes) and (folded_sizes < LARGEST).all() and (terms < LARGEST).all()):
        return None
    return Sums(
        folded,
        folded_sizes,
        sums.bias - weights.dot(subtract),
        sums.constant + float(terms.max()),
        sums.terms + folded.shape[1],
    )


def _unchanged(sums: Sums, _: Finite) -> Sums:
    """Return the same: a score of a number that is not finite is not finite, whatever its weight."""
    return sums


def _are_usable(before: Matrix, after: Matrix) -> bool:
    """Return whether sizes that were not zero are neither that nor infinite now, nor nearly."""
    return bool(((before == 0) | ((after > SMALLEST) & (after < LARGEST))).all())


_FOLDS: Mapping[type, Callable[[Sums, Any], Sums | None]] = {
    Finite: _unchanged,
    Project: _projected,
    Scale: _scaled,
    SparseProject: _projected,
    Take: _taken,
}
"""By the exact class of a step, what folds it; that gives None if digits would be lost."""
