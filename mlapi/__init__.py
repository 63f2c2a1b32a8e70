"""Trains scikit-learn models and serves them over HTTP.

    mlapi.train(frame, target="species")    trains a table, and publishes the version
    mlapi.publish(estimator, "churn", X)    publishes an estimator that is fitted already
    mlapi.load("churn@production")          a published version, to ask without a server
    mlapi.create_app(settings)              the WSGI application
    mlapi.__version__

These names are all that is public; docs/ describes them. Importing the package imports none of its modules.

A room is a folder of this package; its own first words say what the room does. In a checkout
mlapi/training is a link to the folder training/ beside this one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlapi.server.app import create_app
    from mlapi.training import load, publish, train

__all__ = ["__version__", "create_app", "load", "publish", "train"]

__version__ = "0.1.0"  # here and not from what is installed: on PyPI the name `mlapi` is somebody else's

_PUBLIC = {
    "create_app": "mlapi.server.app",
    **dict.fromkeys(("load", "publish", "train"), "mlapi.training"),
}
"""Where each name is defined; imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
