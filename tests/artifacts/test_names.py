import pytest

from mlapi.artifacts.names import is_alias, is_model_name, parse_version


@pytest.mark.parametrize("name", ["a", "churn", "a-b_c9", "x" * 63])
def test_model_names(name: str) -> None:
    assert is_model_name(name)


@pytest.mark.parametrize("name", ["", "A", "9a", "a.b", "../a", "a/b", "x" * 64, "ä", "a\n", "a b"])
def test_what_no_model_is_called(name: str) -> None:
    assert not is_model_name(name)


def test_latest_is_reserved() -> None:
    assert is_alias("production")
    assert not is_alias("latest")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1", 1),
        ("42", 42),
        ("0", None),
        ("01", None),
        ("-1", None),
        ("1.0", None),
        ("٣", None),
        ("9" * 99, None),
    ],
)
def test_versions(text: str, version: int | None) -> None:
    assert parse_version(text) == version
