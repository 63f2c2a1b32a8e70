"""What a request asks for is not there, or may not be changed so."""

from mlapi.errors.error import MlapiError


class ModelNotFound(MlapiError):
    """No model has this name, or a request names none where it has to."""

    status = 404
    slug = "model-not-found"
    title = "No such model"


class VersionNotFound(MlapiError):
    """The model has no version or alias that is named so."""

    status = 404
    slug = "version-not-found"
    title = "No such version"


class ReportNotFound(MlapiError):
    """The version has no model card."""

    status = 404
    slug = "report-not-found"
    title = "No model card"


class AlgorithmNotFound(MlapiError):
    """No algorithm of this name is fitted on request."""

    status = 404
    slug = "algorithm-not-found"
    title = "No such algorithm"


class JobNotFound(MlapiError):
    """No job has this id, or it was forgotten."""

    status = 404
    slug = "job-not-found"
    title = "No such job"


class UnknownVersion(MlapiError):
    """An alias shall name a version that does not exist."""

    status = 422
    slug = "unknown-version"
    title = "No such version to point at"


class InvalidAlias(MlapiError):
    """A name that no alias can have."""

    status = 422
    slug = "invalid-alias"
    title = "No alias can be called so"


class WritesNotAllowed(MlapiError):
    """A change that the settings do not allow, or that a page of another site asks for."""

    status = 403
    slug = "writes-not-allowed"
    title = "Writing is not allowed"


class NotOffered(MlapiError):
    """The settings do not offer this here."""

    status = 403
    slug = "not-offered"
    title = "Not offered here"


class Conflict(MlapiError):
    """A change that the state of the model does not allow."""

    status = 409
    slug = "conflict"
    title = "The model's state does not allow it"


class PreconditionFailed(MlapiError):
    """The model has changed since the client read the ETag that If-Match names."""

    status = 412
    slug = "precondition-failed"
    title = "The model has changed"
