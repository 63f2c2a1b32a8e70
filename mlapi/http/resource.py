"""What every resource at a path has in common: a method for each of HTTP's, and a query of known names."""

from typing import Any, ClassVar

from flask import Response, request
from flask_restful import Resource as RestfulResource

from mlapi.errors import UnknownOutput
from mlapi.wording import did_you_mean, quoted

_SHOWN = 3
"""How many unknown parameters are named at most: to find the nearest name takes a millisecond."""


class Resource(RestfulResource):  # type: ignore[misc]
    """A resource whose methods return responses, and which refuses parameters that it does not read."""

    query_parameters: ClassVar[tuple[str, ...]] = ()
    """The names of the parameters that a query may have, for all methods."""

    def dispatch_request(self, *args: Any, **kwargs: Any) -> Response:
        """Call the method for the current request. HEAD is answered as GET.

        Flask-RESTful's own would also make responses of plain data, which no resource here returns.

        Raises:
            UnknownOutput: The query has a parameter that is not among `query_parameters`.
        """
        environ = request.environ
        if environ.get("QUERY_STRING"):
            _check_names(list(request.args), self.query_parameters)
        method = getattr(self, environ["REQUEST_METHOD"].lower(), None)
        response: Response = (self.get if method is None else method)(*args, **kwargs)
        return response


def _check_names(names: list[str], known: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    sentences = [f"unknown parameter {quoted(name)}{_way_out(name, known)}" for name in unknown[:_SHOWN]]
    more = f" (and {len(unknown) - _SHOWN:,} more)" if len(unknown) > _SHOWN else ""
    raise UnknownOutput(f"the query has an {'; an '.join(sentences)}{more}")


def _way_out(name: str, known: tuple[str, ...]) -> str:
    return did_you_mean(name, known) if known else ": nothing at this path takes any"
