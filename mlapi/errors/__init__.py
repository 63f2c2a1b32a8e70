"""Every error that a client of the server or a user of the command can get.

    MlapiError
     +- MalformedBody, UnsupportedFormat, NotAcceptable, TooLarge
     +- InvalidInput, UnknownOutput, Unanswerable, Unfittable
     +- UnknownVersion, InvalidAlias, WritesNotAllowed, NotOffered, Conflict, PreconditionFailed
     +- ModelNotFound, VersionNotFound, ReportNotFound, AlgorithmNotFound, JobNotFound
     +- ModelUnavailable
     |   +- NotReady, NotWritable, FitsBusy, Overloaded, NoPool
     +- TooManyJobs
     |   +- TooManyStreams
     +- BrokenArtifact
     +- SettingsError, KeyProblem, RecipeError, DatasetError, RegistrationError
     |   +- ClassesNotAllowed

Rooms have further errors of their own, which they catch themselves: `mlapi.jobs.pool.errors.PoolError` and
`mlapi.data.rows.violations.InvalidRows`, for example.

An error knows its HTTP status and the slug that documents it (docs/errors.md). `mlapi.http.problems` writes
it to a client, `mlapi.cli.main` to a terminal. Errors without a status of their own concern the operator, and
reach a client only as "500".
"""

from mlapi.errors.availability import (
    FitsBusy,
    ModelUnavailable,
    NoPool,
    NotReady,
    NotWritable,
    Overloaded,
    TooManyJobs,
    TooManyStreams,
)
from mlapi.errors.error import MlapiError, is_temporary
from mlapi.errors.operation import (
    BrokenArtifact,
    ClassesNotAllowed,
    DatasetError,
    KeyProblem,
    RecipeError,
    RegistrationError,
    SettingsError,
)
from mlapi.errors.references import (
    AlgorithmNotFound,
    Conflict,
    InvalidAlias,
    JobNotFound,
    ModelNotFound,
    NotOffered,
    PreconditionFailed,
    ReportNotFound,
    UnknownVersion,
    VersionNotFound,
    WritesNotAllowed,
)
from mlapi.errors.requests import (
    InvalidInput,
    MalformedBody,
    NotAcceptable,
    TooLarge,
    Unanswerable,
    Unfittable,
    UnknownOutput,
    UnsupportedFormat,
)

__all__ = [
    "AlgorithmNotFound",
    "BrokenArtifact",
    "ClassesNotAllowed",
    "Conflict",
    "DatasetError",
    "FitsBusy",
    "InvalidAlias",
    "InvalidInput",
    "JobNotFound",
    "KeyProblem",
    "MalformedBody",
    "MlapiError",
    "ModelNotFound",
    "ModelUnavailable",
    "NoPool",
    "NotAcceptable",
    "NotOffered",
    "NotReady",
    "NotWritable",
    "Overloaded",
    "PreconditionFailed",
    "RecipeError",
    "RegistrationError",
    "ReportNotFound",
    "SettingsError",
    "TooLarge",
    "TooManyJobs",
    "TooManyStreams",
    "Unanswerable",
    "Unfittable",
    "UnknownOutput",
    "UnknownVersion",
    "UnsupportedFormat",
    "VersionNotFound",
    "WritesNotAllowed",
    "is_temporary",
]
