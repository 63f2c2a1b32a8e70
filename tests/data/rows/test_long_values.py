"""Values of a million letters, which a client can send in place of any other, cost no time."""

import time

import pytest

from mlapi.data.rows.reader import Reader
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Feature, Signature, Target

LONG = ("1" * 10**6 + "x", "1 " * 500_000, "(1," * 300_000, "Jan " * 250_000, "é" * 10**6, "1.a/" * 250_000)

FEATURES = (
    Feature("x", "number"),
    Feature("x", "integer"),
    Feature("x", "boolean"),
    Feature("x", "datetime", format="%d.%m.%Y"),
    Feature("x", "category", categories=("Größe", "Rome")),
)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.kind)
def test_a_long_value_is_refused_or_named_at_once(feature: Feature) -> None:
    """Numbers in words took three seconds each."""
    reader = Reader(Signature((feature,), Target("y", "number")))
    began = time.process_time()

    for value in LONG:
        try:
            findings = reader.read_rows([[value]]).warnings
        except InvalidRows as error:
            findings = error.findings
        assert len(findings) == 1
        assert len(findings[0].detail) < 300

    assert time.process_time() - began < 1
