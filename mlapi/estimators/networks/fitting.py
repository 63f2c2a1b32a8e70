"""Pictures and a plan -> a network: epochs and steps within a time, checkpoints, and the best of the states.

One seed gives one network where the epochs are told, on a processor, with one number of threads; a graphics
card may add in another order.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlapi.estimators.networks.averaging import EVERY
from mlapi.estimators.networks.checkpoint import Checkpoint, digest
from mlapi.estimators.networks.learner import Learner
from mlapi.estimators.networks.plan import EpochState, LabeledImages, Plan, TrainedNetwork, Watch
from mlapi.estimators.networks.schedule import largest_batch, schedule

_WATCH_S, _CHECKPOINT_S = 0.25, 180
"""Seconds between two reports, and between two checkpoints within an epoch."""

_TRIED = 250
"""Pictures on which is measured how long a validation takes."""

_MARGIN = 1.5
"""What comes last is given so many times the time that it took when it was rehearsed."""


def train(  # noqa: PLR0913 - a fact each
    data: LabeledImages,
    plan: Plan,
    *,
    classes: int,
    validation: LabeledImages | None = None,
    probes: NDArray[Any] | None = None,
    watch: Watch | None = None,
    checkpoint: Path | None = None,
) -> TrainedNetwork:
    """Train a network from the start, or from where the checkpoint's training broke off.

    With a validation set the network is the best of all epochs, else the last. A budget is kept by going
    through the schedule as time goes, and is for all that is done here. On the probes, too, the exported
    network has to answer as PyTorch does.

    Raises:
        RecipeError: The checkpoint is of another training, or cannot be read.
        FloatingPointError: The training diverged, or the exported network answers something else.
    """
    training = Training(data, plan, classes, validation, probes)
    file = Checkpoint(checkpoint, _identity(data, plan, validation)) if checkpoint else None
    if file and (state := file.read()):
        training.load(state)
    training.rehearse(file)
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
class Course:
    """How far a training has come; `place` is the next step of the epoch."""

    epoch: int = 0
    place: int = 0
    step: int = 0
    unaveraged: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    accuracy: float | None = None
    best: float = -1.0
    is_over: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


class Training:
    """One training, from the first step or from a state that was saved: its course, its clock, its best."""

    def __init__(
        self,
        data: LabeledImages,
        plan: Plan,
        classes: int,
        validation: LabeledImages | None,
        probes: NDArray[Any] | None,
    ) -> None:
        self._began = time.monotonic()
        self._before_s = self._step_s = 0.0
        self._plan, self._validation, self._probes = plan, validation, probes
        batch_size = min(plan.batch_size, largest_batch(data.shape))
        self._schedule = schedule(
            len(data.labels), epochs=plan.epochs, batch_size=batch_size, budget=plan.budget
        )
        self._learner = Learner(data, plan, classes=classes, batch=self._schedule.batch)
        self._course = Course()
        self._best: dict[str, Any] = {}

    def rehearse(self, file: Checkpoint | None) -> None:
        """Do now what comes last: it should not fail after hours, and the budget leaves time for it."""
        began = time.monotonic()
        self._learner.exported(self._probes)
        if file:
            file.write(self.state())
        # The last epoch asks the validation set, and so does calibration.
        last_s = _MARGIN * (time.monotonic() - began) + 2 * self._validation_s()
        if self._plan.budget is not None:
            left = max(self._plan.budget - last_s, self._plan.budget / 2)
            self._schedule = replace(self._schedule, seconds=left)
        self._first = self._course.step, self._share(), time.monotonic()

    def steps(self) -> Iterator[bool]:
        """Train, step by step; says of each whether an epoch has ended with it."""
        course = self._course
        while not course.is_over:
            if course.place == 0:
                course.epoch += 1
                self._learner.begin_epoch()
            began, share = time.monotonic(), self._share()
            course.rate = self._learner.step(course.epoch, course.place, share)
            course.step, course.place = course.step + 1, course.place + 1
            course.unaveraged += 1
            has_ended = course.place == self._schedule.steps_per_epoch or self._share() == 1
            if has_ended or course.unaveraged == EVERY:
                self._learner.follow_average(course.unaveraged, share)
                course.unaveraged = 0
            self._step_s = time.monotonic() - began
            if has_ended:
                self._end_epoch()
            yield has_ended

    def progress(self) -> EpochState:
        loss, right, pictures = self._learner.sums.tolist()
        step, share, began = self._first
        seconds, done = time.monotonic() - began, self._share()
        return EpochState(
            epoch=self._course.epoch,
            share=done,
            loss=loss / pictures,
            accuracy=right / pictures,
            pictures_per_second=(self._course.step - step) * self._schedule.batch / seconds,
            seconds_left=seconds * (1 - done) / (done - share) if done < 1 else 0.0,
            validation_accuracy=self._course.accuracy,
        )

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on; valid until the next step."""
        course = asdict(replace(self._course, seconds=self._seconds()))
        return {"course": course, "best": self._best, "learner": self._learner.state()}

    def load(self, state: dict[str, Any]) -> None:
        self._course = Course(**state["course"])
        self._before_s = self._course.seconds
        self._best = state["best"]
        self._learner.load(state["learner"])

    def result(self) -> TrainedNetwork:
        """The best of the states, exported; where there are pictures to tell, it is as sure as it is right.

        Raises:
            FloatingPointError: It does not answer as the network that was trained.
        """
        if self._best:
            self._learner.put(self._best)
        if self._validation:
            self._learner.calibrate(self._validation)
        found = self._learner.exported(self._probes)
        found.check()
        mean, std = self._learner.mean, self._learner.std
        return TrainedNetwork(found.network, mean, std, self._course.history, found.apart, found.rounding)

    def _end_epoch(self) -> None:
        """Measure, remember the best, and write the epoch down.

        Raises:
            FloatingPointError: The loss is no number any more.
        """
        course, progress = self._course, self.progress()
        if not math.isfinite(progress.loss):
            raise FloatingPointError("the training diverged: a lower learning_rate may help")
        entry = asdict(progress) | {"validation_accuracy": self._measure(progress.share)}
        del entry["seconds_left"]
        course.history.append(entry | {"learning_rate": course.rate, "seconds": self._seconds()})
        course.place = 0
        course.is_over = progress.share == 1 or self._share() == 1
        if course.is_over:
            all_done = course.step == self._schedule.epochs * self._schedule.steps_per_epoch
            course.history[-1]["stopped"] = "epochs" if all_done else "budget"

    def _measure(self, share: float) -> float | None:
        """The accuracy, where it is time for it.

        Of all states that are within one standard error of the best the last one is kept: it has learned the
        longest, and the others were lucky (the one-standard-error rule, Breiman et al. 1984, section 3.4.3).
        """
        course, data = self._course, self._validation
        if data is None or not self._schedule.validates(course.epoch, share, len(data.labels)):
            return None
        course.accuracy = self._learner.accuracy(data)
        course.best = max(course.best, course.accuracy)
        error = math.sqrt(course.best * (1 - course.best) / len(data.labels))
        if course.accuracy >= course.best - error:
            self._best = self._learner.weights()
        return course.accuracy

    def _validation_s(self) -> float:
        """About how long the last validation will take."""
        data = self._validation
        if data is None:
            return 0.0
        began = time.monotonic()
        some = LabeledImages(data.pictures[:_TRIED], data.labels[:_TRIED])
        self._learner.accuracy(some)
        return _MARGIN * (time.monotonic() - began) * len(data.labels) / len(some.labels)

    def _share(self) -> float:
        """How much of the training is done, if the next step takes as long as the last."""
        return self._schedule.share(self._course.step, self._seconds() + self._step_s)

    def _seconds(self) -> float:
        """Spent on this training, those before a break too."""
        return self._before_s + time.monotonic() - self._began


def _identity(data: LabeledImages, plan: Plan, validation: LabeledImages | None) -> dict[str, Any]:
    """What tells this training from others."""
    arrays = [data.pictures, data.labels]
    arrays += [] if validation is None else [validation.pictures, validation.labels]
    # Plain numbers: a checkpoint with numpy's would not be read.
    told = {name: float(value) if isinstance(value, float) else value for name, value in asdict(plan).items()}
    return told | {"shape": str(data.pictures.shape), "data": digest(*arrays)}
