"""Pictures of large models -> batches of bounded size; the rest is told by
tests/resources/test_image_requests.py."""

import numpy as np
import pytest
from PIL import Image

from mlapi.data.images.reader import reader_of
from mlapi.data.limits import ImageLimits
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Feature, Signature, Target
from mlapi.errors import TooLarge
from mlapi.wording import Finding
from tests.support.pictures import file_of

LARGE = Signature(
    (Feature("image", "image", minimum=0, maximum=255, width=256, height=256, channels=3),),
    Target("y", "integer", (0, 1)),
)

LIMITS = ImageLimits(images=64)

FILE = file_of(Image.new("L", (8, 8), 77))


def test_what_pictures_become_is_bounded() -> None:
    with pytest.raises(TooLarge, match="43 pictures; this model takes at most 42"):
        reader_of(LARGE, LIMITS).read_files([FILE] * 43)


def test_as_many_as_that_are_read() -> None:
    batch = reader_of(LARGE, LIMITS).read_files([FILE] * 3).batch

    np.testing.assert_array_equal(batch, np.full((3, 256 * 256 * 3), 77.0))


def test_a_large_picture_is_not_sent_as_numbers() -> None:
    reader = reader_of(LARGE, LIMITS)

    with pytest.raises(InvalidRows) as caught:
        reader.read_rows([[0] * LARGE.features[0].size])

    assert caught.value.findings == (Finding((0,), 'expected a picture, {"b64": "…"}, got a list'),)
    assert reader.try_rows([[0]]) is None
    assert reader.try_row([0]) is None
    assert reader.try_without_arrays([0]) is None
    assert reader.try_matrix(np.zeros((1, LARGE.features[0].size))) is None
    with pytest.raises(InvalidRows):
        reader.read_row([0])


def test_a_picture_of_many_columns_may_be_sent_as_numbers() -> None:
    small = Signature(
        (Feature("image", "image", minimum=0, maximum=255, width=128, height=128, channels=4),),
        LARGE.target,
    )

    found = reader_of(small, LIMITS).read_rows([[300] + [7] * 65_535])

    assert found.batch.shape == (1, 65_536)
    assert [warning.place for warning in found.warnings] == [(0, 0)]
