"""The convolutional network: learned from few pictures, broken off and gone on with, exported, pickled."""

import io
import json
import pickle
import subprocess
import sys
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch", reason="training networks needs PyTorch: `make test-vision` installs it")

from mlapi.artifacts.pickles import pickling  # noqa: E402 - after the skip, as all that imports PyTorch
from mlapi.artifacts.pickles.scanner import names_in  # noqa: E402
from mlapi.errors import RecipeError  # noqa: E402
from mlapi.estimators.algorithms.cnn import ALGORITHM, ConvolutionalNetwork  # noqa: E402
from mlapi.estimators.algorithms.declaration import IMAGE_CLASSIFICATION  # noqa: E402
from mlapi.estimators.networks import export, fitting, learner, neighborhood, schedule  # noqa: E402
from mlapi.estimators.networks.augmentation import Augmentation, normalize  # noqa: E402
from mlapi.estimators.networks.examination import examine  # noqa: E402
from mlapi.estimators.networks.onnx_file import onnx_file  # noqa: E402
from mlapi.estimators.networks.onnx_graph import read  # noqa: E402
from mlapi.estimators.networks.operators import OPERATORS  # noqa: E402
from mlapi.estimators.networks.plan import EpochState  # noqa: E402
from mlapi.estimators.networks.residual import Gate, ResidualNetwork, fold, round_weights  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.support.learnt_pictures import cifar, drawn  # noqa: E402

SHAPE = (12, 12, 3)
X, Y = drawn(120, SHAPE)
MORE_X, MORE_Y = drawn(60, SHAPE, seed=1)

pytestmark = [pytest.mark.vision, pytest.mark.usefixtures("one_torch_thread")]


def small(**changed: Any) -> ConvolutionalNetwork:
    """Quick, and with pictures as they are: what makes long trainings better makes short ones worse."""
    return ConvolutionalNetwork(
        **{"epochs": 3, "width": 4, "crop": 0.0625, "cutout": 0.0, "mix": 0.0, "random_state": 0} | changed
    )


@pytest.fixture(scope="module")
def fitted() -> ConvolutionalNetwork:
    return small(epochs=12).fit(X, Y, validation=(MORE_X, MORE_Y))


def dumped(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    pickling.dump(estimator, buffer)
    return buffer.getvalue()


def test_three_hundred_pictures_and_two_epochs_are_better_than_chance() -> None:
    pictures, classes = cifar(50)
    learned = np.arange(len(classes)) % 50 < 30

    network = small(epochs=2, width=32).fit(pictures[learned], classes[learned])

    assert set(network.classes_) == set(classes)
    assert network.score(pictures[~learned], classes[~learned]) > 0.15  # five deviations above 0.1


def test_it_learns_what_it_is_shown(fitted: ConvolutionalNetwork) -> None:
    assert fitted.score(MORE_X, MORE_Y) > 0.9
    probabilities = fitted.predict_proba(MORE_X)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(axis=1)], fitted.predict(MORE_X))


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 10, 1), (2, 2, 3), (20, 33, 4), (100, 64, 3)], ids=str)
def test_pictures_of_any_size_are_taken(shape: tuple[int, int, int]) -> None:
    pictures, classes = drawn(9, shape)

    network = small(epochs=1).fit(pictures, classes)

    assert network.shape_ == shape
    assert network.n_features_in_ == np.prod(shape)
    assert network.mean_.shape == network.std_.shape == (shape[2],)
    assert np.isfinite(network.predict_proba(pictures)).all()


def test_two_pictures_are_enough_and_a_constant_color_does_no_harm() -> None:
    pictures = np.stack([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)])
    pictures[1, :, :, 0] = 255

    network = small(epochs=1).fit(pictures, [0, 1])

    assert network.std_.tolist() == [127.5, 1, 1]
    assert np.isfinite(network.predict_proba(pictures)).all()


@pytest.mark.parametrize("classes", [["cat", "dog"], [7, 3], [True, False], [1.0, 2.0]])
def test_classes_keep_their_type(classes: list[Any]) -> None:
    y = np.array(classes)[(Y == "down").astype(int)]

    network = small(epochs=1).fit(X, y)

    assert network.predict(X[:5]).dtype == y.dtype
    assert network.classes_.tolist() == sorted(classes)


def test_one_seed_gives_one_network_whatever_the_pictures_come_as() -> None:
    first = small().fit(X, Y)
    flat = small(shape=SHAPE).fit(X.reshape(len(X), -1).astype(float), Y)
    other = small(random_state=1).fit(X, Y)

    assert first.network_ == flat.network_ != other.network_
    np.testing.assert_array_equal(first.predict_proba(X), flat.predict_proba(X.reshape(len(X), -1)))


def test_training_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)

    torch.manual_seed(5)
    small(epochs=1).fit(X, Y)

    assert torch.equal(torch.rand(3), expected)


class Clock:
    """In place of the module: it goes by how often it is looked at, which is several times a step."""

    seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 0.002
        return self.seconds


class Broken(Exception):
    """What ends a training in a test."""


def break_after(epochs: int, *, places: int = 0) -> Any:
    """A watch that raises when an epoch has ended, or so many reports into the next one."""
    reports = []

    def watch(progress: EpochState) -> None:
        if progress.epoch > epochs:
            reports.append(progress)
        if len(reports) > places:
            raise Broken

    return watch


@pytest.mark.parametrize("places", [0, 3], ids=["at an epoch's start", "within an epoch"])
def test_a_training_that_broke_off_goes_on_to_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    monkeypatch.setattr(fitting, "_WATCH_S", 0)
    monkeypatch.setattr(fitting, "_CHECKPOINT_S", 0 if places else 1000)
    options = {"validation": (MORE_X, MORE_Y), "checkpoint": tmp_path / "cnn.ckpt"}
    whole = small(cutout=0.3).fit(X, Y, validation=options["validation"])

    with pytest.raises(Broken):
        small(cutout=0.3).fit(X, Y, watch=break_after(1, places=places), **options)
    seen: list[EpochState] = []
    resumed = small(cutout=0.3).fit(X, Y, watch=seen.append, **options)

    assert seen[0].epoch == 2
    assert resumed.network_ == whole.network_
    timed = ("seconds", "pictures_per_second")
    for one, other in zip(resumed.history_, whole.history_, strict=True):
        assert {**one, **dict.fromkeys(timed)} == {**other, **dict.fromkeys(timed)}


def test_ctrl_c_goes_through_and_leaves_the_checkpoint(tmp_path: Path) -> None:
    def stop(progress: EpochState) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small().fit(X, Y, watch=stop, checkpoint=tmp_path / "cnn.ckpt")

    assert [file.name for file in tmp_path.iterdir()] == ["cnn.ckpt"]


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cnn.ckpt"
    small().fit(X, Y, checkpoint=path)

    with pytest.raises(RecipeError, match=r"cnn.ckpt is the checkpoint of another .*epochs 3.* instead of 4"):
        small(epochs=4).fit(X, Y, checkpoint=path)
    with pytest.raises(RecipeError, match="another training, with data"):
        small().fit(X ^ 1, Y, checkpoint=path)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", pickle.dumps({"identity": {}}), pickle.dumps(Broken())],
    ids=["empty", "words", "another pickle", "a pickle that fails"],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cnn.ckpt"
    path.write_bytes(content)

    with pytest.raises(RecipeError, match=r"cnn.ckpt is no checkpoint that can be read; remove it"):
        small().fit(X, Y, checkpoint=path)

    assert path.read_bytes() == content


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """That by which a training goes."""
    clock = Clock()
    monkeypatch.setattr(fitting, "time", clock)
    return clock


def test_a_budget_is_kept_with_all_that_is_done_in_it(clock: Clock) -> None:
    network = small(epochs=None, budget=4, width=8).fit(X, Y, validation=(MORE_X, MORE_Y))

    last = network.history_[-1]
    assert 2 < clock.seconds < 4.5
    assert (last["stopped"], last["share"]) == ("budget", 1)
    assert last["learning_rate"] < 0.2 < max(entry["learning_rate"] for entry in network.history_)
    assert network.score(MORE_X, MORE_Y) > 0.9


def test_the_time_before_a_break_counts_too(tmp_path: Path, clock: Clock) -> None:
    training = small(epochs=None, budget=3, width=8)
    with pytest.raises(Broken):
        training.fit(X, Y, watch=break_after(1), checkpoint=tmp_path / "cnn.ckpt")
    broken_off = clock.seconds

    training.fit(X, Y, checkpoint=tmp_path / "cnn.ckpt")

    last = training.history_[-1]
    assert last["stopped"] == "budget"
    assert clock.seconds - broken_off < last["seconds"] < 3.02  # a few looks more
    training.set_params(budget=3.0).fit(X, Y, checkpoint=tmp_path / "cnn.ckpt")


def test_what_is_watched_and_what_is_kept_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_WATCH_S", 0)
    seen: list[EpochState] = []

    network = small().fit(X, Y, validation=(MORE_X, MORE_Y), watch=seen.append)

    shares = [progress.share for progress in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert (seen[-1].seconds_left, seen[-1].epoch) == (0, 3)
    assert [entry["epoch"] for entry in network.history_] == [1, 2, 3]
    assert network.history_[-1]["stopped"] == "epochs"
    assert network.history_[-1]["loss"] == seen[-1].loss
    assert network.history_[-1]["validation_accuracy"] == seen[-1].validation_accuracy
    assert json.loads(json.dumps(network.history_)) == network.history_


def test_the_best_epoch_is_kept_and_of_those_that_nothing_tells_from_it_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The standard error of 0.9 of 60 pictures is 0.039."""
    monkeypatch.setattr(schedule, "_VALIDATION_SHARE", 1)  # after each epoch they are asked for

    def kept(*accuracies: float) -> bytes:
        found = iter([0.0, *accuracies])  # a first time to see how long it takes
        monkeypatch.setattr(learner.Learner, "accuracy", lambda *_: next(found))
        return small(epochs=4).fit(X, Y, validation=(MORE_X, MORE_Y)).network_

    last = kept(0.1, 0.2, 0.3, 0.9)
    third = kept(0.1, 0.2, 0.9, 0.6)
    assert kept(0.1, 0.2, 0.9, 0.87) == last != third
    assert kept(0.1, 0.9, 0.87, 0.6) == third
    assert kept(0.1, 0.9, 0.6, 0.6) not in (last, third)


def test_large_pictures_are_computed_with_in_small_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    lots: list[int] = []

    def noting(pictures: Any, mean: Any, std: Any) -> Any:
        lots.append(len(pictures))
        return normalize(pictures, mean, std)

    monkeypatch.setattr(learner, "normalize", noting)
    monkeypatch.setattr(schedule, "_PIXELS", 10 * 12 * 12)
    monkeypatch.setattr(learner, "_WHITENED_NUMBERS", 20 * 4 * 12 * 12 * 3)

    small(epochs=1).fit(X, Y, validation=(MORE_X, MORE_Y))

    assert (lots[0], max(lots[1:])) == (20, 10)


def test_validation_knows_no_other_classes() -> None:
    with pytest.raises(ValueError, match="classes that no training picture has: bird"):
        small().fit(X, Y, validation=(X[:2], ["bird", "down"]))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"epochs": 0}, "epochs: expected a whole number from 1"),
        ({"crop": 2}, "crop: expected a number from 0 up to 1"),
        ({"budget": 0}, "budget: expected seconds, got 0"),
        ({"shape": (12, 12, 4)}, "expected pictures of 12 x 12 x 4, got 12 x 12 x 3"),
    ],
)
def test_a_parameter_out_of_range_is_refused(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        small(**changed).fit(X, Y)


def test_flat_rows_need_a_shape_that_fits() -> None:
    rows = X.reshape(len(X), -1)

    with pytest.raises(ValueError, match="rows of 432 numbers: how to see them as pictures"):
        small().fit(rows, Y)
    with pytest.raises(ValueError, match="got 12 x 12 x 1 for rows of 432 numbers"):
        small(shape=(12, 12, 1)).fit(rows, Y)
    with pytest.raises(ValueError, match="with 1, 3 or 4 channels, got 12 x 18 x 2"):
        small(shape=(12, 18, 2)).fit(rows, Y)


def test_a_training_that_diverges_says_so() -> None:
    with pytest.raises(FloatingPointError, match="diverged: a lower learning_rate may help"):
        small(learning_rate=1e30).fit(X, Y)


def test_it_refuses_to_answer_before_it_is_fitted() -> None:
    with pytest.raises(NotFittedError):
        small().predict(X)


def test_it_is_not_fitted_any_more_when_another_training_breaks_off() -> None:
    network = small(epochs=1).fit(X, Y)

    with pytest.raises(Broken):
        network.fit(X, np.array(["left", "right"] * 60), watch=break_after(0))

    with pytest.raises(NotFittedError):
        network.predict(X)


def test_other_pictures_than_it_learned_from_are_refused(fitted: ConvolutionalNetwork) -> None:
    with pytest.raises(ValueError, match="expected pictures of 12 x 12 x 3, got 12 x 13 x 3"):
        fitted.predict(np.zeros((1, 12, 13, 3)))
    with pytest.raises(ValueError, match="X has 431 features"):
        fitted.predict(np.zeros((1, 431)))


def test_a_network_that_is_folded_wrongly_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_its_norms(network: ResidualNetwork, mean: Any, std: Any) -> ResidualNetwork:
        found = fold(network, mean, std)
        found.groups[0].first.convolution.bias.data.zero_()
        return found

    monkeypatch.setattr(export, "fold", without_its_norms)

    with pytest.raises(FloatingPointError, match=r"the folded network answers .* apart from the trained one"):
        small(epochs=1).fit(X, Y)


def test_a_file_that_is_written_wrongly_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_another_head(network: ResidualNetwork, shape: Any) -> bytes:
        network = deepcopy(network)
        network.head.weight.data *= 1.01
        return onnx_file(network, shape)

    monkeypatch.setattr(export, "onnx_file", with_another_head)

    with pytest.raises(FloatingPointError, match=r"onnxruntime answers .* apart from PyTorch"):
        small(epochs=1).fit(X, Y)


def test_what_rounding_the_weights_does_is_told(fitted: ConvolutionalNetwork) -> None:
    assert 1e-6 < fitted.rounding_ < 0.01
    assert fitted.apart_ < 1e-5


def test_the_folded_network_answers_as_the_one_that_was_trained() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork((20, 20, 3), 5, 8)
    pictures = 255 * torch.rand(64, 3, 20, 20)
    mean, std = torch.tensor([120.0, 110.0, 90.0]), torch.tensor([60.0, 70.0, 80.0])
    seen = (pictures - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    network.whiten(seen)
    with torch.no_grad():
        for _ in range(20):  # the norms learn what to expect
            network(seen)
        network.eval()

        whole = fold(network, mean, std)
        folding = (whole(pictures) - network(seen)).abs().max()
        rounding = (round_weights(whole)(pictures) - network(seen)).abs().max()

    assert folding < 2e-5
    assert folding < rounding < 0.003


def test_a_picture_and_its_mirror_image_get_one_answer_where_that_is_told(
    fitted: ConvolutionalNetwork,
) -> None:
    mirrored = np.ascontiguousarray(MORE_X[:, :, ::-1])
    np.testing.assert_allclose(fitted.predict_proba(MORE_X), fitted.predict_proba(mirrored), atol=1e-6)

    letters = small(flip=False).fit(X, Y)
    assert np.abs(letters.predict_proba(MORE_X) - letters.predict_proba(mirrored)).max() > 1e-3


def test_within_its_neighborhood_a_network_is_where_its_loss_is_higher() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork((8, 8, 3), 2, 4).train()
    pictures, labels = torch.rand(32, 3, 8, 8), torch.arange(32) % 2
    before = deepcopy(network.state_dict())

    def loss() -> Any:
        return torch.nn.functional.cross_entropy(network(pictures), labels)

    with neighborhood.perturbed(network, loss, 0.01):
        above = network.state_dict()
        moved = {name for name, value in above.items() if "weight" in name and not value.equal(before[name])}
        shares = [((above[name] - before[name]).norm() / before[name].norm()).item() for name in moved]
        assert above["groups.0.first.norm.running_mean"].equal(before["groups.0.first.norm.running_mean"])
        higher = loss().item()

    assert {"head.weight", "groups.2.third.convolution.weight"} <= moved
    assert "whitening.weight" not in moved
    assert shares == pytest.approx([0.01] * len(moved), rel=1e-4)
    assert higher > loss().item()


def test_the_weights_are_back_after_a_look_around() -> None:
    network = ResidualNetwork((8, 8, 3), 2, 4)
    pictures = torch.rand(8, 3, 8, 8)
    before = deepcopy(network.state_dict())

    with suppress(Broken), neighborhood.perturbed(network, lambda: network(pictures).square().sum(), 0.1):
        raise Broken

    kept = {name: value for name, value in network.state_dict().items() if "tracked" not in name}
    assert all(torch.equal(value, before[name]) for name, value in kept.items())


def test_it_is_as_sure_as_it_is_right() -> None:
    noisy = MORE_X[:40].copy()
    noisy[::2] = np.random.default_rng(3).integers(0, 250, noisy[::2].shape, np.uint8)  # right by chance
    options = {"epochs": 12, "label_smoothing": 0.0}

    plain, calibrated = (
        small(**options).fit(X, Y),
        small(**options).fit(X, Y, validation=(noisy, MORE_Y[:40])),
    )

    def surprise(network: ConvolutionalNetwork) -> float:
        return float(log_loss(MORE_Y[:40], network.predict_proba(noisy)))

    assert surprise(calibrated) < surprise(plain)
    # Two classes that are as likely may change places: the weights are rounded to two bytes after that.
    clear = plain.predict_proba(MORE_X).max(axis=1) > 0.51
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(plain.predict(MORE_X)[clear], calibrated.predict(MORE_X)[clear])


def test_a_gate_lets_through_as_much_of_each_channel_as_it_learned() -> None:
    gate, pictures = Gate(16), torch.rand(4, 16, 3, 3)
    assert torch.equal(gate(pictures), pictures)

    gate.excite.bias.data[:8], gate.excite.bias.data[8:] = 100, -100
    assert torch.allclose(gate(pictures)[:, :8], 2 * pictures[:, :8])
    assert gate(pictures)[:, 8:].abs().max() < 1e-6


def test_the_first_layer_whitens() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork((16, 16, 3), 2, 4)
    pictures = torch.rand(200, 3, 16, 16).cumsum(2).cumsum(3)  # neighbors are alike, as in photographs
    pictures -= pictures.mean()

    network.whiten(pictures)

    half = network.whitening.out_channels // 2
    found = network.whitening(pictures).detach().transpose(0, 1).flatten(1)
    torch.testing.assert_close(found[:half], -found[half:])
    covariance = (found[:half] @ found[:half].T / found.shape[1]).numpy()
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.01
    assert (np.diag(covariance)[:6] > 0.9).all()


def test_moved_pictures_are_mirrored_at_the_border_and_where_told() -> None:
    pictures = torch.arange(2 * 5 * 6).reshape(2, 5, 6, 1)
    chosen, generator = torch.tensor([1, 0, 1]), torch.Generator().manual_seed(0)
    still = Augmentation((5, 6, 1), crop=0, cutout=0, mix=0)
    flipped = torch.tensor([False, True, True])

    unmoved = still.shift(pictures, chosen, flipped, generator)
    moved = Augmentation((5, 6, 1), crop=0.4, cutout=0, mix=0).shift(pictures, chosen, flipped, generator)

    assert torch.equal(unmoved, torch.stack([pictures[1], pictures[0].flip(1), pictures[1].flip(1)]))
    padded = np.pad(unmoved.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 6), (1, 2))
    for picture, candidates in zip(moved[..., 0].numpy(), windows, strict=True):
        assert (candidates.reshape(-1, 5, 6) == picture).all(axis=(1, 2)).any()


def test_a_hole_is_cut_into_each_picture() -> None:
    pictures = torch.ones(500, 3, 8, 8)

    pierced = Augmentation((8, 8, 3), crop=0, cutout=0.5, mix=0).cut_out(pictures, torch.Generator())

    missing = (pierced == 0).sum((2, 3))
    assert missing.min() >= 1
    assert missing.max() == 16
    assert torch.equal(missing[:, 0], missing[:, 1])


def test_a_part_of_another_is_pasted_into_some_pictures() -> None:
    pictures = torch.arange(1000).reshape(-1, 1, 1, 1).expand(1000, 8, 6, 3)

    mixed, partners, own = Augmentation((8, 6, 3), crop=0, cutout=0, mix=0.5).cut_mix(
        pictures, torch.Generator()
    )

    foreign = mixed[..., 0] != pictures[..., 0]
    where = foreign.any((1, 2))
    assert torch.equal(mixed[..., 0], torch.where(foreign, partners[:, None, None], pictures[..., 0]))
    torch.testing.assert_close(own[where], 1 - foreign[where].float().mean((1, 2)))
    assert 0.4 < where.float().mean() < 0.55, "a part may be smaller than a pixel"
    for picture in foreign[where][:50]:
        rows, columns = picture.any(1), picture.any(0)
        assert torch.equal(picture, rows[:, None] & columns), "a rectangle"


def test_what_it_pickles_is_declared_and_answers_the_same(fitted: ConvolutionalNetwork) -> None:
    fitted.predict(X[:1])
    content = dumped(fitted)

    loaded = pickling.load(content, ALGORITHM.classes)

    assert set(names_in(content)) & {"mlapi.estimators.algorithms.cnn.ConvolutionalNetwork"} == set(
        ALGORITHM.classes
    )
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_a_pickle_has_the_attributes_that_it_always_had(fitted: ConvolutionalNetwork) -> None:
    """Versions that were published before have these: see tests/inference/test_form.py."""
    learned = {"apart_", "classes_", "history_", "mean_", "network_", "rounding_", "shape_", "std_"}

    assert fitted.__getstate__().keys() - {"_sklearn_version"} == {
        *fitted.get_params(),
        "n_features_in_",
        *learned,
    }


def test_a_fitted_one_answers_where_pytorch_is_not(tmp_path: Path, fitted: ConvolutionalNetwork) -> None:
    (tmp_path / "model.joblib").write_bytes(dumped(fitted))
    np.save(tmp_path / "X.npy", X)
    code = """if True:
        import sys
        class Without:
            def find_spec(self, name, *_):
                if name in ("torch", "onnx"):
                    raise ModuleNotFoundError(name, name=name)
        sys.meta_path.insert(0, Without())
        import numpy
        from mlapi.artifacts.pickles import pickling
        from mlapi.estimators.algorithms.cnn import ALGORITHM
        network = pickling.load(open("model.joblib", "rb").read(), ALGORITHM.classes)
        numpy.save("answers.npy", network.predict_proba(numpy.load("X.npy")))
        try:
            network.fit(numpy.load("X.npy"), ["a", "b"] * 60)
        except Exception as error:
            print(type(error).__name__, error)
    """

    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, check=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )

    np.testing.assert_array_equal(np.load(tmp_path / "answers.npy"), fitted.predict_proba(X))
    assert done.stdout == (
        "RecipeError training a network needs torch, which is not installed: "
        "pip install 'torch>=2.9,<3' 'onnx>=1.19,<2'\n"
    )


def test_the_declaration_builds_it() -> None:
    built = ALGORITHM.build(IMAGE_CLASSIFICATION, {}, seed=3)

    assert built.get_params() == ConvolutionalNetwork(random_state=3).get_params()
    assert clone(built).get_params() == built.get_params()


@pytest.mark.parametrize("mirrors", [True, False])
@pytest.mark.parametrize("shape", [(12, 12, 3), (1, 10, 1), (2, 2, 4), (65, 33, 1)], ids=str)
def test_what_is_written_passes_with_operators_of_the_list_alone(
    shape: tuple[int, int, int], mirrors: bool
) -> None:
    network = ResidualNetwork(shape, 3, 4, mirrors=mirrors).eval()
    plain = torch.zeros(shape[2]), torch.ones(shape[2])

    content = onnx_file(fold(network, *plain), shape)

    assert examine(content, shape, 3).products > 0
    missing = set(OPERATORS) - {node.op_type for node in read(content).nodes}
    assert missing - {"Cast"} == (set() if mirrors else {"Concat", "ReduceMean", "Reshape", "Slice"})


class Lines(ConvolutionalNetwork):
    """Sees rows of any length as pictures one pixel high: scikit-learn's checks send no others."""

    def _shape(self, shape: Any) -> tuple[int, int, int]:
        return 1, self.n_features_in_, 1


LINES = Lines(epochs=10, width=4, crop=0.0, cutout=0.0, mix=0.0, flip=False, random_state=0)


@parametrize_with_checks([LINES])
def test_it_keeps_scikit_learns_contract(estimator: Any, check: Any) -> None:
    check(estimator)
