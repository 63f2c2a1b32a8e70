"""Which release of mlapi this is, and what its optional parts need.

Written here, and not read from the metadata of what is installed: these go by the name of the distribution,
and on PyPI `mlapi` is somebody else's.
"""

from collections.abc import Mapping

VERSION = "0.1.0"

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("pyarrow>=21",),
    "vision": ("torch>=2.9,<3", "onnx>=1.19,<2"),
    "dask": ("distributed>=2025.7",),
    "s3": ("s3fs>=2025.7",),
    "gcs": ("gcsfs>=2025.7",),
}
"""The extras of pyproject.toml, word by word."""


def how_to_install(extra: str) -> str:
    """The command that brings what an extra needs, in a checkout and beside an installed wheel alike."""
    return " ".join(["pip install", *(f"'{requirement}'" for requirement in EXTRAS[extra])])
