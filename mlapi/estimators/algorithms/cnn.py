"""A convolutional network for pictures, as a scikit-learn classifier.

It is trained with PyTorch, which `fit` imports and nothing else, and answers by onnxruntime.
"""

import math
from collections.abc import Callable
from copy import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from mlapi.errors import BrokenArtifact, RecipeError
from mlapi.estimators.algorithms.declaration import IMAGE_CLASSIFICATION, Algorithm, Parameter
from mlapi.estimators.networks.plan import LabeledImages, Plan, Shape, TrainedNetwork, Watch
from mlapi.estimators.networks.runtime import Runtime
from mlapi.wording import how_to_install, listed

CHANNELS = (1, 3, 4)
"""How many channels an image may have."""


class ConvolutionalNetwork(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of images.

    X are images, (rows, height, width, channels), or flat rows, (rows, height * width * channels), with
    `shape` to say how to divide them. Values are raw ones, best from 0 to 255; they are normalized by the
    mean and the standard deviation of the training images. `fit` sets `shape_`, `mean_` and `std_` (by
    channel), `network_` (an ONNX file), `history_` (the results of each epoch), `apart_` (by how much its
    probabilities differ from PyTorch's at most) and `rounding_` (by how much rounding its weights changed
    them). It is pickled, and answers, without PyTorch; threads may ask it at once."""

    def __init__(  # noqa: PLR0913 - scikit-learn's contract: a parameter each
        self,
        *,
        shape: Shape | None = None,
        epochs: int | None = None,
        budget: float | None = None,
        batch_size: int = 1000,
        learning_rate: float = 11.5,
        weight_decay: float = 0.0153,
        label_smoothing: float = 0.2,
        crop: float = 0.125,
        cutout: float = 0.25,
        mix: float = 0.5,
        neighborhood: float = 0.005,
        flip: bool = True,
        width: int = 32,
        random_state: Any = None,
    ) -> None:
        self.shape = shape
        self.epochs = epochs
        self.budget = budget
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.crop = crop
        self.cutout = cutout
        self.mix = mix
        self.neighborhood = neighborhood
        self.flip = flip
        self.width = width
        self.random_state = random_state

    def fit(  # noqa: PLR0913 - what is learned from, what it is judged by, and who looks on
        self,
        X: Any,
        y: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        probes: Any = None,
        watch: Watch | None = None,
        checkpoint: Path | None = None,
    ) -> "ConvolutionalNetwork":
        """Train for `epochs`, or for `budget` seconds, which include all that is done here.

        Args:
            X: Images, (rows, height, width, channels), or flat rows.
            y: Their classes, (rows,).
            validation: Further images and classes, to choose the best epoch by.
            probes: Images on which the exported network has to answer as PyTorch does.
            watch: Called some times a second with the progress; what it raises ends the training.
            checkpoint: A file to continue from if it exists, written after each epoch. Only for a training
                with a whole number for `random_state`; the caller removes it.

        Raises:
            RecipeError: PyTorch is not installed, or the checkpoint is of another training.
            FloatingPointError: The training diverged.
        """
        train = _train()
        plan = self._plan()
        self.__dict__.pop("network_", None)  # it would not go with the classes of a training that broke off
        data = self._learned(X, y)
        trained = train(
            data,
            plan,
            classes=len(self.classes_),
            validation=None if validation is None else self._labeled(*validation),
            probes=None if probes is None else np.reshape(probes, (-1, *self.shape_)),
            watch=watch,
            checkpoint=checkpoint,
        )
        self.history_ = trained.history
        self.apart_, self.rounding_ = trained.apart, trained.rounding
        self.mean_, self.std_ = trained.mean, trained.std
        self.load_network(trained.network)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each image, `(rows,)`."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities, `(rows, classes)`, float64."""
        check_is_fitted(self)
        rows = validate_data(self, _flat(X, self.shape_)[0], dtype="numeric", reset=False)
        return self._runtime.probabilities(rows.reshape(len(rows), *self.shape_))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def load_network(self, network: bytes) -> None:
        """Answer with this ONNX file.

        Raises:
            BrokenArtifact: It is no network that mlapi writes, or is for other pictures or classes.
        """
        shape: Any = getattr(self, "shape_", None)
        classes = getattr(self, "classes_", None)
        if not isinstance(classes, np.ndarray) or classes.ndim != 1:
            raise BrokenArtifact("its classes are no list of labels")
        runtime = Runtime(network, shape, len(classes))
        if getattr(self, "n_features_in_", None) != math.prod(shape):
            raise BrokenArtifact(f"its rows are no pictures of {_words(shape)}")
        self.network_, self._runtime = network, runtime

    def without_network(self) -> "ConvolutionalNetwork":
        """Return a copy that answers once it has loaded its network again."""
        bare = copy(self)
        del bare.network_, bare._runtime
        return bare

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without onnxruntime's session, which belongs to this process."""
        return {name: value for name, value in super().__getstate__().items() if name != "_runtime"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle, and load the network if it is there.

        Raises:
            BrokenArtifact: An attribute has the name of a method, and would be called in its place; or the
                network is none.
        """
        reserved = [name for name in state if name == "_runtime" or hasattr(type(self), name)]
        if reserved:
            raise BrokenArtifact(f"its state would take the place of {listed(reserved)}")
        super().__setstate__(state)
        if "network_" in state:
            self.load_network(self.network_)

    def _learned(self, X: Any, y: Any) -> LabeledImages:
        """Check the training images, and note their shape and their classes."""
        rows, shape = _flat(X, self.shape)
        rows, y = validate_data(self, rows, y, dtype="numeric")
        check_classification_targets(y)
        self.shape_ = self._shape(shape)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("expected two classes at least, got one class only")
        return LabeledImages(_compact(rows).reshape(-1, *self.shape_), labels)

    def _labeled(self, X: Any, y: Any) -> LabeledImages:
        """Check further images of the same classes.

        Raises:
            ValueError: A class is not one of the training images'.
        """
        rows, y = validate_data(self, _flat(X, self.shape_)[0], y, dtype="numeric", reset=False)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"classes that no training picture has: {', '.join(map(str, unknown[:3]))}")
        return LabeledImages(_compact(rows).reshape(-1, *self.shape_), np.searchsorted(self.classes_, y))

    def _shape(self, shape: Any) -> Shape:
        columns = self.n_features_in_
        if shape is None:
            raise ValueError(f"rows of {columns} numbers: how to see them as pictures is for `shape` to tell")
        height, width, channels = (int(length) for length in shape)
        if height * width * channels != columns or channels not in CHANNELS:
            raise ValueError(
                f"expected pictures of (height, width, channels), with 1, 3 or 4 channels, "
                f"got {_words(shape)} for rows of {columns} numbers"
            )
        return height, width, channels

    def _plan(self) -> Plan:
        """Check all parameters, and return them.

        Raises:
            ValueError: Some have values that are not allowed; the message names all of them.
        """
        parameters = {field.name: getattr(self, field.name) for field in fields(Plan)}
        checked = {name: value for name, value in parameters.items() if name in ALGORITHM.parameters}
        problems = list(ALGORITHM.problems(checked))
        if self.budget is not None and not self.budget > 0:
            problems.append(f"budget: expected seconds, got {self.budget!r}")
        if problems:
            raise ValueError("; ".join(problems))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Plan(**parameters | {"random_state": seed})


def _train() -> Callable[..., TrainedNetwork]:
    try:
        from mlapi.estimators.networks.fitting import train  # noqa: PLC0415 - PyTorch, which serving does without
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in ("torch", "onnx"):
            raise
        raise RecipeError(
            f"training a network needs {error.name}, which is not installed: {how_to_install('vision')}"
        ) from error
    return train


def _flat(X: Any, shape: Any) -> tuple[Any, Any]:
    """Return the images as flat rows, as scikit-learn takes them, and the shape of an image if it is
    known."""
    if getattr(X, "ndim", 2) != 4:
        return X, shape
    if shape is not None and tuple(shape) != X.shape[1:]:
        raise ValueError(f"expected pictures of {_words(shape)}, got {_words(X.shape[1:])}")
    return X.reshape(len(X), math.prod(X.shape[1:])), X.shape[1:]


def _compact(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the rows as uint8 where that loses nothing, else as float32.

    So the same images give the same network, whatever dtype they come in.
    """
    if rows.dtype == np.uint8:
        return rows
    with np.errstate(invalid="ignore"):
        small = rows.astype(np.uint8)
    return small if np.array_equal(small, rows) else rows.astype(np.float32)


def _words(shape: Any) -> str:
    return " x ".join(str(length) for length in shape)


_IMAGES = (IMAGE_CLASSIFICATION,)
"""The tasks of all its parameters."""

ALGORITHM = Algorithm(
    name="cnn",
    builders={IMAGE_CLASSIFICATION: ConvolutionalNetwork},
    bare={},
    parameters={
        "epochs": Parameter(
            None,
            "How often all pictures are seen; by default as often as they need, or a budget lets.",
            int,
            minimum=1,
            maximum=10_000,
            choices=(None,),
            tasks=_IMAGES,
        ),
        "batch_size": Parameter(
            1000,
            "The most pictures in a step; of large ones fewer.",
            int,
            minimum=2,
            maximum=100_000,
            tasks=_IMAGES,
        ),
        "learning_rate": Parameter(
            11.5, "The highest, for 1,024 pictures.", float, minimum=0, above=True, tasks=_IMAGES
        ),
        "weight_decay": Parameter(
            0.0153,
            "How much of each weight is forgotten, for 1,024 pictures.",
            float,
            minimum=0,
            tasks=_IMAGES,
        ),
        "label_smoothing": Parameter(
            0.2,
            "How much of each label is spread over all classes.",
            float,
            minimum=0,
            maximum=1,
            tasks=_IMAGES,
        ),
        "crop": Parameter(
            0.125,
            "How far pictures are moved at most, as a share of their sides.",
            float,
            minimum=0,
            maximum=1,
            tasks=_IMAGES,
        ),
        "cutout": Parameter(
            0.25,
            "How large a hole pictures get, as a share of their sides.",
            float,
            minimum=0,
            maximum=1,
            tasks=_IMAGES,
        ),
        "mix": Parameter(
            0.5,
            "The share of pictures that get a part of another, and of its class.",
            float,
            minimum=0,
            maximum=1,
            tasks=_IMAGES,
        ),
        "neighborhood": Parameter(
            0.005,
            "How far around its weights, as a share of them, a network avoids a higher loss.",
            float,
            minimum=0,
            maximum=1,
            tasks=_IMAGES,
        ),
        "flip": Parameter(
            True,
            "Whether a picture and its mirror image are the same, as they are not with letters and digits: "
            "the network learns from either, and answers with the mean for both.",
            bool,
            tasks=_IMAGES,
        ),
        "width": Parameter(
            32,
            "How wide the network is: its convolutions have 1.5, 4 and 8 times as many channels.",
            int,
            minimum=1,
            maximum=1024,
            tasks=_IMAGES,
        ),
    },
    recognises=(ConvolutionalNetwork,),
    classes=("mlapi.estimators.algorithms.cnn.ConvolutionalNetwork",),
    dense=True,
    seeded=True,
)
