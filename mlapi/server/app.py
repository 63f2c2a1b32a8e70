"""`create_app(settings)`: the one place where the parts of the server meet."""

import logging

from mlapi.http import problems, telemetry
from mlapi.http.application import Application
from mlapi.jobs.jobs import Jobs
from mlapi.registry.opening import make_key, open_registry
from mlapi.resources import add_routes
from mlapi.settings import Settings

logger = logging.getLogger(__name__)

_PATIENCE_S = 1.0
"""For who writes a job just now."""


def create_app(settings: Settings) -> Application:
    """The WSGI application. Loads the models; a broken one, none, or jobs of another mlapi raise nothing."""
    app = Application("mlapi.resources")  # beside whose modules the templates lie
    make_key(settings)
    registry = open_registry(settings)
    registry.refresh()
    if problem := Jobs(settings.state_dir, _PATIENCE_S).problem():
        logger.warning("jobs not usable", extra={"reason": problem})
    telemetry.install(app)
    problems.install(app, settings.max_body_bytes)
    add_routes(problems.Api(app), registry, settings)
    for page in app.jinja_env.list_templates():
        app.jinja_env.get_template(page)  # which keeps it: a request may find no file that it can open
    return app
