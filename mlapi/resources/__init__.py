"""What answers at each path, and the table of routes. Opens no file and asks no estimator itself."""

from mlapi.http.problems import Api
from mlapi.registry.registry import Registry
from mlapi.resources.classify import Classify
from mlapi.resources.fit import TUTORIALS, Fit
from mlapi.resources.health import Live, Ready
from mlapi.resources.index import Index
from mlapi.resources.jobs import AllJobs, JobEvents, OneJob, Versions, subscriptions
from mlapi.resources.models import ModelCard, Models, OneAlias, OneModel, Version
from mlapi.resources.predict import Predict
from mlapi.settings import Settings


def add_routes(api: Api, registry: Registry, settings: Settings) -> None:
    """Add every Resource at its paths; each is made with what it needs of registry and settings."""
    models = {"registry": registry}
    both = {**models, "settings": settings}
    for resource, paths, needs in (
        (Index, ["/"], models),
        (
            Predict,
            ["/predict", "/predict/<name>", "/predict/<name>/<ref>"],
            both,
        ),
        (Classify, ["/classify"], both),
        (Fit, ["/fit", "/fit/<name>", *TUTORIALS], {"settings": settings}),
        (Models, ["/models"], models),
        (OneModel, ["/models/<name>"], models),
        (Version, ["/models/<name>/versions/<ref>"], both),
        (Versions, ["/models/<name>/versions"], {"settings": settings}),
        (AllJobs, ["/jobs"], {"settings": settings}),
        (OneJob, ["/jobs/<job>"], {"settings": settings}),
        (
            JobEvents,
            ["/jobs/<job>/events"],
            {"settings": settings, "subscriptions": subscriptions(settings)},
        ),
        (OneAlias, ["/models/<name>/aliases/<alias>"], both),
        (ModelCard, ["/models/<name>/versions/<ref>/report"], models),
        (Live, ["/health/live"], {}),
        (Ready, ["/health/ready"], models),
    ):
        api.add_resource(resource, *paths, resource_class_kwargs=needs)
