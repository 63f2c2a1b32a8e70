"""What a version says of itself: here, which packages its answers hang on."""

from dataclasses import replace

import pytest

from mlapi.artifacts.manifest import NETWORK, Draft, FileDigest, Manifest, differences, make_manifest
from mlapi.data.signature import Feature, Signature, Target

NUMBER = Feature("x")
IMAGE = Feature("image", "image", minimum=0, maximum=255, width=6, height=6, channels=3)


def trained_elsewhere(feature: Feature, *files: str) -> Manifest:
    """With other versions of what draws pictures and runs networks."""
    draft = Draft(
        name="some",
        algorithm="cnn",
        task="image-classification",
        signature=Signature((feature,), Target("y", "category")),
        parameters={},
        metrics={},
        data={},
    )
    here = make_manifest(draft, 1, {name: FileDigest(1, "0" * 64) for name in files}, 1e-4)
    return replace(here, environment={**here.environment, "pillow": "1.0", "onnxruntime": "1.1"})


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (trained_elsewhere(NUMBER), []),
        (trained_elsewhere(IMAGE), ["pillow"]),
        (trained_elsewhere(NUMBER, NETWORK), ["onnxruntime"]),
        (trained_elsewhere(IMAGE, NETWORK), ["pillow", "onnxruntime"]),
    ],
)
def test_what_reads_pictures_and_runs_networks_counts_where_there_are_such(
    manifest: Manifest, expected: list[str]
) -> None:
    assert [words.split()[0] for words in differences(manifest)] == expected


def test_a_package_that_an_older_manifest_does_not_name_is_not_another() -> None:
    manifest = trained_elsewhere(IMAGE, NETWORK)
    del manifest.environment["pillow"], manifest.environment["onnxruntime"]  # type: ignore[attr-defined]

    assert list(differences(manifest)) == []
