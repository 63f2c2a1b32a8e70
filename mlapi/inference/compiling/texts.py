"""Fitted vectorizers of texts -> numbers of the words in them, and what these add to a linear model's scores.

A text is cut by scikit-learn's own analyzer, which is plain Python; its tables, checks and sparse matrices
are left out. None of this is ever stored: it needs scikit-learn.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from mlapi.data.signature import Batch, Matrix
from mlapi.estimators.preprocessing import BLANK, Texts
from mlapi.inference.compiled.columns import Names, column
from mlapi.inference.compiled.final_estimator import (
    Answer,
    ClassScores,
    Fallback,
    Uncompilable,
)
from mlapi.inference.compiled.one_row import OneRow
from mlapi.inference.compiled.predictor import COMPILED, Additive
from mlapi.inference.compiled.selection import run
from mlapi.inference.compiled.steps import Step
from mlapi.inference.compiling.preprocessing import steps

VECTORIZERS = frozenset({CountVectorizer, TfidfVectorizer})
"""What makes numbers of texts."""

LONGEST = 2**16
"""The most characters of a text; a longer one is scikit-learn's, with its bounds."""

MOST_WORDS = 2**12
"""The most different words of a text that are added up; with more the bound of rounding would not hold."""

MOST_COUNTED = 2**14
"""The largest sum of the numbers of a text that are not divided by its length."""


def reads_texts(transformer: Any) -> bool:
    """Return whether a chain that begins with this takes one column of texts."""
    return type(transformer) in VECTORIZERS or type(transformer) is Texts


@dataclass(frozen=True, slots=True)
class WordCounts:
    """The words of some texts: of each text in order, and within it by column."""

    rows: NDArray[np.intp]
    """`(words,)`: the position of the text that each is in."""
    columns: NDArray[np.intp]
    """`(words,)`."""
    values: NDArray[np.float64]
    """`(words,)`."""
    count: int
    """How many texts there are."""


class Vectorizer:
    """Texts -> the numbers of their words (scikit-learn 1.9, `sklearn.feature_extraction.text`)."""

    def __init__(self, vectorizer: CountVectorizer, tfidf: Any, *, fills_blanks: bool) -> None:
        """
        Args:
            tfidf: The fitted TfidfTransformer; None for plain counts.
            fills_blanks: Whether a missing or blank text is a word of its own.

        Raises:
            Uncompilable: It makes no vectors of columns, or in a way that is not known here.
        """
        self._analyze = vectorizer.build_analyzer()
        self._columns = {word: int(place) for word, place in vectorizer.vocabulary_.items()}
        self._is_binary, self._fills_blanks = bool(vectorizer.binary), fills_blanks
        self._is_sublinear = tfidf is not None and bool(tfidf.sublinear_tf)
        self._idf = getattr(tfidf, "idf_", None)
        self.norm = None if tfidf is None else tfidf.norm
        if self.norm not in (None, "l1", "l2") or not (self._idf is None or self._idf.dtype == np.float64):
            raise Uncompilable

    @property
    def width(self) -> int:
        """How many columns it makes of a text."""
        return len(self._columns)

    def words(self, texts: Sequence[Any]) -> WordCounts:
        """Return the numbers of the words.

        Raises:
            Fallback: One is no text, or too long.
        """
        lengths: list[int] = []
        columns: list[int] = []
        counts: list[int] = []
        for text in texts:
            of_text = self._counts(text)
            places = sorted(of_text)
            lengths.append(len(places))
            columns += places
            counts += map(of_text.__getitem__, places)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        chosen = np.array(columns, dtype=np.intp)
        return WordCounts(rows, chosen, self._weighted(rows, chosen, counts, len(lengths)), len(lengths))

    def _counts(self, text: Any) -> dict[int, int]:
        if self._fills_blanks and (text != text or not text.strip()):  # noqa: PLR0124 - NaN
            text = BLANK
        if not isinstance(text, str) or len(text) > LONGEST:
            raise Fallback
        counts: dict[int, int] = {}
        find = self._columns.get
        for word in self._analyze(text):
            place = find(word)
            if place is not None:
                counts[place] = counts.get(place, 0) + 1
        return counts

    def _weighted(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], counts: Sequence[int], texts: int
    ) -> NDArray[np.float64]:
        values = np.ones(len(counts)) if self._is_binary else np.array(counts, dtype=np.float64)
        if self._is_sublinear:
            values = np.log(values) + 1.0
        if self._idf is not None:
            values *= self._idf[columns]
        if self.norm is not None:
            # `bincount` adds one after the other, as scikit-learn does.
            sizes = values * values if self.norm == "l2" else np.abs(values)
            totals = np.bincount(rows, sizes, texts)
            totals[totals == 0] = 1.0
            values /= (np.sqrt(totals) if self.norm == "l2" else totals)[rows]
        return values


@dataclass(frozen=True, slots=True)
class TextBlock:
    """One column of texts, and the steps that follow on the matrix of their words."""

    names: Names
    """The names of all columns of a batch."""
    position: int
    """The position of the column in a batch."""
    vectorizer: Vectorizer
    steps: tuple[Step, ...]
    places: slice
    """The columns that the result has in the matrix of all blocks."""

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self.vectorizer.width, int(self.places.stop - self.places.start))

    def words(self, batch: Batch) -> WordCounts:
        """Return the words of a batch.

        Raises:
            Fallback: A cell is no text, or too long.
        """
        return self.vectorizer.words(column(batch, self.names[self.position], self.position).tolist())

    def read(self, batch: Batch) -> Matrix:
        """Return what becomes of a batch, `(rows, columns of the block)`.

        Raises:
            Fallback: A cell is no text, or too long.
        """
        words = self.words(batch)
        matrix = np.zeros((words.count, self.vectorizer.width))
        matrix[words.rows, words.columns] = words.values
        return run(matrix, self.steps)


class TextScores:
    """What the texts of one column add to a linear model's scores."""

    def __init__(self, block: TextBlock, weights: Matrix, sizes: Matrix) -> None:
        """
        Args:
            weights: (scores, columns), of each word.
            sizes: (scores, columns), what each weight is made of.
        """
        self._block = block
        self._weights = np.ascontiguousarray(weights.T)
        largest = float(sizes.max(initial=0.0))
        if block.vectorizer.norm == "l2":
            self.most = float(np.sqrt((sizes**2).sum(axis=1)).max())  # Cauchy and Schwarz
        else:
            self.most = largest * (1.0 if block.vectorizer.norm == "l1" else MOST_COUNTED)

    def scores(self, batch: Batch) -> ClassScores:
        """Return what is added, `(classes, rows)`, or `(rows,)` of one score a row.

        Raises:
            Fallback: A cell is no text, or too long.
        """
        words = self._block.words(batch)
        if words.count == 1:
            if len(words.values) > MOST_WORDS or not words.values.sum() <= MOST_COUNTED:
                raise Fallback
            scores: ClassScores = words.values.dot(self._weights[words.columns])[:, None]
        else:
            self._check(words)
            terms = (self._weights[words.columns] * words.values[:, None]).T
            scores = np.array([np.bincount(words.rows, term, words.count) for term in terms])
        of_one: ClassScores = scores[0]
        return of_one if len(scores) == 1 else scores

    def _check(self, words: WordCounts) -> None:
        """
        Raises:
            Fallback: A text has so many words that the bound of rounding would not hold.
        """
        counts = np.bincount(words.rows, minlength=words.count)
        totals = np.bincount(words.rows, words.values, words.count)
        if counts.max(initial=0) > MOST_WORDS or not (totals <= MOST_COUNTED).all():
            raise Fallback


class WithTexts:
    """A linear model of texts, and of numbers and categories beside them."""

    served_by = COMPILED
    one_row: OneRow | None = None

    def __init__(self, rest: Additive, texts: Sequence[TextScores]) -> None:
        """
        Args:
            rest: The model of all other columns.
            texts: What the texts of each column add.
        """
        self.methods = rest.methods
        self._rest, self._texts = rest, tuple(texts)

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self._rest.width

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return the linear model's answer; see `mlapi.inference.compiled.linear.Linear.answer`."""
        first, *others = (text.scores(batch) for text in self._texts)
        for scores in others:
            first = first + scores
        return self._rest.answer(batch, methods, first)


def text_block(
    transformers: Sequence[Any], names: Names, position: int, later: tuple[Step, ...], start: int
) -> TextBlock:
    """Return what a chain of transformers makes of one column of texts.

    Args:
        names: The names of all columns of a batch.
        position: The position of the column.
        later: Steps after the transformers.
        start: The first column of the result in the matrix of all blocks.

    Raises:
        Uncompilable: One of them is not understood.
    """
    rest = list(transformers)
    fills_blanks = type(rest[0]) is Texts
    if fills_blanks:
        rest.pop(0)
    if not rest or type(rest[0]) not in VECTORIZERS:
        raise Uncompilable
    counter = rest.pop(0)
    tfidf = counter._tfidf if type(counter) is TfidfVectorizer else None
    if tfidf is None and rest and type(rest[0]) is TfidfTransformer:
        tfidf = rest.pop(0)
    vectorizer = Vectorizer(counter, tfidf, fills_blanks=fills_blanks)
    following = (*steps(rest, is_sparse=True), *later)
    width = run(np.full((1, vectorizer.width), 0.5), following).shape[1]
    return TextBlock(names, position, vectorizer, following, slice(start, start + width))
