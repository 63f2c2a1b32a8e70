"""What a model, a version and an alias may be called. Nothing that fails here ever reaches a path."""

import re
from unicodedata import normalize

LATEST = "latest"
"""Reserved: always the highest version that serves, so no alias may have this name."""

PRODUCTION = "production"
"""The alias that is meant when a request names neither a version nor an alias."""

_MODEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def is_model_name(text: str) -> bool:
    """Return whether a model may have this name: 1 to 63 of a-z, 0-9, _ and -, a letter first."""
    return _MODEL.fullmatch(text) is not None


def is_alias(text: str) -> bool:
    """Return whether an alias may have this name: as a model, but not `latest`."""
    return text != LATEST and is_model_name(text)


def parse_version(text: str) -> int | None:
    """Return the version that a text names, 1 to 999,999,999; None if it names none (an alias, "0", "01")."""
    return int(text) if _VERSION.fullmatch(text) else None


def as_model_name(words: str) -> str:
    """Make a model's name of any text: "Median Price ($)" is median_price; "model" if nothing is left."""
    plain = normalize("NFKD", words).encode("ascii", "ignore").decode()  # "Größe" would be gr_e
    name = re.sub(r"[^a-z0-9_-]+", "_", plain.lower()).strip("_-").lstrip("0123456789_-")
    return name[:63] or "model"
