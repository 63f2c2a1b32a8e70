"""What may be unpickled, and how its memory is shared."""

import bz2
import collections
import copyreg
import gzip
import io
import lzma
import operator
import os
import pickle
import pickletools
import zlib
from collections.abc import Callable
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.errors import BrokenArtifact
from mlapi.estimators.algorithms import ALGORITHMS, CLASSES
from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.inference.compiled.form import PICKLED

X = np.random.default_rng(0).normal(size=(3000, 60))
LABELS = (X[:, 0] > 0).astype(int)


def dumped(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    pickling.dump(estimator, buffer)
    return buffer.getvalue()


class Built:
    """Unpickling it calls something, and gives what it returns a state."""

    def __init__(self, call: Any, arguments: Any, state: Any) -> None:
        self.parts = (call, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


class Gadget:
    """Unpickling it calls something."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> Any:
        return self.call


def gadgets(trace: Path) -> dict[str, bytes]:
    """Pickles that create a file, each its own way past a naive check."""
    touch = Gadget(Path.touch, trace)
    nested = np.array([touch], dtype=object)
    plain = pickle.dumps(touch)
    return {
        "plain": plain,
        "old protocol": pickle.dumps(touch, protocol=0),
        "os.system": pickle.dumps(Gadget(os.system, f"touch {trace}")),
        "eval": pickle.dumps(Gadget(eval, f"open({str(trace)!r}, 'w')")),
        "a caller of methods": pickle.dumps(Gadget(operator.methodcaller, "touch")),
        "in an array of objects": dumped(nested),
        "in a pipeline": dumped({"steps": [touch]}),
        "beside an estimator": dumped([LinearRegression().fit(X, LABELS), touch]),
        "a dotted name": b"\x80\x04\x8c\x07pathlib\x8c\x0aPath.touch\x93\x8c\x01x\x85R.",
        "joblib's old wrapper": b"\x80\x04cjoblib.numpy_pickle_compat\nZNDArrayWrapper\n)\x81}b.",
        "an extension": b"\x80\x02\x82\x01)R.",
        "a persistent reference": b"Pos.system\n.",
    }


@pytest.mark.parametrize("name", list(gadgets(Path("x"))))
def test_a_crafted_pickle_runs_nothing(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    content = gadgets(trace)[name]

    with pytest.raises(BrokenArtifact):
        pickling.load(content, CLASSES)
    try:
        named = names_in(content)
    except BrokenArtifact:
        named = ["it is no pickle"]

    assert not trace.exists()
    assert named or name == "in a pipeline"


def test_the_classes_that_a_file_names_are_told_without_importing_them() -> None:
    content = pickle.dumps(collections.Counter("a")).replace(b"collections", b"colleagues_")

    assert names_in(content) == ["colleagues_.Counter"]
    with pytest.raises(BrokenArtifact, match=r"colleagues_\.Counter, which is not allowed; if .* restart"):
        pickling.load(content, [])
    with pytest.raises(BrokenArtifact, match="ModuleNotFoundError"):
        pickling.load(content, ["colleagues_.Counter"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80", b"\x80\x04", b"\x80\x04N", b"\xff" * 100])
def test_what_is_no_pickle_is_refused(content: bytes) -> None:
    with pytest.raises(BrokenArtifact):
        pickling.load(content, [])
    with pytest.raises(BrokenArtifact):
        names_in(content)


def test_the_names_within_an_array_of_estimators_are_told_too() -> None:
    content = dumped(GradientBoostingRegressor(n_estimators=2).fit(X[:50], X[:50, 0]))

    assert "sklearn.tree._tree.Tree" in names_in(content)
    pickling.load(content, names_in(content))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_files_are_read_as_joblib_writes_them(tmp_path: Path, compress: Any) -> None:
    joblib.dump(KMeans(2, n_init=1, random_state=0).fit(X), tmp_path / "file", compress=compress)

    content = pickling.decompress((tmp_path / "file").read_bytes())

    assert names_in(content) == ["sklearn.cluster._kmeans.KMeans"]
    pickling.load(content, names_in(content))


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    joblib.dump(X, tmp_path / "file", compress=3)

    with pytest.raises(BrokenArtifact, match="cannot be decompressed"):
        pickling.decompress((tmp_path / "file").read_bytes()[:-100])


BIG = np.random.default_rng(0).normal(size=(20_000, 10))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(algorithm="brute"),
        KNeighborsClassifier(algorithm="kd_tree"),
        KNeighborsRegressor(algorithm="ball_tree"),
        CalibratedSVC(C=0.01),
        SVC(C=0.01),
        GaussianProcessRegressor(),
        RandomForestClassifier(20),
        HistGradientBoostingClassifier(max_iter=20),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("mapped", [False, True])
def test_estimators_predict_from_shared_memory_as_from_their_own(
    tmp_path: Path, estimator: Any, mapped: bool
) -> None:
    rows = {"GaussianProcessRegressor": 400, "CalibratedSVC": 2500, "SVC": 2500}
    X = np.tile(BIG[: rows.get(type(estimator).__name__, len(BIG))], 6)
    fitted = estimator.fit(X, (X[:, 0] > 0).astype(float))
    content: Any = dumped(fitted)
    if mapped:
        (tmp_path / "file").write_bytes(content)
        with (tmp_path / "file").open("rb") as file:
            content = mmap(file.fileno(), 0, access=ACCESS_READ)

    loaded = pickling.load(content, names_in(dumped(fitted)))

    np.testing.assert_array_equal(loaded.predict(X[:50]), fitted.predict(X[:50]))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_is_a_view_of_the_bytes_and_a_small_one_a_copy(order: Any) -> None:
    large, small = np.asarray(BIG, order=order), np.asarray(BIG[:100], order=order)
    content = dumped([large, small])

    found = pickling.load(content, [])

    np.testing.assert_array_equal(found[0], large)
    np.testing.assert_array_equal(found[1], small)
    assert found[0].flags[f"{order}_CONTIGUOUS"]
    assert np.shares_memory(found[0], np.frombuffer(content, np.uint8))
    assert not np.shares_memory(found[1], np.frombuffer(content, np.uint8))
    assert not found[0].flags.writeable


def value(of: Any) -> bytes:
    return pickletools.optimize(pickle.dumps(of, protocol=3))[2:-1]


ADDRESS = value(b"A" * 8)
DTYPE = b"cnumpy\ndtype\n(" + value("O") + value(False) + value(True) + b"tR"
FLAGS = b"(" + value(3) + value("|") + b"NNN" + value(-1) + value(-1) + value(0) + b"tb"

FORGED = {
    "a buffer": b"cnumpy\nndarray\n(" + value((1,)) + DTYPE + ADDRESS + b"tR",
    "a buffer, as a new object": b"cnumpy\nndarray\n(" + value((1,)) + DTYPE + ADDRESS + b"t\x81",
    "an old way to make one": b"(" + b"cnumpy\nndarray\n" + value((1,)) + DTYPE + ADDRESS + b"o",
    "the flags of a dtype": b"cnumpy._core.multiarray\nscalar\n(" + DTYPE + FLAGS + ADDRESS + b"tR",
    "a part of a dtype": b"cnumpy._core.multiarray\nscalar\n("
    + DTYPE
    + b"("
    + value(3)
    + value("|")
    + b"(cnumpy\ndtype\n("
    + value("u8")
    + b"tR"
    + value((1,))
    + b"tNN"
    + value(-1)
    + value(-1)
    + value(0)
    + b"tb"
    + ADDRESS
    + b"tR",
    "fields of objects": b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n("
    + value("V8")
    + value(False)
    + value(True)
    + b"tR("
    + value(3)
    + value("|")
    + b"N"
    + value(("a",))
    + b"}"
    + value("a")
    + b"("
    + DTYPE
    + value(0)
    + b"ts"
    + value(8)
    + value(1)
    + value(0)
    + b"tb"
    + ADDRESS
    + b"tR",
    "a class": b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n(N}" + value("read") + b"cnumpy\ndtype\nstb",
    "a method": b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}" + value("read") + b"cnumpy\ndtype\nsb",
    "an array twice": b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    + value((0,))
    + value(b"b")
    + b"tR"
    + 2 * (b"(" + value(1) + value((1,)) + b"cnumpy\ndtype\n" + value(("f8",)) + b"R\x89" + ADDRESS + b"tb"),
}
"""Pickles of nothing but numpy's own names that make an object of a number, or hide a method."""


def forged(*, over: str, inner: bool = False) -> bytes:
    """One of them, or an array of objects around it."""
    if inner:
        shell = dumped(np.array([None], dtype=object))
        return shell[: shell.index(b"\x80\x05")] + b"\x80\x05" + FORGED[over] + b".."
    return b"\x80\x03" + FORGED[over] + b"."


@pytest.mark.parametrize("over", FORGED)
@pytest.mark.parametrize("inner", [False, True])
def test_numpy_makes_no_objects_of_numbers(over: str, inner: bool) -> None:
    content = forged(over=over, inner=inner)

    assert names_in(content) == []
    with pytest.raises(BrokenArtifact, match=r"it (calls|makes|names|has|gives|alters|describes) "):
        pickling.load(content, CLASSES)


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_few_bytes_do_not_become_any_number(
    compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickling, "_EXPANDED_BYTES", 1 << 20)

    assert pickling.decompress(compress(bytes(1 << 20))) == bytes(1 << 20)
    with pytest.raises(BrokenArtifact, match="it becomes more than 1,048,576 bytes"):
        pickling.decompress(compress((1 << 20) * b"." + b"."))


def keyed(first: bytes, *others: bytes) -> bytes:
    """A dictionary whose keys these opcodes make."""
    return b"\x80\x04}(" + b"".join(key + b"N" for key in (first, *others)) + b"u."


COPY = b"h\x00h\x01\x85R"
FEW = b"(" + b"K\x01" * 40 + b"t"
"""A tuple of forty numbers."""


def fields_within_fields(depth: int) -> bytes:
    """A dtype with two fields, each of the dtype before; the innermost is a number."""
    content = b"\x80\x04" + b"cnumpy\ndtype\n(" + value("f8") + value(False) + value(True) + b"tR\x94"
    for level in range(depth):
        fields = b"".join(value(name) + b"h" + bytes([level]) + value(0) + b"\x86" for name in "ab")
        kind = b"cnumpy\ndtype\n(" + value("V8") + value(False) + value(True) + b"tR"
        names = value(3) + value("|") + b"N" + value(("a", "b"))
        content += kind + b"(" + names + b"}(" + fields + b"u" + value(8) + value(1) + value(16) + b"tb\x94"
    return content + b"."


@pytest.mark.parametrize(
    "content",
    [
        keyed(b"(" + FEW * 40 + b"t\x94", *[b"h\x00"] * 1000),
        keyed(*[pickle.dumps(number * (2**61 - 1), 2)[2:-1] for number in range(2, 3000)]),
        keyed(pickle.dumps(2**900_000, 2)[2:-1] + b"\x94", *[b"h\x00"] * 1000),
        fields_within_fields(40),
        b"\x80\x04](cbuiltins\nbytearray\n\x94" + pickle.dumps(bytes(999))[2:-1] + b"0" + COPY * 9 + b"e.",
    ],
    ids=["keys of many parts", "keys at one place", "keys of many digits", "fields within fields", "copies"],
)
def test_a_few_bytes_are_not_hashed_or_copied_without_end(content: bytes) -> None:
    with pytest.raises(BrokenArtifact, match=r"it (has|makes)"):
        pickling.load(content, CLASSES)


NEW_ARRAY = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + value((0,)) + value(b"b") + b"tR"
NEW_DTYPE = b"cnumpy\ndtype\n(" + value("V8") + value(False) + value(True) + b"tR\x94"
NAMES = [f"f{number}" for number in range(900)]

LATE = {
    "a list that is shorter than its array": NEW_ARRAY
    + b"("
    + value(1)
    + value((5,))
    + DTYPE.replace(value("O"), value("O8"))
    + value(False)
    + b"]tb",
    "a range of large numbers": keyed(
        b"cbuiltins\nrange\n" + value(2**70_000) + value(2**70_000 + 1) + b"\x86R\x94", *[b"h\x00"] * 1000
    )[2:-1],
    "a range for arguments": b"cbuiltins\nset\ncbuiltins\nrange\n" + value(10**7) + b"\x85RR",
    "dtypes of the same many names": b"("
    + NEW_DTYPE.replace(b"V8", b"V1")
    + value(tuple(NAMES))
    + b"\x94}("
    + b"".join(value(name) + b"h\x00K\x00\x86" for name in NAMES)
    + b"u\x94"
    + 40
    * (
        NEW_DTYPE.replace(b"V8", b"V1")
        + b"("
        + value(3)
        + value("|")
        + b"Nh\x01h\x02"
        + value(1)
        + value(1)
        + value(0)
        + b"tb"
    )
    + b"t",
}
"""Pickles that make more than they have, or read on behind what they have."""


@pytest.mark.parametrize("what", LATE)
def test_what_a_pickle_does_not_have_it_does_not_make(what: str) -> None:
    with pytest.raises(BrokenArtifact, match=r"it (has|calls|makes) "):
        pickling.load(b"\x80\x04" + LATE[what] + b".", CLASSES)


def test_a_dtype_that_gets_another_state_later_changes_no_array() -> None:
    pairs = b"(" + DTYPE.replace(value("O"), value("i4")) + value((2,)) + b"t"
    state = b"(" + value(1) + value((3,)) + b"h\x00" + value(False) + value(bytes(24)) + b"tb"
    changed = b"h\x00(" + value(3) + value("|") + pairs + b"NN" + value(8) + value(1) + value(0) + b"tb"
    content = b"\x80\x04" + NEW_DTYPE + NEW_ARRAY + state + changed + b"\x86."

    array, kind = pickling.load(content, CLASSES)

    assert kind.subdtype
    assert array.dtype.subdtype is None


def test_a_dtype_that_gets_another_state_later_changes_no_number() -> None:
    pairs = b"(" + DTYPE.replace(value("O"), value("i4")) + value((2,)) + b"t"
    number = b"cnumpy._core.multiarray\nscalar\n(h\x00" + value(bytes(8)) + b"tR"
    changed = b"h\x00(" + value(3) + value("|") + pairs + b"NN" + value(8) + value(1) + value(0) + b"tb"
    content = b"\x80\x04" + NEW_DTYPE + number + changed + b"\x86."

    number, kind = pickling.load(content, CLASSES)

    assert kind.subdtype
    assert number.dtype.subdtype is None


def test_the_parts_of_a_predictor_are_made_empty() -> None:
    content = b"\x80\x04cmlapi.compiled.votes\nOneVsOne\n" + value((9, False, False)) + b"R."

    with pytest.raises(BrokenArtifact, match=r"it calls mlapi\.inference\.compiled\.votes\.OneVsOne itself"):
        pickling.load_predictor(content, PICKLED)


def test_an_array_whose_entries_are_arrays_is_refused() -> None:
    """numpy makes none, and where one is given leaves memory unwritten that its functions answer with."""
    pairs = np.dtype(("<i8", (2,)))

    class Pairs:
        def __reduce__(self) -> Any:
            make = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
            return make, (np.ndarray, (0,), b"b"), (1, (3,), pairs, False, bytes(48))

    content = pickle.dumps(Pairs(), 4)

    with pytest.raises(BrokenArtifact, match="it has an array whose entries are arrays"):
        pickling.load(content, [])


def test_many_keys_of_any_kind_are_usual() -> None:
    several = [{(-1 - part % 2, number): None for number in range(5000) for part in (0, 1)}] * 3
    given = [*several, {number * 2**40: 0.5 for number in range(5000)}, {frozenset("ab"), 1j, 2**63}]

    assert pickling.load(dumped(given), CLASSES) == given


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04)" + b"\x85" * 1_000_000 + b"}\x94N\x86R.",
        b"\x80\x04})" + b"\x85" * 1_000_000 + b"Ns.",
        b"\x80\x04(" + b")" + b"\x85" * 1_000_000 + b"\x91.",
        b"\x80\x04})" + b"2\x86" * 60 + b"Ns.",
        b"\x80\x05\x96" + (2**50).to_bytes(8, "little") + b".",
    ],
    ids=["deep", "deep key", "deep member", "wide key", "bytes"],
)
def test_looking_for_names_is_not_led_into_a_trap(content: bytes) -> None:
    with suppress(BrokenArtifact):
        assert names_in(content) == []


@pytest.mark.parametrize(
    "dtype",
    [
        *("f8", ">f8", "<i4", "?", "f2", "c16", "g", "U5", ">U5", "S3", "V7", "O", "U0"),
        *("M8[ns]", "M8", "m8[25s]", ">M8[D]"),
        [("a", "f8", (2, 3)), ("b", "U4")],
        np.dtype([("a", "i1"), ("b", "f8")], align=True),
        {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [3, 8], "itemsize": 32},
        [("n", [("x", ">f4"), ("y", "M8[ms]")])],
        [(("title", "a"), "f8")],
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (20_000,)])
def test_arrays_and_numbers_of_each_type_come_back(dtype: Any, shape: Any) -> None:
    array = np.zeros(shape, dtype)
    for made in (array, *array.ravel()[:1], array.dtype):
        for content in (dumped(made), pickle.dumps(made, 4)):
            found = pickling.load(content, [])

            assert names_in(content) == []
            np.testing.assert_array_equal(found, made)
            if isinstance(made, np.ndarray | np.generic):
                assert found.dtype == made.dtype.newbyteorder("=") or found.dtype == made.dtype


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_of_random_numbers_comes_back_in_its_state(kind: Any) -> None:
    made = np.random.Generator(kind(3))
    made.normal(size=5)
    content = dumped(made)

    found = pickling.load(content, names_in(content))

    np.testing.assert_array_equal(found.normal(size=9), made.normal(size=9))


@pytest.mark.parametrize(
    "call",
    [
        Gadget(np.random._pickle.__generator_ctor, "PCG64", len),
        Gadget(np.random._pickle.__generator_ctor, len, len),
        Gadget(np.random._pickle.__bit_generator_ctor, LinearRegression),
        Gadget(np.random._pickle.__bit_generator_ctor, "len"),
        Gadget(np.random.SeedSequence, 1, pickle.dumps, 10**9),
    ],
    ids=["a function", "twice a function", "another class", "a name", "a seed"],
)
def test_random_numbers_are_no_way_to_call_something_else(call: Gadget) -> None:
    content = pickle.dumps(call)

    with pytest.raises(BrokenArtifact, match=r"it makes random|positional|it calls numpy"):
        pickling.load(content, names_in(content))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (np.random.MT19937, {"pos": -1}),
        (np.random.MT19937, {"pos": 625}),
        (np.random.MT19937, {"key": np.zeros(600, np.uint32)}),
        (np.random.MT19937, {"key": np.zeros(624, np.int64)}),
        (np.random.Philox, {"buffer_pos": -3}),
    ],
)
def test_random_numbers_are_not_read_outside_of_their_generator(kind: Any, changes: dict[str, Any]) -> None:
    bits = kind(0)
    call, arguments, (state, seed) = bits.__reduce__()
    for name, value in changes.items():
        (state if name in state else state["state"])[name] = value

    content = pickle.dumps(Built(call, arguments, (state, seed)))

    assert pickling.load(pickle.dumps(bits), names_in(content))
    with pytest.raises(BrokenArtifact, match="random numbers that are read outside of their generator"):
        pickling.load(content, names_in(content))


def test_an_older_random_state_comes_back_as_numpy_1_wrote_it() -> None:
    made = np.random.RandomState(3)
    made.normal(size=5)

    call, arguments, state = made.__reduce__()
    bits = arguments[0].__reduce__()[0]

    for older in (("MT19937",), ("MT19937", bits), arguments):
        content = pickle.dumps(Built(call, older, state), 2).replace(b"numpy._core", b"numpy.core")
        found = pickling.load(content, names_in(content))

        np.testing.assert_array_equal(found.get_state()[1], made.get_state()[1])
        assert found.get_state()[2:] == made.get_state()[2:]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_are_read_as_each_protocol_writes_them(protocol: int) -> None:
    given = [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        np.empty((0, 3), np.float32),
        np.array(["a", "bc"]),
        np.array(["a", None], dtype=object),
        np.ma.array([1, 2], mask=[0, 1]),
        b"bytes",
    ]
    content = pickle.dumps(given, protocol)

    found = pickling.load(content, names_in(content))

    for one, other in zip(found[:-1], given[:-1], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert found[-1] == b"bytes"


@pytest.mark.parametrize(
    "arguments",
    [
        (b"12345678", np.dtype("O"), (1,), "C"),
        (b"1234", np.dtype("u1"), (10**9,), "C"),
        (b"1234", np.dtype("u1"), (-4,), "C"),
        (b"1234", np.dtype("u1"), (2, 2), "K", (0, 0)),
        ("1234", np.dtype("u1"), (4,), "C"),
        (b"1234", "O", (4,), "C"),
    ],
)
def test_bytes_become_no_other_array_than_numpy_writes(arguments: Any) -> None:
    content = pickle.dumps(Gadget(np._core.numeric._frombuffer, *arguments))  # type: ignore[attr-defined]

    with pytest.raises(BrokenArtifact, match="it makes an array in another way than numpy does"):
        pickling.load(content, CLASSES)


@pytest.mark.parametrize("kind", [np.float64, np.int64, int, float])
def test_numbers_are_not_made_of_lists_of_lists(kind: Any) -> None:
    """numpy would copy a list for each way that leads to it."""
    lists: Any = [1.0]
    for _ in range(60):
        lists = [lists, lists]
    content = pickle.dumps(Gadget(copyreg._reconstructor, kind, kind, lists))  # type: ignore[attr-defined]

    with pytest.raises(BrokenArtifact, match="it makes a number in another way than numpy does"):
        pickling.load(content, names_in(content))


@pytest.mark.parametrize("state", [b"mask", "filling"])
def test_a_mask_of_another_kind_is_refused(state: Any) -> None:
    call, arguments, honest = np.ma.array([1.0]).__reduce__()
    lists: Any = []
    for _ in range(60):
        lists = [lists, lists]
    spoilt = (*honest[:5], lists, None) if state == b"mask" else (*honest[:6], lists)

    content = pickle.dumps(Built(call, arguments, spoilt))

    with pytest.raises(BrokenArtifact, match="a mask of another kind"):
        pickling.load(content, names_in(content))


def spoilt(**changes: Any) -> bytes:
    """A tree with other nodes than it grew, each field given as {node: value}."""
    made, arguments, state = FITTED.tree_.__reduce__()
    nodes = state["nodes"].copy()
    for field, values in changes.pop("nodes", {}).items():
        for place, value in values.items():
            nodes[field][place] = value
    state = {**state, "nodes": nodes, **changes.pop("state", {})}
    return dumped(Stated(made, changes.pop("arguments", arguments), state))


class Stated:
    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def renamed(dtype: np.dtype[Any], one: str, other: str) -> np.dtype[Any]:
    """The same bytes, two fields called by each other's name."""
    swap = {one: other, other: one}
    names = list(dtype.names or ())
    fields = dtype.fields or {}
    return np.dtype(
        {
            "names": [swap.get(name, name) for name in names],
            "formats": [fields[name][0] for name in names],
            "offsets": [fields[name][1] for name in names],
            "itemsize": dtype.itemsize,
        }
    )


FITTED = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, X[:, 0] * X[:, 1] > 0)
NODES = FITTED.tree_.__getstate__()["nodes"]


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": {"left_child": {0: 10**6}}},
        {"nodes": {"right_child": {0: -2}}},
        {"nodes": {"right_child": {1: 0}}},
        {"nodes": {"feature": {0: 60}}},
        {"nodes": {"feature": {0: -1}}},
        {"state": {"node_count": 10**6}},
        {"arguments": (60, np.array([2]), 10**9)},
        {"arguments": (60, np.array([-2]), 1)},
        {"arguments": (60, 2, 1)},
        {"state": {"nodes": NODES[:0], "values": np.zeros((0, 1, 2)), "node_count": 0}},
        {"state": {"nodes": NODES.view(renamed(NODES.dtype, "left_child", "n_node_samples"))}},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_tree_that_leads_out_of_itself_is_refused(changes: dict[str, Any]) -> None:
    content = spoilt(**changes)

    assert pickling.load(spoilt(), names_in(content)).node_count > 3
    with pytest.raises(BrokenArtifact, match="it has a tree"):
        pickling.load(content, names_in(content))


def test_a_tree_without_nodes_is_refused() -> None:
    """Compiled code would begin at a root that is not there, and end the process."""
    made, arguments, _ = FITTED.tree_.__reduce__()
    content = dumped(Stated(made, arguments))

    with pytest.raises(BrokenArtifact, match="it has a tree without a root"):
        pickling.load(content, CLASSES)


def test_a_tree_gets_its_nodes_once() -> None:
    """scikit-learn would write the second ones into the memory that the first ones took."""
    made, arguments, state = FITTED.tree_.__reduce__()
    one = {**state, "nodes": NODES[-1:], "values": state["values"][-1:], "node_count": 1}

    file = io.BytesIO()
    pickler = pickle._Pickler(file, 4)  # type: ignore[attr-defined]
    pickler.save_reduce(made, arguments, one)
    pickler.save(state)
    content = file.getvalue() + pickle.BUILD + pickle.STOP

    with pytest.raises(BrokenArtifact, match="it gives a Tree its state twice"):
        pickling.load(content, CLASSES)


def of_words(rows: int) -> SVC:
    """A machine that keeps its vectors in sparse matrices."""
    words = sparse.random(rows, 40, 0.3, "csr", random_state=0)
    return SVC(kernel="rbf").fit(words, np.arange(rows) % 2)


@pytest.mark.parametrize("rows", [30, 3000], ids=["small", "in the file's own bytes"])
def test_a_machine_of_sparse_rows_answers_as_it_did(rows: int) -> None:
    fitted = of_words(rows)
    asked = sparse.random(50, 40, 0.3, "csr", random_state=1)

    loaded = pickling.load(dumped(fitted), ALGORITHMS["svm"].classes)

    np.testing.assert_array_equal(loaded.decision_function(asked), fitted.decision_function(asked))


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": np.full(2, 99, dtype=np.int32)},
        {"indices": np.full(2, -1, dtype=np.int32)},
        {"indptr": np.array([0, 2, 900], dtype=np.int32)},
        {"indptr": np.array([0, 2, 1], dtype=np.int32)},
        {"indptr": np.array([1, 1, 2], dtype=np.int32)},
        {"indptr": np.array([0, 2], dtype=np.int32)},
        {"data": np.ones(1)},
        {"data": np.array(["a", "b"], dtype=object)},
        {"_shape": (2, 1)},
        {"toarray": "a method no more"},
    ],
)
def test_a_sparse_matrix_that_leads_out_of_itself_is_refused(changes: dict[str, Any]) -> None:
    matrix = sparse.csr_matrix(np.eye(2))
    matrix.__dict__.update(changes)

    with pytest.raises(BrokenArtifact, match="sparse matrix"):
        pickling.load(dumped(matrix), ["scipy.sparse._csr.csr_matrix"])


def test_a_sparse_matrix_is_not_made_by_a_call() -> None:
    """Its constructor takes any places on trust."""

    class Made:
        def __reduce__(self) -> Any:
            return sparse.csr_matrix, ((2, 2),)

    with pytest.raises(BrokenArtifact, match="it calls scipy"):
        pickling.load(dumped(Made()), ["scipy.sparse._csr.csr_matrix"])
