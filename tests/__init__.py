"""The tests: what they print, and how their servers serve, must not depend on the terminal they run in."""

import os

for variable in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "GUNICORN_CMD_ARGS", "PYTEST_ADDOPTS"):
    os.environ.pop(variable, None)
