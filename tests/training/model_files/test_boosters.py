"""Boosters in their libraries' own formats: the answers of the estimator that was saved."""

import json
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.pickles.named_sets import classes_of
from mlapi.errors import BrokenArtifact, ClassesNotAllowed, MlapiError, RegistrationError
from mlapi.training.model_files import estimator_file
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.training.model_files.reading import read_estimator
from mlapi.training.model_files.ubjson import decoded
from mlapi.training.workflows.estimator_columns import known_columns
from mlapi.wording import how_to_install

ROWS = pd.DataFrame(
    {
        "sepal length": np.linspace(4, 8, 60),
        "width": np.tile([2.0, 3.5, np.nan], 20),
        "city": np.tile(["Bern", "Rom", "Oslo", "Rom"], 15),
        "code": np.tile([10115, 20095], 30),
    }
)
NUMBERS = ROWS[["sepal length", "width"]]
CATEGORIES = ROWS.astype({"city": "category", "code": "category"})
SPECIES = np.repeat([0, 1, 2], 20)
WORDS = np.array(["ash", "beech", "cedar"])[SPECIES]
SIZE = ROWS["sepal length"].to_numpy() ** 2


def read(file: Path, *sets: str, rows: pd.DataFrame = ROWS) -> EstimatorFile:
    return read_estimator(file, classes_of(sets), rows)


def assert_equal(loaded: Any, fitted: Any, rows: Any, own: Any = None, rtol: float = 0) -> None:
    own = rows if own is None else own
    if fitted.predict(own).dtype.kind == "f":
        np.testing.assert_allclose(loaded.predict(rows), fitted.predict(own), rtol=rtol)
    else:
        np.testing.assert_array_equal(loaded.predict(rows), fitted.predict(own))
    if hasattr(fitted, "predict_proba"):
        np.testing.assert_allclose(loaded.predict_proba(rows), fitted.predict_proba(own), rtol=rtol)
    if hasattr(fitted, "decision_function"):
        np.testing.assert_allclose(loaded.decision_function(rows), fitted.decision_function(own), rtol=rtol)


def outcome(file: Path, content: bytes, *sets: str) -> str:
    file.write_bytes(content)
    try:
        read(file, *sets)
    except MlapiError as error:
        return str(error)
    return "loaded"


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "catboost"])
def test_a_librarys_code_reads_nothing_before_it_is_allowed_and_installed(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.model"
    file.write_bytes({"xgboost": b"{L", "lightgbm": b"tree\n", "catboost": b"CBM1"}[kind])
    monkeypatch.setattr(estimator_file, "find_spec", lambda name: None)

    with pytest.raises(RegistrationError) as caught:
        read(file, kind)
    assert str(caught.value) == (
        f"own.model needs {kind}, which is not installed here: {how_to_install(kind)}, here and where it is "
        f"served"
    )
    monkeypatch.setattr(estimator_file, "find_spec", lambda name: name)
    with pytest.raises(ClassesNotAllowed) as refused:
        read(file)
    assert str(refused.value).startswith(f"own.model needs the set '{kind}', which trusts ")
    assert f'allowed_sets = ["{kind}"]' in str(refused.value)
    assert set(refused.value.names) == classes_of([kind])


@pytest.fixture(scope="module")
def xgboost() -> Any:
    return pytest.importorskip("xgboost", reason="XGBoost is not installed")


@pytest.fixture(scope="module")
def content(xgboost: Any) -> bytes:
    return bytes(fitted_xgboost(xgboost).get_booster().save_raw("json"))


def fitted_xgboost(xgboost: Any, **how: Any) -> Any:
    return xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1, **how).fit(NUMBERS, SPECIES)


@pytest.mark.parametrize("name", ["m.json", "m.ubj", "m.model"])
def test_a_classifier_answers_as_before_with_numbers(xgboost: Any, tmp_path: Path, name: str) -> None:
    fitted = fitted_xgboost(xgboost)
    fitted.get_booster().save_model(tmp_path / "m.ubj" if name == "m.model" else tmp_path / name)
    if name == "m.model":
        (tmp_path / "m.ubj").rename(tmp_path / name)

    found = read(tmp_path / name, "xgboost")

    assert type(found.estimator) is xgboost.XGBClassifier
    assert list(found.estimator.feature_names_in_) == list(NUMBERS)
    assert found.notes[0].startswith(f"{name} has no names of classes: the answers are the numbers 0 to 2")
    assert_equal(found.estimator, fitted, NUMBERS)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"objective": "reg:absoluteerror"}, "XGBRegressor"),
        ({"objective": "count:poisson", "booster": "dart"}, "XGBRegressor"),
        ({"objective": "reg:squarederror", "booster": "gblinear"}, "XGBRegressor"),
        ({"objective": "rank:pairwise"}, "XGBRanker"),
        ({"objective": "binary:logistic"}, "XGBClassifier"),
        ({"objective": "multi:softmax", "num_class": 3}, "XGBClassifier"),
    ],
)
def test_the_objective_says_which_estimator_it_is(
    xgboost: Any, tmp_path: Path, how: dict[str, Any], kind: str
) -> None:
    answers = SPECIES if "num_class" in how else SPECIES > 0
    data = xgboost.DMatrix(NUMBERS.to_numpy(), answers, group=[60] if "rank" in how["objective"] else None)
    xgboost.train({**how, "nthread": 1}, data, 2).save_model(tmp_path / "m.json")

    estimator = read(tmp_path / "m.json", "xgboost").estimator

    assert type(estimator).__name__ == kind
    assert np.isfinite(estimator.predict(NUMBERS.to_numpy())).all()


def test_trees_with_several_numbers_in_a_leaf_are_trees(xgboost: Any, tmp_path: Path) -> None:
    several = np.column_stack([SIZE, -SIZE])
    fitted = xgboost.XGBRegressor(n_estimators=2, n_jobs=1, multi_strategy="multi_output_tree")
    fitted.fit(NUMBERS, several).save_model(tmp_path / "m.ubj")

    assert_equal(read(tmp_path / "m.ubj", "xgboost").estimator, fitted, NUMBERS)


def test_categories_are_those_of_the_fit(xgboost: Any, tmp_path: Path) -> None:
    fitted = xgboost.XGBRegressor(n_estimators=2, n_jobs=1, enable_categorical=True).fit(CATEGORIES, SIZE)
    fitted.save_model(tmp_path / "m.ubj")

    estimator = read(tmp_path / "m.ubj", "xgboost").estimator

    assert known_columns(estimator, list(ROWS))["city"].categories == ("Bern", "Oslo", "Rom")
    assert_equal(estimator, fitted, CATEGORIES)


def test_both_formats_say_the_same(xgboost: Any, content: bytes) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        return list(map(plain, value)) if isinstance(value, list | np.ndarray) else value

    booster = xgboost.Booster(model_file=bytearray(content))
    binary = plain(decoded(bytes(booster.save_raw("ubj"))))
    written = json.loads(content)

    assert binary["learner"]["objective"] == written["learner"]["objective"]
    trees = [each["learner"]["gradient_booster"]["model"]["trees"] for each in (binary, written)]
    np.testing.assert_allclose(trees[0][0]["split_conditions"], trees[1][0]["split_conditions"])
    assert trees[0][1]["left_children"] == trees[1][1]["left_children"]


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["left_children"].__setitem__(0, 10**6),
        lambda tree: tree["left_children"].__setitem__(0, 0),
        lambda tree: tree["right_children"].__setitem__(0, tree["left_children"][0]),
        lambda tree: tree["split_indices"].__setitem__(0, 2),
        lambda tree: tree["split_conditions"].pop(),
        lambda tree: tree["tree_param"].update(num_nodes="100000"),
        lambda tree: tree.pop("parents"),
        lambda tree: tree["parents"].__setitem__(1, 10**6),
        lambda tree: tree.update(categories_nodes=[0], categories_segments=[0], categories_sizes=[9]),
    ],
)
def test_a_tree_that_leads_out_of_itself_is_not_handed_to_the_library(
    content: bytes, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    document = json.loads(content)
    change(document["learner"]["gradient_booster"]["model"]["trees"][0])

    said = outcome(tmp_path / "m.json", json.dumps(document).encode(), "xgboost")

    assert said.startswith("m.json: it is damaged, or no booster that XGBoost has written")


def test_a_file_with_any_byte_changed_or_cut_ends_in_a_sentence(xgboost: Any, tmp_path: Path) -> None:
    choice, fitted = random.Random(0), fitted_xgboost(xgboost).get_booster()
    for form in ("json", "ubj"):
        whole = bytes(fitted.save_raw(form))
        for _ in range(40):
            place = choice.randrange(2, len(whole))
            changed = whole[:place] + bytes([choice.randrange(256)]) + whole[place + 1 :]
            for each in (changed, whole[:place]):
                assert "\n" not in outcome(tmp_path / "m.model", each, "xgboost")


def test_what_is_too_deep_or_longer_than_the_file_is_damaged(xgboost: Any, tmp_path: Path) -> None:
    long = b"{L" + struct.pack(">q", 1) + b"a[$d#L" + struct.pack(">q", 2**40)
    for content in (
        b"{L" + struct.pack(">q", 1) + b"a" + b"[" * 90,
        long,
        b'{"learner":' + b"[" * 99_999,
    ):
        assert "damaged" in outcome(tmp_path / "m.model", content, "xgboost")


def test_an_objective_of_ones_own_says_no_estimator(content: bytes, tmp_path: Path) -> None:
    document = json.loads(content)
    document["learner"]["attributes"] = {}
    document["learner"]["objective"]["name"] = "mine"

    said = outcome(tmp_path / "m.json", json.dumps(document).encode(), "xgboost")

    assert said.startswith('m.json has the objective "mine", which says no estimator')


@pytest.fixture(scope="module")
def lightgbm() -> Any:
    return pytest.importorskip("lightgbm", reason="LightGBM is not installed")


def fitted_lightgbm(lightgbm: Any, name: str, rows: Any, answers: Any, **how: Any) -> Any:
    more = {"group": [60]} if name == "LGBMRanker" else {}
    model = getattr(lightgbm, name)(n_estimators=2, verbose=-1, min_child_samples=3, n_jobs=1, **how)
    return model.fit(rows, answers, **more)


@pytest.mark.parametrize(
    ("name", "answers", "how"),
    [
        ("LGBMClassifier", SPECIES, {}),
        ("LGBMClassifier", SPECIES, {"objective": "multiclassova"}),
        ("LGBMClassifier", SPECIES // 2, {}),
        ("LGBMClassifier", SPECIES, {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1}),
        ("LGBMRegressor", SIZE, {}),
        ("LGBMRegressor", SIZE, {"objective": "poisson", "boosting_type": "dart"}),
        ("LGBMRegressor", SIZE / 100, {"objective": "cross_entropy"}),
        ("LGBMRanker", SPECIES, {}),
    ],
)
@pytest.mark.parametrize("rows", [NUMBERS, NUMBERS.to_numpy(), CATEGORIES], ids=["frame", "matrix", "words"])
def test_lightgbm_answers_as_the_estimator_that_was_fitted(  # noqa: PLR0917 - one for each parameter
    lightgbm: Any, tmp_path: Path, name: str, answers: Any, how: dict[str, Any], rows: Any
) -> None:
    fitted = fitted_lightgbm(lightgbm, name, rows, answers, **how)
    fitted.booster_.save_model(tmp_path / "m.txt")

    estimator = read(tmp_path / "m.txt", "lightgbm").estimator

    assert_equal(estimator, fitted, rows)
    assert estimator.n_features_in_ == fitted.n_features_in_
    assert hasattr(estimator, "classes_") == (name == "LGBMClassifier")
    assert list(getattr(estimator, "feature_names_in_", ())) == list(getattr(rows, "columns", ()))


def test_words_are_taken_as_they_are_and_unknown_ones_as_missing(lightgbm: Any, tmp_path: Path) -> None:
    fitted = fitted_lightgbm(lightgbm, "LGBMRegressor", CATEGORIES, SIZE)
    fitted.booster_.save_model(tmp_path / "m.txt")
    estimator = read(tmp_path / "m.txt", "lightgbm").estimator
    others = ROWS.assign(city=["Paris", None] * 30, code=[10115.0, 3.0] * 30)
    known = ROWS.assign(city=[None] * 60, code=[10115.0, None] * 30)
    own = known.astype({name: CATEGORIES[name].dtype for name in ("city", "code")})

    assert_equal(estimator, fitted, ROWS, CATEGORIES)
    assert_equal(estimator, fitted, others, own)
    assert_equal(estimator, fitted, others.iloc[:1].astype(object), own.iloc[:1])
    told = known_columns(estimator, list(ROWS))
    assert (told["city"].categories, told["code"].categories) == (
        ("Bern", "Oslo", "Rom"),
        (10115, 20095),
    )


def test_labels_that_were_words_are_numbers_and_a_note_says_so(lightgbm: Any, tmp_path: Path) -> None:
    fitted = fitted_lightgbm(lightgbm, "LGBMClassifier", NUMBERS, WORDS)
    fitted.booster_.save_model(tmp_path / "m.txt")

    found = read(tmp_path / "m.txt", "lightgbm")

    labels = found.estimator.predict(NUMBERS)
    assert fitted.classes_[labels].tolist() == fitted.predict(NUMBERS).tolist()
    assert "m.txt has no names of classes: the answers are the numbers 0 to 2" in found.notes[0]


WRONG: dict[str, tuple[bytes, bytes]] = {
    "another tree": (rb"^Tree=1$", b"Tree=7"),
    "a column that is not there": (rb"^split_feature=\d", b"split_feature=9"),
    "a child that is not there": (rb"^left_child=-?\d", b"left_child=99"),
    "no leaves": (rb"^leaf_value=.*$", b"leaf_value="),
    "a threshold that is no number": (rb"^threshold=", b"threshold=x"),
    "categories that are not there": (rb"^cat_boundaries=.*$", b"cat_boundaries=0 9"),
    "fewer features": (rb"^max_feature_idx=1$", b"max_feature_idx=0"),
    "other classes": (rb"^num_class=3$", b"num_class=2"),
    "no end of the parameters": (rb"^end of parameters$", b""),
    "no text": (rb"^shrinkage=1$", b"shrinkage=1\xff"),
}
"""By what is wrong: a pattern of a text, and what stands in its place."""


def with_sizes(content: bytes) -> bytes:
    """The text with the sizes that its trees have now."""
    head, _, rest = content.partition(b"\n\n")
    starts = [match.start() for match in re.finditer(rb"^Tree=", rest, re.MULTILINE)]
    sizes = np.diff([*starts, rest.index(b"end of trees")]).tolist()
    line = b"tree_sizes=" + " ".join(map(str, sizes)).encode()
    return re.sub(rb"^tree_sizes=.*$", line, head, flags=re.MULTILINE) + b"\n\n" + rest


@pytest.fixture(scope="module")
def text_of_categories(lightgbm: Any) -> bytes:
    rows = CATEGORIES[["city", "code"]]
    answers = CATEGORIES["city"].cat.codes
    fitted = fitted_lightgbm(lightgbm, "LGBMClassifier", rows, answers, min_data_per_group=1, cat_smooth=1)
    content: bytes = fitted.booster_.model_to_string().encode()
    assert with_sizes(content) == content
    return content


@pytest.mark.parametrize("name", WRONG)
def test_a_text_that_leads_out_of_itself_is_not_handed_to_the_library(
    text_of_categories: bytes, tmp_path: Path, name: str
) -> None:
    pattern, new = WRONG[name]
    changed, count = re.subn(pattern, lambda _: new, text_of_categories, count=1, flags=re.MULTILINE)

    said = outcome(tmp_path / "m.txt", with_sizes(changed), "lightgbm")

    assert count == 1
    assert said.startswith("m.txt: it is damaged")
    assert "another version" not in said, "LightGBM has read it"


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"booster_": LinearRegression()}, "another booster than LightGBM's"),
        ({"categories_": [()]}, "another booster than LightGBM's, or other columns than that"),
        ({"categories_": [(), ([],)]}, "categories that are no words or numbers"),
        ({"predict": LinearRegression()}, "whose 'predict' takes the place of the class's own"),
        ({"_matrix": LinearRegression()}, "whose '_matrix' takes the place of the class's own"),
    ],
)
def test_a_pickle_of_it_with_other_parts_is_refused(
    lightgbm: Any, tmp_path: Path, attributes: dict[str, Any], said: str
) -> None:
    fitted_lightgbm(lightgbm, "LGBMRegressor", NUMBERS, SIZE).booster_.save_model(tmp_path / "m.txt")
    estimator = read(tmp_path / "m.txt", "lightgbm").estimator
    vars(estimator).update(attributes)
    joblib.dump(estimator, tmp_path / "m.pkl")

    with pytest.raises(BrokenArtifact, match=said):
        read(tmp_path / "m.pkl", "lightgbm")


def test_a_text_that_is_cut_or_changed_ends_in_a_sentence(lightgbm: Any, tmp_path: Path) -> None:
    fitted = fitted_lightgbm(lightgbm, "LGBMClassifier", CATEGORIES, SPECIES)
    whole = fitted.booster_.model_to_string().encode()

    assert outcome(tmp_path / "m.txt", whole[: len(whole) // 2], "lightgbm").startswith(
        "m.txt: it is damaged or cut off: it is not as LightGBM writes it; copy it again, or save it again"
    )
    for end in (b'["Bern"', b'[{"Bern": 1}]', b"[" * 9999, b"3"):
        changed = whole.rstrip().rpartition(b":")[0] + b":" + end
        assert outcome(tmp_path / "m.txt", changed, "lightgbm").startswith("m.txt: it is damaged")
    lost = whole.replace(b"[categorical_feature: 2,3]", b"[categorical_feature: 2]")
    assert "has the categories of 2 columns, and names 1 columns" in outcome(
        tmp_path / "m.txt", lost, "lightgbm"
    )


@pytest.fixture(scope="module")
def catboost() -> Any:
    return pytest.importorskip("catboost", reason="CatBoost is not installed: `make compatibility` has it")


@pytest.mark.parametrize("form", ["cbm", "json"])
@pytest.mark.parametrize(("name", "answers"), [("CatBoostClassifier", WORDS), ("CatBoostRegressor", SIZE)])
def test_catboost_answers_as_before(
    catboost: Any, tmp_path: Path, form: str, name: str, answers: Any
) -> None:
    model = getattr(catboost, name)(
        iterations=3,
        verbose=False,
        allow_writing_files=False,
        cat_features=["city", "code"],
        thread_count=1,
    )
    fitted = model.fit(ROWS, answers)
    fitted.save_model(tmp_path / f"m.{form}", format=form)

    estimator = read(tmp_path / f"m.{form}", "catboost").estimator

    assert type(estimator) is type(fitted)
    assert_equal(estimator, fitted, ROWS, rtol=1e-14)  # its JSON rounds the last digit
    content = (tmp_path / f"m.{form}").read_bytes()
    assert outcome(tmp_path / "cut", content[: len(content) // 2], "catboost").startswith(
        "cut: it is damaged"
    )


def test_json_of_no_booster_is_said_to_be_such(tmp_path: Path) -> None:
    said = outcome(tmp_path / "a.json", b'{"a": 1}')

    assert said.startswith("a.json: it is no joblib or pickle file but JSON; `mlapi register` takes")
