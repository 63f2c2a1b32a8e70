"""The members of a body that hold rows; and of a body that has none of them, how its rows are sent here.

Other servers and pandas have forms of their own. Each is told in one sentence, after a refusal and never
before. A body of columns alone is a record, and one with a member of ours is none of these forms.
"""

from collections.abc import Mapping
from typing import Any

from mlapi.data.signature import Signature
from mlapi.wording import Finding, did_you_mean, listed, quoted

ONE_ROW = "features"
"""The member of a body that holds one row; the others hold many."""

FORMS = ("instances", "X", ONE_ROW)
"""The members that may hold rows; a body has one of them, or is a record itself."""

_RECORDS = '{"instances": frame.to_dict("records")}'
"""How rows of pandas are sent."""

_MOST_NAMES = 10
"""So many features are listed."""


def no_object(body: object, signature: Signature) -> Finding:
    """Return what is wrong with a body that is no object, and how to send what it seems to hold."""
    if isinstance(body, list):
        has_rows = not body or any(isinstance(row, list | dict) for row in body)
        form = '{"instances": [row, …]}' if has_rows else '{"features": row}'
        return Finding((), f"expected an object, got a list: send it as {form}")
    if isinstance(body, str):
        twice = "expected an object, got a text: if JSON is in it, it was written twice; write it once"
        return Finding((), twice)
    return Finding((), f"expected an object: {_forms(signature)}")


def no_rows(value: object) -> str:
    """Return what is wrong with a member for many rows that holds none, and how to send what it holds."""
    if isinstance(value, dict) and value and all(isinstance(cells, list) for cells in value.values()):
        return f"expected a list of rows, got a list for each column: in pandas {_RECORDS}"
    if isinstance(value, list):
        return "expected a list of rows, got a list of values: for one row there is `features`"
    return "expected a list of rows; for one row there is `features`"


def other_form(body: Mapping[str, Any], signature: Signature) -> Finding | None:
    """Return what to say of a body that was refused as a record, if it has another form; else None."""
    if signature.image is not None:
        return None
    holds_many = [name for name, value in body.items() if isinstance(value, list | dict)]
    known = signature.known_columns.intersection(body)
    if not holds_many or (known and not len(known) == len(holds_many) == len(body)):
        return None
    if known:
        columns = f"a list for each column, it seems: send a list of rows, in pandas {_RECORDS}"
        return Finding((), columns)
    name = holds_many[0]
    if name == "dataframe_split" or {"columns", "data"} <= body.keys():
        return Finding(
            (name,), f"unknown feature; send what pandas splits into columns and data as {_RECORDS}"
        )
    near = did_you_mean(name, FORMS)
    near = near if "?" in near else ""
    none = f"unknown feature {quoted(name)}{near}, and none of the forms: expected {_forms(signature)}"
    return Finding((name,), none)


def _forms(signature: Signature) -> str:
    names = listed(signature.names[:_MOST_NAMES]) + (", …" if len(signature.names) > _MOST_NAMES else "")
    return f'{{"instances": [row, …]}}, {{"X": [row, …]}}, {{"features": row}}, or a record of {names}'
