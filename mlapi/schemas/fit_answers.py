"""The schemas of answers about fits on request: what can be fitted, and what a fit gave.

The schemas of requests are elsewhere: they are made from the algorithms, which import scikit-learn, and a
worker needs none for these answers.
"""

from marshmallow import Schema, fields


class ParameterEntry(Schema):
    """A parameter of an algorithm, what it takes, and for which tasks."""

    help = fields.String(required=True)
    expected = fields.String(required=True)
    tasks = fields.List(fields.String(), required=True)


class AlgorithmEntry(Schema):
    """An algorithm that is fitted on request."""

    name = fields.String(required=True)
    path = fields.String(required=True)
    tasks = fields.List(fields.String(), required=True)
    parameters = fields.Dict(keys=fields.String(), values=fields.Nested(ParameterEntry), required=True)


class AlgorithmList(Schema):
    """All algorithms that are fitted on request."""

    algorithms = fields.List(fields.Nested(AlgorithmEntry), required=True)


class FitResponse(Schema):
    """What a fit gave: a prediction for each row, and the score on the rows that it was fitted to.

    The answer has the equation (features, coefficients, intercept) where a prediction is a weighted sum, and
    `classes` where a prediction is a class.
    """

    algorithm = fields.String(required=True)
    task = fields.String(required=True)
    prediction = fields.List(fields.Raw(), required=True)
    score = fields.Float(required=True, allow_none=True)
    metric = fields.String(required=True)
    classes = fields.List(fields.Raw())
    features = fields.List(fields.String())
    coefficients = fields.List(fields.Raw())
    intercept = fields.Raw()
    notes = fields.List(fields.String())
