"""Plain data -> a response in the format that the client accepts."""

from typing import Any

from flask import Response, request

from mlapi.formats import negotiation


def respond(data: Any) -> Response:
    """Make a response with status 200 of plain data.

    Raises:
        NotAcceptable: The client accepts no format that there is.
    """
    media_type, encode = negotiation.encoder(request.headers.get("Accept"))
    return Response(encode(data), content_type=media_type)
