"""Files of networks that somebody wrote by hand: what they could do to a server, they do not get to do."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from mlapi.artifacts.folder import read_manifest
from mlapi.artifacts.manifest import MODEL, NETWORK, PREDICTOR
from mlapi.errors import BrokenArtifact
from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from mlapi.estimators.networks.examination import MAX_NUMBERS, Cost, examine
from mlapi.estimators.networks.runtime import Runtime
from mlapi.inference.compiled.network import Network
from mlapi.inference.loading import load_model
from mlapi.training.workflows.registration import register
from tests.conftest import ROOT, changes_in, publish_fitted, replace_file, trusting
from tests.support.learnt_pictures import ACROSS_OR_DOWN
from tests.support.onnx_bytes import (
    FLOAT16,
    INT64,
    attribute,
    model,
    node,
    number,
    part,
    port,
    single,
    weights,
)

SHAPE, CLASSES = (2, 2, 3), 2

TAKES = port(11, "pictures", ["n", *SHAPE])
GIVES = port(12, "probabilities", ["n", CLASSES])
TURNED = node("Transpose", "pictures", "turned", perm=[0, 3, 1, 2])
MEANS = node("GlobalAveragePool", "turned", "means") + node("Flatten", "means", "row")
HEAD = weights("head", [[0.1, -0.1, 0.0], [0.0, 0.2, -0.1]]) + node("Gemm", "row head", "scores", transB=1)
SHARES = node("Softmax", "scores", "probabilities")

PLAIN = model(TAKES, GIVES, TURNED, MEANS, HEAD, SHARES)

PICTURES = np.arange(36, dtype=np.float64).reshape(3, *SHAPE)

ONE_WITHIN = weights("kernel", np.ones((2, 3, 1, 1))) + weights("bias", [0.0, 0.0])


def between(*parts: bytes) -> bytes:
    """The same network, with more in it."""
    return model(TAKES, GIVES, *parts, TURNED, MEANS, HEAD, SHARES)


def with_head(*parts: bytes) -> bytes:
    """The same network, its last layer made otherwise."""
    return model(TAKES, GIVES, TURNED, MEANS, *parts, SHARES)


def after_turning(*parts: bytes) -> bytes:
    return model(TAKES, GIVES, TURNED, *parts, MEANS, HEAD, SHARES)


def file_beside(location: str, length: int) -> bytes:
    """Weights that lie in another file: onnxruntime reads any that the server can."""
    entries = {"location": location, "offset": "0", "length": str(length)}
    told = b"".join(part(13, part(1, key) + part(2, value)) for key, value in entries.items())
    return part(5, number(1, length // 4) + number(2, 1) + part(8, "theirs") + told + number(14, 1))


def endless() -> bytes:
    """A loop that nothing ends."""
    flag, same = port(12, "more", [], 9), port(12, "same", ["a", "b"])
    again = node("Identity", "go_on", "more") + node("Identity", "before", "same")
    taken = port(11, "count", [], INT64) + port(11, "go_on", [], 9) + port(11, "before", ["a", "b"])
    body = part(5, part(1, "body") + part(6, again + part(2, "body") + taken + flag + same) + number(20, 5))
    return part(
        1, part(1, "") + part(1, "") + part(1, "scores") + part(2, "probabilities") + part(4, "Loop") + body
    )


def convolution(pads: Any = (0, 0, 0, 0), strides: Any = (1, 1), inputs: str = "turned kernel bias") -> bytes:
    return node("Conv", inputs, "filtered", strides=list(strides), pads=list(pads))


WRONG: dict[str, tuple[bytes, str]] = {
    "weights in another file": (between(file_beside("state/keys/local.key", 24)), "has field 13 of kind 2"),
    "a loop": (model(TAKES, GIVES, TURNED, MEANS, HEAD, endless()), "has field 6 of kind 2"),
    "an operator that is not known": (
        between(node("If", "pictures", "x")),
        r"x \(If\): If is none of the op",
    ),
    "a random number": (between(node("RandomUniformLike", "pictures", "x")), "none of the operators"),
    "an operator of another domain": (between(node("Gelu", "pictures", "x", part(7, "com.x"))), "field 7"),
    "an attribute that is not known": (between(node("Gelu", "pictures", "x", approximate=1)), "attributes"),
    "an attribute too few": (between(node("Transpose", "pictures", "x")), "has the attributes"),
    "an attribute twice": (between(node("Softmax", "pictures", "x", attribute("a", 1), a=1)), "there twice"),
    "an attribute in float32": (
        between(node("Gelu", "pictures", "x", part(5, part(1, "a") + single(2, 1.0) + number(20, 1)))),
        "has field 2 of kind 5",
    ),
    "an attribute of another name": (
        between(node("Gelu", "pictures", "x", part(5, part(1, "a") + part(21, "b") + number(20, 2)))),
        "has field 21",
    ),
    "a type that says another thing": (
        between(node("Gelu", "pictures", "x", part(5, part(1, "a") + number(3, 1) + number(20, 7)))),
        "neither a whole number nor several",
    ),
    "functions": (PLAIN + part(25, part(1, "f")), "has field 25"),
    "training": (PLAIN + part(20, b""), "has field 20"),
    "metadata": (PLAIN + part(14, part(1, "a") + part(2, "b")), "has field 14"),
    "sparse weights": (between(part(15, b"")), "has field 15"),
    "quantization": (between(part(14, b"")), "has field 14"),
    "shapes of values": (between(part(13, part(1, "turned"))), "has field 13"),
    "weights as another list": (
        between(part(5, number(1, 1) + number(2, 1) + part(8, "a") + part(4, bytes(4)))),
        "field 4",
    ),
    "another graph after it": (PLAIN + part(7, b""), "missing"),
    "its graph twice": (PLAIN + PLAIN[PLAIN.index(b"tests") + 5 :], "graph is there twice"),
    "another operator set": (model(TAKES, GIVES, TURNED, MEANS, HEAD, SHARES, opset=21), "has operators of"),
    "another domain": (model(TAKES, GIVES, TURNED, MEANS, HEAD, SHARES, domain="ai_onnx_ml"), "operators of"),
    "another version of ONNX": (model(TAKES, GIVES, TURNED, MEANS, HEAD, SHARES, ir=9), "is of IR version 9"),
    "two sets of operators": (PLAIN + part(8, part(1, "x") + number(2, 1)), "has operators of"),
    "another input": (model(port(11, "picture", ["n", *SHAPE]), GIVES), "takes picture of type 1"),
    "an input of another shape": (model(port(11, "pictures", ["n", 2, 2, 4]), GIVES), "2, 2, 4"),
    "an input of another type": (model(port(11, "pictures", ["n", *SHAPE], 11), GIVES), "of type 11"),
    "a type beyond 32 bits": (model(port(11, "pictures", ["n", *SHAPE], (1 << 32) + 1), GIVES), "4294967297"),
    "two inputs": (model(TAKES, TAKES, GIVES), "2 inputs where there is one"),
    "no output": (model(TAKES), "0 outputs where there is one"),
    "an output of other classes": (model(TAKES, port(12, "probabilities", ["n", 3])), "'n', 3"),
    "an output that is not computed": (model(TAKES, GIVES, TURNED), "no 'probabilities' before it"),
    "an output of another shape": (
        with_head(node("Gelu", "row", "scores")),
        "does not give 2 numbers for each picture",
    ),
    "an output that is a weight": (
        model(TAKES, GIVES, weights("probabilities", [1.0, 0.0])),
        "does not give 2",
    ),
    "a node before its input": (
        model(TAKES, GIVES, MEANS, TURNED, HEAD, SHARES),
        "there is no 'turned' before",
    ),
    "a node of itself": (between(node("Gelu", "x", "x")), "there is no 'x' before it"),
    "two nodes of one name": (between(TURNED), "two values 'turned'"),
    "a node without a name": (between(node("Gelu", "pictures", "")), "has no name"),
    "two outputs of a node": (between(node("Gelu", "pictures", "x", part(2, "y"))), "2 outputs"),
    "a name to print": (between(node("Gelu", "pictures", "\x1b[2J")), "not of letters, digits and _"),
    "a name that is no ASCII": (between(node("Gelu", "pictures", "ü")), "not of ASCII letters"),
    "a long name": (between(node("Gelu", "pictures", "x" * 65)), "longer than 64"),
    "too many inputs": (between(node("Gelu", "pictures pictures", "x")), "takes inputs of types"),
    "values where weights belong": (
        with_head(node("Gemm", "row row", "scores", transB=1)),
        "inputs of types",
    ),
    "more bytes than a shape": (
        with_head(weights("head", [[1.0, 0, 0], [0, 1, 0]], dims=(2, 2))),
        "24 bytes where its shape takes 16",
    ),
    "fewer bytes than a shape": (
        with_head(weights("head", [[1.0, 0], [0, 1]], dims=(2, 3))),
        "16 bytes where",
    ),
    "a huge shape": (with_head(weights("head", [0.0], dims=(1 << 62, 4))), "a length of 4611686018427387904"),
    "a shape whose product is small again": (
        with_head(weights("head", [0.0], dims=(1 << 32, 1 << 32))),
        "a length",
    ),
    "a negative length": (with_head(weights("head", [0.0], dims=(-1, -1))), "a length of -1"),
    "no length": (with_head(weights("head", [], dims=(0,))), "a length of 0"),
    "weights of another type": (
        with_head(part(5, number(1, 1) + number(2, 11) + part(8, "head") + part(9, bytes(8)))),
        "has type 11",
    ),
    "weights that are used twice": (
        with_head(HEAD, node("Gemm", "row head", "again", transB=1)),
        "others have taken it",
    ),
    "weights that are cast twice": (
        between(weights("half", [1.0], FLOAT16), *(node("Cast", "half", name, to=1) for name in "ab")),
        "others have taken it",
    ),
    "a cast to another type": (between(weights("h", [1.0], FLOAT16), node("Cast", "h", "a", to=7)), "type 7"),
    "a cast of pictures": (between(node("Cast", "pictures", "a", to=1)), "takes inputs of types"),
    "a stride of none": (after_turning(ONE_WITHIN, convolution(strides=(0, 0))), "leaves pixels out"),
    "a stride beyond the window": (after_turning(ONE_WITHIN, convolution(strides=(1, 2))), "leaves pixels"),
    "a negative pad": (after_turning(ONE_WITHIN, convolution(pads=(0, 0, -1, 0))), "in the pads alone"),
    "a huge pad": (after_turning(ONE_WITHIN, convolution(pads=(0, 1 << 62, 0, 0))), "in the pads alone"),
    "weights for other channels": (
        after_turning(weights("kernel", np.ones((2, 4, 1, 1))), weights("bias", [0.0, 0.0]), convolution()),
        "for other channels",
    ),
    "a bias for other channels": (
        after_turning(weights("kernel", np.ones((2, 3, 1, 1))), weights("bias", [0.0]), convolution()),
        "bias is for other channels",
    ),
    "windows that overlap": (
        after_turning(node("MaxPool", "turned", "x", kernel_shape=[2, 2], strides=[1, 1])),
        "windows overlap",
    ),
    "a window of nothing": (
        after_turning(node("MaxPool", "turned", "x", kernel_shape=[0, 0], strides=[0, 0])),
        "a window is in the pads",
    ),
    "an order that is none": (
        between(node("Transpose", "pictures", "x", perm=[0, 1, 1, 2])),
        "something else",
    ),
    "pictures turned into one another": (
        between(node("Transpose", "pictures", "x", perm=[1, 0, 2, 3])),
        "else",
    ),
    "shapes that do not go together": (
        after_turning(node("Add", "turned pictures", "x")),
        "do not go together",
    ),
    "a long list of axes": (
        after_turning(weights("axes", range(9), INT64), node("Unsqueeze", "turned axes", "x")),
        "a short list",
    ),
    "axes beyond the last": (
        after_turning(weights("axes", [1 << 40], INT64), node("Unsqueeze", "turned axes", "x")),
        "its axes are others",
    ),
    "a huge shape to make": (
        after_turning(weights("to", [1 << 40, -1, 3, 2, 2], INT64), node("Reshape", "turned to", "x")),
        "another shape than",
    ),
    "a mean of other axes": (
        after_turning(weights("axes", [1], INT64), node("ReduceMean", "turned axes", "x", keepdims=0)),
        "axes are others",
    ),
    "a piece that is cut out": (
        after_turning(
            *(weights(name, [at], INT64) for name, at in zip("abcd", (0, 1, 3, 1), strict=True)),
            node("Slice", "turned a b c d", "x"),
        ),
        "cuts something out",
    ),
    "channels put together": (after_turning(node("Concat", "turned turned", "x", axis=1)), "than pictures"),
    "values that double": (
        between(
            node("Concat", "pictures pictures", "x0", axis=0),
            *(node("Concat", f"x{place} x{place}", f"x{place + 1}", axis=0) for place in range(40)),
        ),
        "takes more than 134,217,728 numbers",
    ),
    "products without an end": (
        between(
            node("Transpose", "pictures", "x0", perm=[0, 3, 1, 2]),
            *(node("Concat", f"x{place} x{place}", f"x{place + 1}", axis=0) for place in range(20)),
            weights("kernel", np.ones((2000, 3, 2, 2))),
            weights("bias", np.zeros(2000)),
            node("Conv", "x20 kernel bias", "x", strides=[1, 1], pads=[1, 1, 1, 1]),
        ),
        "takes more than",
    ),
    "a thousand nodes and one": (
        between(*(node("Gelu", "pictures", f"x{place}") for place in range(1001))),
        "1,006 nodes; 1,000 at most",
    ),
    "fields without an end": (number(1, 10) + part(7, part(1, b"") * 30_000), "op_type is missing"),
    "lengths without an end": (between(part(5, number(1, 1) * 30_000)), "more than 20,000 fields"),
    "a field that is not known": (PLAIN + number(200, 1), "has field 200 of kind 0"),
    "a number longer than it needs": (b"\x08\x8a\x00" + PLAIN[2:], "written in another way"),
    "a number beyond 64 bits": (b"\x08" + b"\xff" * 9 + b"\x7f" + PLAIN[2:], "written in another way"),
    "a number without an end": (b"\x08" + b"\xff" * 100, "cut off"),
    "a length beyond the end": (b"\x08\x0a\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut off"),
    "nothing": (b"", "ir_version is missing"),
    "a file of onnxruntime's own": (b"\x18\x00\x00\x00ORTM" + bytes(100), "has field"),
    "words": (b"state/models/network.onnx", "has field"),
}


def test_what_training_wrote_passes() -> None:
    assert examine(PLAIN, SHAPE, CLASSES).products > 0
    assert examine(ACROSS_OR_DOWN.read_bytes(), (8, 8, 1), 2).numbers == 4800
    box = ROOT / "models" / "cifar10" / "1" / "network.onnx"
    assert examine(box.read_bytes(), (32, 32, 3), 10) == Cost(592_998, 134_346_988)


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_training_does_not_write_is_refused(case: str) -> None:
    content, problem = WRONG[case]

    with pytest.raises(BrokenArtifact, match=f"its network is none that mlapi writes: .*{problem}"):
        Runtime(content, SHAPE, CLASSES)


@pytest.mark.parametrize(
    "content", ["network.onnx", bytearray(PLAIN), memoryview(PLAIN), None, Path("a.onnx")]
)
def test_what_is_no_bytes_is_no_network(content: Any) -> None:
    """onnxruntime would open a file of that name."""
    with pytest.raises(BrokenArtifact, match=f"it is no bytes but {type(content).__name__}"):
        Runtime(content, SHAPE, CLASSES)


@pytest.mark.parametrize(
    "shape", [(2, 2), (2, 2, 3, 1), (2.0, 2, 3), [2, 2, 3], (0, 2, 3), (-2, 2, 3), None, 3]
)
def test_what_is_no_shape_of_pictures_is_refused(shape: Any) -> None:
    with pytest.raises(BrokenArtifact, match="expected height, width and channels"):
        Runtime(PLAIN, shape, CLASSES)


def test_large_values_are_computed_of_fewer_pictures_at_once() -> None:
    one, many = (
        Runtime(between(node("Concat", "pictures pictures", "x0", axis=0), *doubled(times)), SHAPE, CLASSES)
        for times in (1, 18)
    )

    assert (one._chunk, many._chunk) == (8, MAX_NUMBERS // examine(many._network, SHAPE, CLASSES).numbers)
    np.testing.assert_allclose(many.probabilities(PICTURES[:2]), one.probabilities(PICTURES[:2]))


def test_a_picture_of_one_channel_takes_as_much_as_one_of_a_block_of_them() -> None:
    """As onnxruntime holds it, and computes its products."""

    def of(filters: int) -> Cost:
        turned = node("Transpose", "pictures", "x0", perm=[0, 3, 1, 2])
        kernel, bias = weights("kernel", np.ones((filters, 3, 2, 2))), weights("bias", np.zeros(filters))
        filtered = node("Conv", "x0 kernel bias", "x1", strides=[1, 1], pads=[1, 1, 1, 1])
        return examine(between(turned, kernel, bias, filtered), SHAPE, CLASSES)

    assert of(1) == of(16)
    assert of(17).products > of(16).products


def doubled(times: int) -> list[bytes]:
    return [node("Concat", f"x{place} x{place}", f"x{place + 1}", axis=0) for place in range(times)]


def test_no_picture_has_no_answer() -> None:
    assert Runtime(PLAIN, SHAPE, CLASSES).probabilities(PICTURES[:0]).shape == (0, CLASSES)


HOSTILE = {case: WRONG[case][0] for case in ("weights in another file", "a loop")}


def forged(content: bytes = PLAIN, **state: Any) -> ConvolutionalNetwork:
    """An estimator as somebody writes its pickle by hand."""
    made = ConvolutionalNetwork(shape=SHAPE)
    columns = int(np.prod(SHAPE))
    fitted = {"shape_": SHAPE, "classes_": np.arange(CLASSES), "n_features_in_": columns}
    made.__dict__ |= {**fitted, "network_": content, **state}
    return made


def sample() -> pd.DataFrame:
    rows = np.random.default_rng(0).uniform(0, 255, (12, 12))
    return pd.DataFrame(rows, columns=[f"p{place}" for place in range(12)])


@pytest.mark.parametrize("case", HOSTILE)
def test_a_registration_refuses_it_before_it_runs(tmp_path: Path, case: str) -> None:
    joblib.dump(forged(HOSTILE[case]), tmp_path / "network.joblib")
    sample().to_csv(tmp_path / "sample.csv", index=False)

    with pytest.raises(BrokenArtifact, match="its network is none that mlapi writes"):
        register(
            "mine", tmp_path / "network.joblib", tmp_path / "sample.csv", changes_in(tmp_path / "models")
        )

    assert not list(tmp_path.glob("models/mine/*"))


def published(folder: Path) -> Path:
    """The harmless network, as a version."""
    estimator = pickle.loads(pickle.dumps(forged()))
    publish_fitted(folder, "mine", estimator, sample())
    return folder / "mine" / "1"


@pytest.mark.parametrize("case", HOSTILE)
def test_a_publication_refuses_it(tmp_path: Path, case: str) -> None:
    estimator = pickle.loads(pickle.dumps(forged()))
    estimator.network_ = HOSTILE[case]  # answers with the harmless one that it has taken

    with pytest.raises(BrokenArtifact, match="its network is none that mlapi writes"):
        publish_fitted(tmp_path, "mine", estimator, sample())

    assert not list(tmp_path.glob("mine/*"))


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("stored", [True, False], ids=["compiled", "as an estimator"])
def test_a_version_that_a_good_key_signed_is_not_loaded_with_it(
    tmp_path: Path, case: str, stored: bool
) -> None:
    folder = published(tmp_path)
    replace_file(folder, NETWORK, HOSTILE[case])
    if not stored:
        replace_file(folder, PREDICTOR, None)

    with pytest.raises(BrokenArtifact, match="its network is none that mlapi writes"):
        load_model(folder, read_manifest(folder, trusting()), trusting())


def test_an_estimator_without_a_use_for_a_network_gets_none(tmp_path: Path) -> None:
    folder = published(tmp_path)
    content = pickle.dumps(np.zeros(3))  # which has a method `take` too
    replace_file(folder, PREDICTOR, None)
    replace_file(folder, MODEL, content)

    with pytest.raises(BrokenArtifact, match=f"{MODEL} has no use for {NETWORK}"):
        load_model(folder, read_manifest(folder, trusting()), trusting())


STATES: dict[str, tuple[dict[str, Any], str]] = {
    "another shape": ({"shape_": (2, 3, 3)}, "takes pictures of type 1"),
    "a shape that is none": ({"shape_": (2, 2)}, "expected height, width and channels"),
    "no shape": ({"shape_": None}, "expected height, width and channels"),
    "other rows": ({"n_features_in_": 24}, "its rows are no pictures of 2 x 2 x 3"),
    "no rows": ({"n_features_in_": None}, "its rows are no pictures"),
    "a class more": ({"classes_": np.arange(3)}, "gives probabilities"),
    "no class": ({"classes_": np.arange(0)}, "gives probabilities"),
    "classes that are none": ({"classes_": [0, 1]}, "its classes are no list of labels"),
    "classes of classes": ({"classes_": np.zeros((2, 2))}, "its classes are no list of labels"),
    "a method of its own": ({"predict": len}, "its state would take the place of predict"),
    "a session of its own": ({"_runtime": len}, "its state would take the place of _runtime"),
    "a name for a network": ({"network_": "state/keys/local.key"}, "it is no bytes but str"),
}


@pytest.mark.parametrize("case", STATES)
def test_a_state_that_does_not_go_together_is_refused(case: str) -> None:
    state, problem = STATES[case]
    fitted = forged()

    with pytest.raises(BrokenArtifact, match=problem):
        ConvolutionalNetwork().__setstate__({**vars(fitted), **state})


def test_a_predictor_does_not_see_one_row_as_two_pictures() -> None:
    compiled = Network(np.arange(2), SHAPE)
    compiled.load_network(PLAIN)

    with pytest.raises(ValueError, match="cannot reshape"):
        compiled.answer(np.zeros((1, 24)), ["predict"])


# Damaged files: each is refused, or is a network of the same size that answers.

Damage = Callable[[int], list[bytes]]


def cut(place: int) -> list[bytes]:
    return [PLAIN[:place]]


def flipped(place: int) -> list[bytes]:
    return [PLAIN[:place] + bytes([PLAIN[place] ^ (1 << bit)]) + PLAIN[place + 1 :] for bit in range(8)]


def doubled_byte(place: int) -> list[bytes]:
    return [PLAIN[: place + 1] + PLAIN[place:]]


def left_out(place: int) -> list[bytes]:
    return [PLAIN[:place] + PLAIN[place + 1 :]]


ASK = """if True:
    import pickle, sys
    import numpy as np
    from mlapi.estimators.networks.runtime import Runtime
    pictures = np.arange(36.0).reshape(3, 2, 2, 3)
    answered = 0
    for content in pickle.load(sys.stdin.buffer):
        try:
            with np.errstate(all="ignore"):
                found = Runtime(content, (2, 2, 3), 2).probabilities(pictures)
        except Exception as error:
            if "onnxruntime" not in type(error).__module__:
                raise
        else:
            assert found.shape == (3, 2)
            answered += 1
    print(answered)
"""


@pytest.mark.parametrize("damage", [cut, flipped, doubled_byte, left_out])
def test_a_damaged_file_is_refused_or_answers(damage: Damage) -> None:
    whole = examine(PLAIN, SHAPE, CLASSES)
    passed = []
    for place in range(len(PLAIN)):
        for content in damage(place):
            try:
                assert examine(content, SHAPE, CLASSES) == whole
            except BrokenArtifact:
                continue
            passed.append(content)

    command, path = [sys.executable, "-c", ASK], {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=False, input=pickle.dumps(passed), capture_output=True, env=path)

    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) <= len(passed)
    assert passed == [] or damage is flipped
