"""A network's answers without PyTorch: in threads, after a fork, from a pickle."""

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from mlapi.estimators.networks.runtime import CHUNK, Runtime
from mlapi.estimators.networks.schedule import Schedule, largest_batch, rate, schedule
from tests.conftest import ROOT
from tests.support.learnt_pictures import ACROSS_OR_DOWN as FILE
from tests.support.learnt_pictures import across_or_down, drawn

SHAPE = (8, 8, 1)
X, Y = drawn(100, SHAPE, seed=1)


@pytest.fixture
def network() -> ConvolutionalNetwork:
    """As it is after its pickle was read."""
    return across_or_down()


def test_it_answers_pictures_and_flat_rows_of_any_type(network: ConvolutionalNetwork) -> None:
    expected = network.predict_proba(X)

    assert network.score(X, Y) > 0.9
    for same in (X.reshape(100, 64), X.astype(float), X.reshape(100, 64).astype(np.float32), X[::-1][::-1]):
        np.testing.assert_array_equal(network.predict_proba(same), expected)


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_picture_is_answered_alike_alone_and_among_others(
    network: ConvolutionalNetwork, count: int
) -> None:
    alone = np.concatenate([network.predict_proba(picture[None]) for picture in X[:count]])

    together = network.predict_proba(X[:count])

    assert together.dtype == np.float64
    assert together.shape == (count, 2)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-12)


def test_threads_ask_it_at_once(network: ConvolutionalNetwork) -> None:
    expected = network.predict_proba(X)
    fresh = pickle.loads(pickle.dumps(network))

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: fresh.predict_proba(X), range(20)))

    for answer in answers:
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_makes_a_session_of_its_own() -> None:
    runtime = Runtime(FILE.read_bytes(), SHAPE, 2)
    expected = runtime.probabilities(X)
    session = runtime._session()
    receiver, sender = multiprocessing.Pipe(duplex=False)

    process = multiprocessing.get_context("fork").Process(
        target=lambda: sender.send((runtime.probabilities(X), runtime._session() is session))
    )
    process.start()
    answers, is_the_parents = receiver.recv()
    process.join()

    assert not is_the_parents
    assert runtime._session() is session
    np.testing.assert_array_equal(answers, expected)


def test_asking_does_not_change_it(network: ConvolutionalNetwork) -> None:
    before = pickle.dumps(network)

    network.predict(X)

    assert pickle.dumps(network) == before


def test_what_has_no_pictures_needs_neither_onnxruntime_nor_pytorch() -> None:
    code = """if True:
        import sys
        import mlapi.estimators.algorithms, mlapi.artifacts.pickles.pickling
        print(sorted({"onnxruntime", "torch", "onnx", "PIL"} & set(sys.modules)))
    """

    command, path = [sys.executable, "-c", code], {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=path)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("pictures", "batch", "steps", "epochs"), [(50_000, 1000, 50, 10), (300, 16, 18, 23), (5, 5, 1, 400)]
)
def test_few_pictures_make_small_batches_and_more_epochs(
    pictures: int, batch: int, steps: int, epochs: int
) -> None:
    assert schedule(pictures, epochs=None, batch_size=1000, budget=None) == Schedule(batch, steps, epochs)
    assert schedule(pictures, epochs=7, batch_size=1000, budget=None).epochs == 7
    assert schedule(pictures, epochs=None, batch_size=1000, budget=9).epochs == 200


@pytest.mark.parametrize(("side", "count"), [(32, 4096), (64, 1024), (256, 64), (4096, 2)])
def test_of_large_pictures_fewer_are_computed_with_at_once(side: int, count: int) -> None:
    assert largest_batch((side, side, 3)) == count


def test_a_training_is_over_when_its_steps_or_its_time_are() -> None:
    timed = Schedule(batch_size=10, steps_per_epoch=5, epochs=2, seconds=100)

    assert timed.share(5, 20) == 0.5
    assert timed.share(1, 60) == 0.6
    assert timed.share(1, 200) == timed.share(10, 0) == 1
    assert Schedule(batch_size=10, steps_per_epoch=5, epochs=2).share(5, 1e9) == 0.5


def test_a_dear_validation_is_for_some_epochs_and_the_last_ones() -> None:
    plan = Schedule(batch_size=100, steps_per_epoch=10, epochs=10)

    assert all(plan.validates(epoch, epoch / 10, 90) for epoch in range(1, 11))
    assert [epoch for epoch in range(1, 11) if plan.validates(epoch, epoch / 10, 300)] == [4, 8, 9, 10]


def test_the_rate_rises_then_falls() -> None:
    rates = np.array([rate(share) for share in np.linspace(0, 1, 101)])

    assert rates[0] == 0.2
    assert rates.max() == rates[23] == 1
    assert rates[-1] == 0
    assert (np.diff(rates[:24]) > 0).all()
    assert (np.diff(rates[23:]) < 0).all()


def test_a_network_says_what_it_cannot_take(network: ConvolutionalNetwork) -> None:
    for wrong, problem in [
        (np.zeros((2, 8, 9, 1)), "expected pictures of 8 x 8 x 1, got 8 x 9 x 1"),
        (np.zeros((2, 63)), "X has 63 features, but ConvolutionalNetwork is expecting 64"),
        (np.full((2, 64), np.nan), "Input X contains NaN"),
    ]:
        with pytest.raises(ValueError, match=problem):
            network.predict(wrong)
