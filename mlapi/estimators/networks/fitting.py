"""Train a network by a plan: epochs and steps within a budget of time, checkpoints, the choice of the best.

One seed gives one network if the number of epochs is given, on a CPU with the same number of threads. With a
budget the time decides how many steps there are, and a graphics card may add numbers in another order.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlapi.estimators.networks.averaging import EVERY
from mlapi.estimators.networks.checkpoint import Checkpoint, digest
from mlapi.estimators.networks.learner import Learner
from mlapi.estimators.networks.plan import EpochState, LabeledImages, Plan, RawImages, TrainedNetwork, Watch
from mlapi.estimators.networks.schedule import largest_batch, schedule

_WATCH_S = 0.25
"""Seconds between two reports within an epoch."""

_CHECKPOINT_S = 180
"""Seconds between two checkpoints within an epoch."""

_TIMED_IMAGES = 250
"""On how many images is measured how long a validation takes."""

_MARGIN = 1.5
"""What is done after the last step may take so many times as long as it took when it was tried."""


def train(  # noqa: PLR0913 - a fact each
    data: LabeledImages,
    plan: Plan,
    *,
    classes: int,
    validation: LabeledImages | None = None,
    probes: RawImages | None = None,
    watch: Watch | None = None,
    checkpoint: Path | None = None,
) -> TrainedNetwork:
    """Train a network from the start, or go on from a checkpoint.

    Args:
        data: The training images.
        plan: How to train. A budget is for everything that is done here; the schedule goes on as time passes.
        classes: How many classes there are: the labels are below it.
        validation: Images to choose the epoch and to calibrate the probabilities by. Without them the network
            is that of the last epoch, and not calibrated.
        probes: Further images of the same shape on which the exported network has to answer as PyTorch does.
        watch: Is called some times a second with the state of the training; what it raises ends the training.
        checkpoint: A file to go on from if it exists; it is written after each epoch, and within long ones.

    Raises:
        RecipeError: The checkpoint is of another training, or cannot be read.
        FloatingPointError: The training diverged, or the exported network does not answer as PyTorch does.
    """
    training = Training(data, plan, classes, validation, probes)
    file = Checkpoint(checkpoint, _identity(data, plan, validation)) if checkpoint else None
    if file and (state := file.read()):
        training.load(state)
    training.try_last_steps(file)
    reported = saved = time.monotonic()
    for has_ended in training.steps():
        now = time.monotonic()
        if watch and (has_ended or now - reported > _WATCH_S):
            watch(training.progress())
            reported = now
        if file and (has_ended or now - saved > _CHECKPOINT_S):
            file.write(training.state())
            saved = now
    return training.result()


@dataclass(slots=True)
class TrainingState:
    """How far a training has come. The names of the fields are in checkpoints."""

    epoch: int = 0
    """The epoch that is running, from 1; 0 before the first."""
    place: int = 0
    """The number of the next step in the epoch, from 0."""
    step: int = 0
    """The number of the next step in the training, from 0."""
    unaveraged: int = 0
    """How many steps were made since the network was last set to its average."""
    rate: float = 0.0
    """The learning rate of the last step, as a share of the highest."""
    seconds: float = 0.0
    """How long it has taken, with what it took before a break."""
    accuracy: float | None = None
    """The accuracy on the validation set when it was last measured."""
    best: float = -1.0
    """The best accuracy on the validation set; -1 before the first."""
    is_over: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)
    """An entry for each epoch that has ended."""


class Training:
    """One training, with its state, its clock, and the weights that were best so far."""

    def __init__(
        self,
        data: LabeledImages,
        plan: Plan,
        classes: int,
        validation: LabeledImages | None,
        probes: RawImages | None,
    ) -> None:
        self._began = time.monotonic()
        self._earlier_s = self._step_s = 0.0
        self._plan, self._validation, self._probes = plan, validation, probes
        batch_size = min(plan.batch_size, largest_batch(data.shape))
        self._schedule = schedule(
            len(data.labels), epochs=plan.epochs, batch_size=batch_size, budget=plan.budget
        )
        self._learner = Learner(data, plan, classes=classes, batch_size=self._schedule.batch_size)
        self._state = TrainingState()
        self._best: dict[str, Any] = {}

    def try_last_steps(self, file: Checkpoint | None) -> None:
        """Do once before training what is done after it: export, write the checkpoint, validate.

        So it does not fail after hours, and its time is known, which is taken off the budget.
        """
        began = time.monotonic()
        self._learner.export(self._probes)
        if file:
            file.write(self.state())
        # The validation set is answered after the last epoch, and again to calibrate.
        last_s = _MARGIN * (time.monotonic() - began) + 2 * self._validation_s()
        if self._plan.budget is not None:
            left = max(self._plan.budget - last_s, self._plan.budget / 2)
            self._schedule = replace(self._schedule, seconds=left)
        self._first = self._state.step, self._share(), time.monotonic()

    def steps(self) -> Iterator[bool]:
        """Train to the end; yield after each step whether an epoch has ended with it."""
        state = self._state
        while not state.is_over:
            if state.place == 0:
                state.epoch += 1
                self._learner.begin_epoch()
            began, share = time.monotonic(), self._share()
            state.rate = self._learner.step(state.epoch, state.place, share)
            state.step, state.place = state.step + 1, state.place + 1
            state.unaveraged += 1
            has_ended = state.place == self._schedule.steps_per_epoch or self._share() == 1
            if has_ended or state.unaveraged == EVERY:
                self._learner.follow_average(state.unaveraged, share)
                state.unaveraged = 0
            self._step_s = time.monotonic() - began
            if has_ended:
                self._end_epoch()
            yield has_ended

    def progress(self) -> EpochState:
        """Return how far the training is; not before the first step."""
        loss, right, images = self._learner.sums.tolist()
        step, share, began = self._first
        seconds, done = time.monotonic() - began, self._share()
        return EpochState(
            epoch=self._state.epoch,
            share=done,
            loss=loss / images,
            accuracy=right / images,
            pictures_per_second=(self._state.step - step) * self._schedule.batch_size / seconds,
            seconds_left=seconds * (1 - done) / (done - share) if done < 1 else 0.0,
            validation_accuracy=self._state.accuracy,
        )

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on, for a checkpoint; valid until the next step."""
        state = asdict(replace(self._state, seconds=self._seconds()))
        return {"course": state, "best": self._best, "learner": self._learner.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._state = TrainingState(**state["course"])
        self._earlier_s = self._state.seconds
        self._best = state["best"]
        self._learner.load(state["learner"])

    def result(self) -> TrainedNetwork:
        """Export the best weights, or the last ones without a validation set; with one, calibrated by it.

        Raises:
            FloatingPointError: The exported network does not answer as the trained one.
        """
        if self._best:
            self._learner.load_weights(self._best)
        if self._validation:
            self._learner.calibrate(self._validation)
        exported = self._learner.export(self._probes)
        exported.check()
        return TrainedNetwork(
            exported.network,
            self._learner.mean,
            self._learner.std,
            self._state.history,
            exported.apart,
            exported.rounding,
        )

    def _end_epoch(self) -> None:
        """Measure the accuracy, add the epoch to the history, and decide whether it was the last.

        Raises:
            FloatingPointError: The loss is infinite or NaN.
        """
        state, progress = self._state, self.progress()
        if not math.isfinite(progress.loss):
            raise FloatingPointError("the training diverged: a lower learning_rate may help")
        entry = asdict(progress) | {"validation_accuracy": self._measure(progress.share)}
        del entry["seconds_left"]
        state.history.append(entry | {"learning_rate": state.rate, "seconds": self._seconds()})
        state.place = 0
        state.is_over = progress.share == 1 or self._share() == 1
        if state.is_over:
            all_done = state.step == self._schedule.epochs * self._schedule.steps_per_epoch
            state.history[-1]["stopped"] = "epochs" if all_done else "budget"

    def _measure(self, share: float) -> float | None:
        """Return the accuracy on the validation set, and keep the weights if they may be the best.

        None without a validation set, and after epochs that are not validated. Of all states within one
        standard error of the best the last one is kept: it has learned the longest, and the others may have
        been lucky (the one-standard-error rule, Breiman et al. 1984, section 3.4.3).
        """
        state, data = self._state, self._validation
        if data is None or not self._schedule.validates(state.epoch, share, len(data.labels)):
            return None
        state.accuracy = self._learner.accuracy(data)
        state.best = max(state.best, state.accuracy)
        error = math.sqrt(state.best * (1 - state.best) / len(data.labels))
        if state.accuracy >= state.best - error:
            self._best = self._learner.weights()
        return state.accuracy

    def _validation_s(self) -> float:
        """Estimate from some images how many seconds a validation takes, with a margin."""
        data = self._validation
        if data is None:
            return 0.0
        began = time.monotonic()
        some = LabeledImages(data.images[:_TIMED_IMAGES], data.labels[:_TIMED_IMAGES])
        self._learner.accuracy(some)
        return _MARGIN * (time.monotonic() - began) * len(data.labels) / len(some.labels)

    def _share(self) -> float:
        """Return how much of the training is done after the next step, if that takes as long as the last."""
        return self._schedule.share(self._state.step, self._seconds() + self._step_s)

    def _seconds(self) -> float:
        """Return the seconds spent on this training, with those before a break."""
        return self._earlier_s + time.monotonic() - self._began


def _identity(data: LabeledImages, plan: Plan, validation: LabeledImages | None) -> dict[str, Any]:
    """Return what tells this training from others: its plan and its images."""
    arrays = [data.images, data.labels]
    arrays += [] if validation is None else [validation.images, validation.labels]
    # numpy's float64 is a float too, but a checkpoint with one would not be read.
    parameters = {
        name: float(value) if isinstance(value, float) else value for name, value in asdict(plan).items()
    }
    return parameters | {"shape": str(data.images.shape), "data": digest(*arrays)}
