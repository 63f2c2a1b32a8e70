"""`create_app(settings)`: the one place where the parts of the server meet."""

from mlapi import problems, telemetry
from mlapi.application import Application
from mlapi.registry import open_registry
from mlapi.resources import add_routes
from mlapi.settings import Settings
from mlapi.trust import make_key


def create_app(settings: Settings) -> Application:
    """The WSGI application. Loads the models; a broken one, or none, raises nothing."""
    app = Application("mlapi")
    make_key(settings)
    registry = open_registry(settings)
    registry.refresh()
    telemetry.install(app)
    problems.install(app, settings.max_body_bytes)
    add_routes(problems.Api(app), registry, settings)
    return app
