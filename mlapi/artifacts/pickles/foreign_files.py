"""What a file is that is no pickle: known by its first bytes, and by the names of its parts if it is a zip.

Nothing is decoded or decompressed. Kinds of models that are read have a name; each other kind has a sentence
that says what to do, as people find such a file where they looked for one of joblib's.
"""

import re
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Literal

ModelKind = Literal["catboost", "lightgbm", "onnx", "skops", "xgboost"]
"""The kinds of files that are read beside pickles, each by the library that writes it."""

_LOOKED_AT = 4096
"""How many bytes decide whether a file is a text."""

_EXPORT_ONNX = (
    "in Python, build the network and then: net.load_state_dict(torch.load(FILE)); net.eval(); "
    "torch.onnx.export(net, (torch.zeros(2, FEATURES),), 'net.onnx', external_data=False, "
    "dynamic_shapes=({0: 'rows'},)); register net.onnx"
)
"""The lines that make ONNX of the weights that PyTorch has saved."""

_EXPORT_WHOLE = (
    "in Python: net = torch.load(FILE, weights_only=False); net.eval(); "
    "torch.onnx.export(net, (torch.zeros(2, FEATURES),), 'net.onnx', external_data=False, "
    "dynamic_shapes=({0: 'rows'},)); register net.onnx"
)

_AS_JSON = (
    "in Python, with xgboost before 3.1: booster = xgboost.Booster(model_file=FILE); "
    "booster.save_model('model.json')"
)

_DECOMPRESS = "decompress it first"
"""What to do with a model that is read, where it was compressed."""

_STARTS: Mapping[bytes, tuple[str, str]] = {
    b"\x89PNG": ("a PNG picture", ""),
    b"\xff\xd8\xff": ("a JPEG picture", ""),
    b"GIF8": ("a GIF picture", ""),
    b"%PDF": ("a PDF", ""),
    b"PAR1": ("a Parquet table", ""),
    b"ARROW1": ("a Feather table", ""),
    b"SQLite format 3": ("a database of SQLite", ""),
    b"\x93NUMPY": ("an array of numpy's, without an estimator", ""),
    b"\x89HDF": ("an HDF5 file, as Keras writes its networks", "export the network as ONNX"),
    b"GGUF": ("a language model in GGUF", ""),
    b"CBM1": ("a model of CatBoost's in its own format", _DECOMPRESS),
    b"tree\n": ("a booster of LightGBM's as text", _DECOMPRESS),
    b"{L": ("a booster of XGBoost's as UBJSON", _DECOMPRESS),
    b"binf": ("a booster of XGBoost's in its old format", _AS_JSON),
    b"version https://git-lfs": ("a pointer of Git LFS to a file", "fetch the file itself: git lfs pull"),
    b"<!DOCTYPE": ("a web page", "download the file itself"),
    b"<!doctype": ("a web page", "download the file itself"),
    b"<html": ("a web page", "download the file itself"),
    b"<?xml": ("XML, as PMML is", "dump the estimator itself"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "decompress it first"),
    b"\x04\x22\x4d\x18": (
        "compressed with lz4",
        "load it with joblib where lz4 is installed, and dump it anew",
    ),
    b"ZF0x": ("a file of joblib's before 0.10", "load it with that joblib, and dump it with a new one"),
    b"Rar!": ("an archive", "unpack it first"),
    b"7z\xbc\xaf\x27\x1c": ("an archive", "unpack it first"),
    b"RDX": ("a file of R's", ""),
    b"X\n\x00\x00": ("a file of R's", ""),
    b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.": ("saved by PyTorch before 1.6", _EXPORT_WHOLE),
}
"""By the first bytes of a file: what it is, and what to do."""

_ONNX = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]", re.DOTALL)
"""How an ONNX model begins: the field `ir_version`, a small number, and then another field."""

_TAR = slice(257, 262)
"""Where a tar archive has the word "ustar"."""


_BOOSTERS: Mapping[bytes, ModelKind] = {
    b"CBM1": "catboost",
    b"tree\n": "lightgbm",
    b"tree\r\n": "lightgbm",
    b"{L": "xgboost",
}
"""By the first bytes of a booster in its library's own format: the library."""

_KEYS: Mapping[bytes, ModelKind] = {b'"learner"': "xgboost", b'"features_info"': "catboost"}
"""By a key near the beginning of a booster in JSON: the library."""


def model_kind_of(content: bytes) -> ModelKind | None:
    """Return which kind of model this file is; None of a pickle, and of what is not read."""
    for start, kind in _BOOSTERS.items():
        if content.startswith(start):
            return kind
    if _ONNX.match(content):
        return "onnx"
    if content.startswith(b"PK\x03\x04"):
        return "skops" if _SKOPS in _names_in(content) else None
    return _booster_in(content) if content.lstrip()[:1] == b"{" else None


def _booster_in(content: bytes) -> ModelKind | None:
    """Return whose booster this JSON is; None of other JSON."""
    head = content[:_LOOKED_AT]
    return next((kind for key, kind in _KEYS.items() if key in head), None)


def _names_in(content: bytes) -> list[str]:
    """Return the names of the parts of a zip archive; none where it is damaged."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return archive.namelist()
    except Exception:  # damaged in one of many ways
        return []


_SKOPS = "schema.json"
"""The part that only files of skops' have."""


def kind_of(content: bytes) -> tuple[str, str] | None:
    """Return what this file is that is no pickle, and what to do (may be empty); None if it is not known.

    A text is not recognized here: the oldest pickles are texts.
    """
    if not content:
        return "empty", "copy it again"
    start = next((start for start in _STARTS if content.startswith(start)), None)
    if start is not None:
        return _STARTS[start]
    return next((kind(content) for looks, kind in _KINDS if looks(content)), None)


def is_text(content: bytes) -> bool:
    """Return whether a file's beginning is text in UTF-8: it has no control characters but line ends and
    tabs."""
    head = content[:_LOOKED_AT]
    for spare in range(4):  # a letter of up to four bytes may be cut in two
        try:
            text = head[: len(head) - spare].decode()
        except UnicodeDecodeError:
            continue
        return all(sign >= " " or sign in "\r\n\t\f" for sign in text)
    return False


def _json(content: bytes) -> tuple[str, str]:
    return ("JSON", "") if _booster_in(content) is None else ("a booster as JSON", _DECOMPRESS)


def _zip(content: bytes) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = archive.namelist()
            is_network = _holds_code(archive, names)
    except Exception:  # damaged in one of many ways: it is a zip all the same
        return "a zip archive, damaged or cut off", "copy it again"
    for holds, what, way_out in _ZIPS:
        if any(map(holds, names)):
            return what, _EXPORT_WHOLE if is_network and way_out is _EXPORT_ONNX else way_out
    return "a zip archive", "unpack it first"


def _holds_code(archive: zipfile.ZipFile, names: list[str]) -> bool:
    """Return whether PyTorch saved a network, and not its weights alone: its pickle names more classes."""
    pickled = next((name for name in names if name.endswith("/data.pkl")), None)
    if pickled is None or archive.getinfo(pickled).compress_type != zipfile.ZIP_STORED:
        return False
    with archive.open(pickled) as file:
        return b"torch.nn" in file.read(_LOOKED_AT)


_ZIPS: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (lambda name: name == _SKOPS, "a file of skops'", _DECOMPRESS),
    (
        lambda name: name.endswith("constants.pkl"),
        "a network of TorchScript",
        "export it with torch.onnx.export",
    ),
    (lambda name: name.endswith("/data.pkl"), "saved by torch.save", _EXPORT_ONNX),
    (lambda name: name == "model.weights.h5", "a network of Keras", "export it as ONNX: model.export"),
    (
        lambda name: name.endswith("MLmodel"),
        "a zipped folder of MLflow's",
        "unpack it, and take the folder",
    ),
    (lambda name: name.endswith(".npy"), "arrays of numpy's, without an estimator", ""),
    (lambda name: name == "[Content_Types].xml", "a document of Office", ""),
)
"""What tells the kind of a zip archive by the name of a part; what it is, and what to do."""

_KINDS: tuple[tuple[Callable[[bytes], object], Callable[[bytes], tuple[str, str]]], ...] = (
    (lambda content: content.startswith(b"PK\x03\x04"), _zip),
    (
        lambda content: content[_TAR] == b"ustar",
        lambda _: ("an archive", "unpack it first"),
    ),
    (lambda content: content.lstrip()[:1] in (b"{", b"[") and is_text(content), _json),
)
"""What tells the kinds that have no first bytes of their own, and what says more of each."""
