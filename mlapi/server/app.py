"""`create_app(settings)`: the one place where the parts of the server meet."""

import logging
from dataclasses import replace

from mlapi.http import problems, telemetry
from mlapi.http.application import Application
from mlapi.jobs.jobs import Jobs
from mlapi.registry.opening import make_key, open_registry
from mlapi.resources import add_routes
from mlapi.server.gunicorn_settings import most_streams
from mlapi.settings import Settings, process_settings

logger = logging.getLogger(__name__)

_LOCK_WAIT_S = 1.0
"""How long the start waits for a process that writes to the jobs just now."""


def create_app(settings: Settings | None = None) -> Application:
    """Make the WSGI application: a `flask.Flask` that any WSGI server can run.

    Loads the models. A model that is broken, or none at all, or jobs of another mlapi raise nothing: they are
    logged, and the routes say so.

    Args:
        settings: `mlapi.settings.load_settings` makes them; None for those in force (config/mlapi.toml and
            MLAPI_* variables).

    Raises:
        SettingsError: The settings in force are wrong; the message lists every problem.
    """
    settings = settings or process_settings()
    app = Application("mlapi.resources")  # beside whose modules the templates lie
    make_key(settings)
    registry = open_registry(settings)
    registry.refresh()
    if problem := Jobs(settings.state_dir, _LOCK_WAIT_S).problem():
        logger.warning("jobs not usable", extra={"reason": problem})
    # In any order: Flask keeps what it calls around a request, handlers of errors and routes apart.
    telemetry.add_request_log(app)
    problems.add_error_handler(app, settings.max_body_bytes)
    add_routes(problems.Api(app), registry, replace(settings, streams=most_streams(settings)))
    for page in app.jinja_env.list_templates():
        app.jinja_env.get_template(page)  # which keeps it: a request may find no file that it can open
    return app
