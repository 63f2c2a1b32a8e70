"""The names of the tests: the same whoever collects them, and whenever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

COLLECT = [
    sys.executable,
    "-m",
    "pytest",
    "--collect-only",
    "--quiet",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
]


@pytest.mark.exhaustive
def test_another_process_collects_the_same_tests(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """`make test` has two of them, and runs nothing where a name holds the second or the order of a set."""
    elsewhere = {"PYTHONHASHSEED": "1", "TMPDIR": str(tmp_path), "TZ": "Asia/Kathmandu"}

    found = subprocess.run(
        COLLECT, cwd=ROOT, env={**os.environ, **elsewhere}, capture_output=True, text=True, check=True
    )

    names = set(found.stdout.splitlines())
    other_there = [test.nodeid for test in request.session.items if test.nodeid not in names]
    assert not other_there, "give their parameters names: pytest.param(…, id=…)"
