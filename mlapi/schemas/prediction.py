"""The schemas of predictions: of requests, made for a model's signature, and of answers.

One schema reads the four forms of a body. Its fields hand the rows whole to `mlapi.data.rows.reader`: a
field for each cell would take a hundred times as long. A schema is made once for each signature.

Each resource for an algorithm has a request schema of its own, as it has a response schema. These five do not
differ so far; what one algorithm takes in addition goes into its class.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from marshmallow import (
    EXCLUDE,
    Schema,
    ValidationError,
    fields,
    post_load,
    validates_schema,
)

from mlapi.data.images.reader import ImageReader, reader_of
from mlapi.data.limits import ImageLimits
from mlapi.data.rows.reader import Instances
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Signature
from mlapi.errors import InvalidInput, TooLarge, Unanswerable, UnsupportedFormat
from mlapi.formats.decoded import Decoded, NumberTable
from mlapi.formats.images import Uploads
from mlapi.formats.strict_json import JSON
from mlapi.schemas.errors import FindingEntry, findings_of, invalid
from mlapi.schemas.forms import FORMS, ONE_ROW, no_object, no_rows, other_form
from mlapi.wording import Finding, bounded


class RowsField(fields.Field[Instances]):
    """Many rows -> `Instances`, by the reader of the schema that the field is in."""

    default_error_messages = {"null": "expected a list of rows, got null"}

    def _deserialize(self, value: Any, attr: str | None, *_: Any, **__: Any) -> Instances:
        schema = _predict_request(self)
        if not isinstance(value, list):
            raise ValidationError(no_rows(value))
        if schema.takes_cells and value and not any(isinstance(row, list | dict | None) for row in value):
            raise ValidationError(no_rows(value))
        if len(value) > schema.max_rows:
            raise TooLarge(f"{len(value):,} rows; at most {schema.max_rows:,} in one request")
        try:
            return _with_places_below(attr, schema.reader.read_rows(value))
        except InvalidRows as error:
            raise ValidationError([error]) from error


class OneRowField(fields.Field[Instances]):
    """One row -> `Instances` of one, by the reader of the schema that the field is in."""

    default_error_messages = {"null": "expected a row, a list or an object, got null"}

    def _deserialize(self, value: Any, attr: str | None, *_: Any, **__: Any) -> Instances:
        if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
            raise ValidationError("expected one row, got a list of rows; for many use `instances`")
        try:
            return _with_places_below(attr, _predict_request(self).reader.read_row(value))
        except InvalidRows as error:
            raise ValidationError([error]) from error


class PredictRequest(Schema):
    """`{"instances": [row, …]}`, `{"X": [row, …]}`, `{"features": row}`, or a row as a bare record."""

    class Meta:
        unknown = EXCLUDE  # `read` refuses unknown keys, and keeps no more of them than are shown

    instances = RowsField()
    X = RowsField()
    features = OneRowField()

    def __init__(self, signature: Signature, max_rows: int, limits: ImageLimits) -> None:
        super().__init__()
        self.reader = reader_of(signature, limits)
        self.max_rows = max_rows
        self.takes_cells = signature.image is None
        self._signature = signature
        # no cell of a table is a list: under the name of a form it holds rows, even if a column is called so
        self._forms = frozenset(FORMS) - (signature.known_columns if signature.image else frozenset())

    def read(self, body: Decoded) -> Instances:
        """Check the rows of a request body, and make a batch of the rows.

        The places of warnings and errors start at the body.

        Raises:
            InvalidInput: The body has none of the four forms, or a cell does not fit the signature.
            TooLarge: It has more rows, or more or larger images, than the settings allow.
        """
        if type(body) is NumberTable:
            accepted = self._try_quickly(body.form, body.rows)
            if accepted is not None:
                return accepted
            body = body.plain()
        if not isinstance(body, dict):
            raise InvalidInput([no_object(body, self._signature)], 1)
        if len(body) == 1:
            accepted = self._try_quickly(*next(iter(body.items())))
            if accepted is not None:
                return accepted
        if self._is_record(body):
            return self._read_record(body)
        first_unknown, unknown_count = bounded(key for key in body if key not in FORMS)
        unknown = [Finding((key,), "unknown key") for key in first_unknown]
        findings: list[Finding] = []
        hidden = 0
        try:
            instances: Instances = self.load(body)
        except ValidationError as error:
            findings, hidden = findings_of(error)
        if findings or unknown:
            raise invalid([*findings, *unknown], hidden + unknown_count - len(unknown))
        return instances

    def read_files(self, files: Uploads) -> Instances:
        """Read the image files of a body that has nothing else; places in errors are below the form's field.

        Raises:
            InvalidInput: There are several, and some cannot be read.
            TooLarge: There are more or larger ones than the settings allow.
            MalformedBody, UnsupportedFormat: There is one, which cannot be read; or the model takes none.
        """
        if not isinstance(self.reader, ImageReader):
            raise UnsupportedFormat("this model takes rows, and no pictures", headers={"Accept": JSON})
        try:
            return self.reader.read_files(files.contents)._replace(form=files.field)
        except InvalidRows as error:
            findings = [finding.below(files.field or "") for finding in error.findings]
            raise invalid(findings, error.count - len(findings)) from error

    def _try_quickly(self, form: str, rows: Any) -> Instances | None:
        """The rows as a batch, without marshmallow; None if anything is wrong with them or their number.

        This is the fast path. After a None the fields above read the rows again, and explain what is wrong.
        """
        if form not in self._forms:
            return None
        if form == ONE_ROW:
            row = self.reader.try_without_arrays(rows)
            if row is not None:
                return Instances(row, form=form)
            instances = self.reader.try_row(rows)
        elif type(rows) is list and len(rows) == 1:
            row = self.reader.try_without_arrays(rows[0])
            if row is not None:
                return Instances(row, form=form)
            instances = self.reader.try_rows(rows)
        elif type(rows) in (list, np.ndarray) and 0 < len(rows) <= self.max_rows:
            instances = self.reader.try_rows(rows) if type(rows) is list else self.reader.try_matrix(rows)
        else:
            return None
        return None if instances is None else _with_places_below(form, instances)

    def _read_record(self, body: Mapping[str, Any]) -> Instances:
        row = self.reader.try_without_arrays(body)
        if row is not None:
            return Instances(row)
        try:
            return self.reader.read_row(body)
        except InvalidRows as error:
            form = other_form(body, self._signature)
            if form is not None:
                raise InvalidInput([form], 1) from error
            raise invalid(error.findings, error.count - len(error.findings)) from error

    def _is_record(self, body: Mapping[str, Any]) -> bool:
        """Whether the body is a row itself: all its keys are columns and it holds no rows, or none is a form.

        In the second case unknown keys are refused as unknown features.
        """
        holds_rows = len(body) == 1 and isinstance(next(iter(body.values())), list | dict)
        if holds_rows and self._forms.intersection(body):
            return False
        return self.reader.knows(body) or not any(form in body for form in FORMS)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _has_one_form(self, _: Any, body: Mapping[str, Any], **__: Any) -> None:
        forms = [form for form in FORMS if form in body]
        if len(forms) > 1:
            raise ValidationError(f"expected one of {', '.join(FORMS)}, got {', '.join(forms)}")

    @post_load
    def _only(self, loaded: Mapping[str, Instances], **_: Any) -> Instances:
        return next(iter(loaded.values()))


class LinearRegressionRequest(PredictRequest):
    """Rows for a linear regression."""


class LogisticRegressionRequest(PredictRequest):
    """Rows for a logistic regression."""


class SVMRequest(PredictRequest):
    """Rows for a support vector machine."""


class ImageClassifierRequest(PredictRequest):
    """Images for a network."""


class EstimatorRequest(PredictRequest):
    """Rows for any other estimator."""


class PredictResponse(Schema):
    """What every answer to rows has: one entry of `prediction` for each row, in the order of the rows.

    Warnings name values that training did not see; `warning_count` also counts the warnings that are not
    listed.

    Where asked for, and where the model has them: `std` is the standard deviation of each prediction,
    `scores` says how usual each row is, `distances` how far from each cluster, and `embedding` what the
    final estimator makes of it. `interval` has the bounds between which the true value lies for the share of
    rows that `coverage` says.

    Answers are not dumped by their schema, which would look at every number; tests load them with it.
    """

    model = fields.String(required=True)
    version = fields.Integer(required=True, strict=True)
    prediction = fields.List(fields.Raw(), required=True)
    std = fields.List(fields.Raw())
    scores = fields.List(fields.Float())
    distances = fields.List(fields.List(fields.Float()))
    embedding = fields.List(fields.Raw())
    coverage = fields.Float()
    interval = fields.List(fields.List(fields.Float()))
    warnings = fields.List(fields.Nested(FindingEntry))
    warning_count = fields.Integer(strict=True)


class ClassChance(Schema):
    """A class, and how likely it is."""

    class_ = fields.Raw(data_key="class", required=True)
    probability = fields.Float(required=True)


class LinearRegressionResponse(PredictResponse):
    """A number a row."""


class ClassifierResponse(PredictResponse):
    """A label a row, and, where asked for, how sure the model is.

    `names` has the name of each label, where training had names for classes that are numbers; `probabilities`
    a list for each row, in the order of `classes` and `class_names`; `decision` a number for each row, or a
    list where there are more than two classes; `top` the likeliest classes of each row.
    """

    names = fields.List(fields.String())
    classes = fields.List(fields.Raw())
    class_names = fields.List(fields.String())
    probabilities = fields.List(fields.List(fields.Float()))
    top = fields.List(fields.List(fields.Nested(ClassChance)))
    decision = fields.List(fields.Raw())


class LogisticRegressionResponse(ClassifierResponse):
    """Probabilities are the model's own."""


class SVMResponse(ClassifierResponse):
    """Probabilities are calibrated apart from the decision, so that the likeliest class is not always the
    label."""


class ImageClassifierResponse(ClassifierResponse):
    """Probabilities are the network's own; the label is the class with the highest."""


class EstimatorResponse(ClassifierResponse):
    """Whatever the estimator can give; `probabilities` of several targets have a list for each target."""

    probabilities = fields.List(fields.List(fields.Raw()))


class ClassifyResponse(Schema):
    """The class of one image: its position among the classes, its name, and how likely it is if known."""

    model = fields.String(required=True)
    version = fields.Integer(required=True, strict=True)
    class_ = fields.Integer(data_key="class", required=True, strict=True)
    class_name = fields.String(required=True)
    probability = fields.Float(required=True, allow_none=True)


Request = TypeVar("Request", bound=PredictRequest)


@lru_cache(maxsize=1024)
def request_schema(kind: type[Request], signature: Signature, max_rows: int, limits: ImageLimits) -> Request:
    """Return the schema for the requests of models with this signature, made once and shared by threads."""
    return kind(signature, max_rows, limits)


def warnings_json(warnings: tuple[Finding, ...]) -> list[dict[str, str]]:
    """Return the warnings as an answer has them."""
    return [warning.to_json() for warning in warnings]


def located(error: Unanswerable, instances: Instances) -> Unanswerable:
    """Return the same error with all that is known of the request: where in the body the rows stand that have
    no answer, and the warnings that an answer would have had."""
    findings = [_below_rows(finding, instances.form) for finding in error.findings]
    detail = str(error)
    if findings and findings[0].pointer:
        detail += f", {'the first ' * (error.count > 1)}at {findings[0].pointer}"
    if (likely := _likely_reason(findings, instances.warnings)) is not None:
        detail += f"; at {likely.pointer}: {likely.detail}"
    return Unanswerable(
        detail,
        findings,
        error.count,
        warnings=instances.warnings,
        warning_count=instances.warning_count,
    )


def _likely_reason(findings: Sequence[Finding], warnings: Sequence[Finding]) -> Finding | None:
    """The first warning about a row that has no answer; else the first warning; None where there is none."""
    for finding in findings:
        for warning in warnings:
            if warning.place[: len(finding.place)] == finding.place:
                return warning
    return next(iter(warnings), None)


def _predict_request(field: fields.Field[Any]) -> PredictRequest:
    return cast(PredictRequest, field.parent)


def _with_places_below(key: str | None, instances: Instances) -> Instances:
    """The same rows; the place of each warning begins with `key`, the body's member that held the rows."""
    batch, warnings, count, _ = instances
    if key is not None and warnings:
        warnings = tuple(warning.below(key) for warning in warnings)
    return Instances(batch, warnings, count, key)


def _below_rows(finding: Finding, form: str | None) -> Finding:
    """The finding about a row, its place seen from the body: for one row its number falls away."""
    if form is None or form == ONE_ROW:
        finding = Finding(finding.place[1:], finding.detail)
    return finding if form is None else finding.below(form)
