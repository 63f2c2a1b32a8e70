"""Arbitrary JSON for fits and jobs: an answer in JSON's own numbers, or an error that is the client's."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlapi.data.limits import TableLimits
from mlapi.errors import MlapiError
from mlapi.jobs import submission, tasks
from mlapi.jobs.pool.messages import Message
from tests.formats.test_any_json import anything, cells, numbers

LIMITS = TableLimits(rows=6, columns=4, classes=4)

names = st.sampled_from(["a", "b", "target", "target_", ""])
rows = st.lists(cells, max_size=3) | st.dictionaries(names, cells, max_size=3)
values = st.sampled_from(
    [numbers, st.floats(-9, 9), st.integers(0, 2), st.sampled_from("abc"), st.booleans()]
)
parameters = st.dictionaries(
    st.sampled_from(["C", "alpha", "penalty", "max_depth", "kernel", "n_estimators", "magic"]),
    st.sampled_from([0.5, 3, "ridge", "rbf", "linear", None, True, -1]) | anything,
    max_size=3,
)


def listed(each: Any, count: int) -> Any:
    return st.lists(each, min_size=count, max_size=count)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """As many values as rows, all of them of one length; some are numbers that nobody can fit."""
    count, width = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    cell = draw(st.sampled_from([numbers, st.floats(-9, 9)]))
    return {"X": draw(listed(listed(cell, width), count)), "y": draw(listed(draw(values), count))}


likely = st.builds(
    lambda table, rest: table | rest,
    tables(),
    st.fixed_dictionaries({}, optional={"parameters": parameters, "scale": st.booleans()}),
)
bodies = st.fixed_dictionaries(
    {"X": st.lists(rows, max_size=4), "y": st.lists(cells, max_size=4) | anything},
    optional={
        "parameters": parameters,
        "predict": st.lists(rows, max_size=2),
        "scale": st.booleans() | anything,
        "task": st.sampled_from(["regression", "classification"]) | anything,
        "algorithm": st.sampled_from(list(tasks.FITTED)) | anything,
        "feature_names": st.lists(names, max_size=3) | anything,
    },
)
bodies = likely | likely | bodies | anything


def assert_a_clients(error: MlapiError) -> None:
    assert 400 <= error.status < 500
    assert "Traceback" not in str(error)


@pytest.mark.parametrize("name", tasks.FITTED)
@given(bodies)
@settings(max_examples=25)
def test_any_fit_is_answered_or_refused(name: str, body: Any) -> None:
    body = (
        {key: body[key] for key in body if key not in ("algorithm", "feature_names")}
        if isinstance(body, dict)
        else body
    )
    head = {"algorithm": name, "content_type": None}
    try:
        answer = tasks.fit(LIMITS, Message(head, json.dumps(body).encode()), print)
    except MlapiError as error:
        assert_a_clients(error)
        return

    def no_constant(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    found = json.loads(answer.body, parse_constant=no_constant)
    assert None not in found["prediction"]
    assert len(found["prediction"]) == len(body.get("predict") or body["X"])


@given(bodies)
@settings(max_examples=100)
def test_any_order_is_read_or_refused(body: Any) -> None:
    try:
        recipe, source, content = submission.parse(None, json.dumps(body).encode(), LIMITS)
    except MlapiError as error:
        assert_a_clients(error)
        return
    sent = json.loads(content)
    assert source == "rows.json"
    assert recipe["target"] == sent["target"] not in sent["columns"]
    assert all(len(row) == len(sent["columns"]) for row in sent["rows"])
    assert len(sent["values"]) == len(sent["rows"])
