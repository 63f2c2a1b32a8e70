"""`mlapi train --images` as people use it: pictures in, a version with its card out, answers through HTTP."""

import base64
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mlapi.artifacts.folder import read_manifest
from mlapi.artifacts.manifest import Manifest
from mlapi.cli import main
from mlapi.cli.progress import Display
from mlapi.data.images.decoding import read
from mlapi.data.signature import Feature
from mlapi.inference.loading import load_model
from mlapi.server.app import create_app
from mlapi.training import recipes
from mlapi.training.execution.progress import DataDescription
from mlapi.training.images import golden as picture_golden
from mlapi.training.images.card import card_of_published
from mlapi.training.images.dataset import ImageDataset, load
from mlapi.training.images.fitting import prepare
from tests.conftest import Run, assert_no_training, settings_for, trusting
from tests.support.drawn import encoded, shape, write

QUICK = ("train", "--images", "shapes", "--algorithm", "logistic_regression")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pictures lie, and where the command runs."""
    write(tmp_path / "shapes", {"train": 30, "test": 12})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def manifest_of(folder: Path, version: int = 1, name: str = "shapes") -> Manifest:
    return read_manifest(folder / "models" / name / str(version), trusting())


def card_of(folder: Path, version: int = 1) -> str:
    return (folder / "models" / "shapes" / str(version) / "report.html").read_text()


def test_pictures_are_trained_with_an_account_of_them(run: Run, folder: Path) -> None:
    told = run(*QUICK).stdout

    for words in (
        "shapes: 126 pictures of 3 classes, 16 × 16, in color.",
        "90 to learn from, 36 to judge by.",
        "95 % interval",
        "guessing",
        "shapes version 1: logistic_regression, learnt from 90 pictures and judged by 36",
        "models/shapes/1/report.html shows it all.",
    ):
        assert words in told
    tables = [line for line in told.splitlines() if not line.endswith(".")]
    assert max(map(len, tables)) <= 80


def test_a_manifest_says_what_was_learnt_from(run: Run, folder: Path) -> None:
    run(*QUICK)

    manifest = manifest_of(folder)
    image = manifest.signature.image
    assert image is not None
    assert (image.width, image.height, image.channels, image.minimum, image.maximum) == (16, 16, 3, 0, 255)
    assert manifest.signature.target.classes == ("box", "disc", "stripes")
    assert set(manifest.metrics) == {
        *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")
    }
    assert manifest.metrics["accuracy"]["value"] > 0.6
    assert {"value", "interval", "baseline"} <= manifest.metrics["accuracy"].keys()
    data = manifest.data
    assert (data["source"], data["rows"], data["training_rows"], data["test_rows"]) == ("shapes", 126, 90, 36)
    assert data["split"] == "the pictures of the test folder are held out"
    assert " ".join(data) == (
        "source sha256 rows training_rows validation_rows test_rows test_size seed split left_out columns "
        "warnings notes search intervals seconds epochs apart rounding machine promotion"
    )
    assert manifest.recipe == {"images": "shapes", "algorithm": "logistic_regression"}
    reference = json.loads((folder / "models" / "shapes" / "1" / "reference.json").read_bytes())
    X = np.stack([shape(kind, number) for kind in ("box", "disc", "stripes") for number in range(30)])
    for channel, found in enumerate(reference["features"]["image"]["channels"]):
        assert found["mean"] == pytest.approx(X[..., channel].mean())
        assert found["std"] == pytest.approx(X[..., channel].std())
        assert found["quantiles"]["0.5"] == pytest.approx(np.median(X[..., channel]), abs=1)


def test_a_version_answers_pictures_through_http(run: Run, folder: Path) -> None:
    run(*QUICK)
    client = create_app(settings_for(folder / "models")).test_client()
    drawn = [shape(kind, 5000 + number) for kind in ("box", "disc", "stripes") for number in range(8)]
    instances = [{"b64": base64.b64encode(encoded(picture)).decode()} for picture in drawn]

    answer = client.post("/predict/shapes", json={"instances": instances}).get_json()

    truth = [kind for kind in ("box", "disc", "stripes") for _ in range(8)]
    right = sum(said == kind for said, kind in zip(answer["prediction"], truth, strict=True))
    assert right >= 16


def test_golden_pictures_are_drawn_and_photographed_ones_as_a_client_sends_them(
    run: Run, folder: Path
) -> None:
    run(*QUICK)

    golden = json.loads((folder / "models" / "shapes" / "1" / "golden.json").read_bytes())
    assert len(golden["rows"]) == picture_golden.DRAWN + picture_golden.CROPPED >= 32
    assert set(golden["outputs"]) >= {"prediction", "probabilities"}
    image = manifest_of(folder).signature.image
    assert image is not None
    files = [base64.b64decode(row["b64"]) for row in golden["rows"]]
    pixels = [read(file, image) for file in files]
    assert not pixels[0].any()
    assert (pixels[1] == 255).all()
    assert (np.stack(pixels) == picture_golden.golden_images(image, 0)).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_golden_pictures_are_many_different_ones_of_any_size(channels: int) -> None:
    image = Feature("image", "image", width=9, height=13, channels=channels, minimum=0, maximum=255)

    X = picture_golden.golden_images(image, 3)

    assert X.shape == (40, 13, 9, channels)
    assert len({picture.tobytes() for picture in X}) == 40
    assert (picture_golden.golden_images(image, 3) == X).all()


def test_the_card_shows_the_mistakes_and_says_what_the_model_cannot_do(run: Run, folder: Path) -> None:
    run(*QUICK, "--parameter", "C=0.0001")

    card = card_of(folder)
    shown = re.findall(r'<li><img src="data:image/png;base64,([^"]+)"', card)
    wrong = round((1 - manifest_of(folder).metrics["accuracy"]["value"]) * 36)
    assert len(shown) == min(24, wrong) > 0
    test = {picture.tobytes() for picture in load(str(folder / "shapes")).X[:36]}
    image = manifest_of(folder).signature.image
    assert image is not None
    assert all(read(base64.b64decode(uri), image).tobytes() in test for uri in shown)
    for words in (
        "Class by class",
        "Confusion matrix",
        "It knows 3 classes and nothing else: box, disc, stripes.",
        "A picture of none of them is given one of them all the same",
        "It sees 16 × 16 pixels",
        "curl http://127.0.0.1:8000/predict/shapes -F image=@picture.png",
        "on 90 pictures",
    ):
        assert words in card


@pytest.mark.exhaustive
def test_pictures_that_may_not_be_passed_on_stay_out_of_the_version(run: Run, folder: Path) -> None:
    run(*QUICK, "--parameter", "C=0.0001", "--no-pictures-in-card")

    assert "data:image/png" not in card_of(folder)
    assert re.search(r"<small><bdi>test/\w+/\d+\.png</bdi></small>", card_of(folder))
    assert manifest_of(folder).recipe["pictures_in_card"] is False
    own = [path.read_bytes() for path in (folder / "shapes").rglob("*.png")]
    pixels = [load(str(folder / "shapes")).X[row].tobytes() for row in range(126)]
    for file in (folder / "models" / "shapes" / "1").iterdir():
        content = file.read_bytes()
        assert not [picture for picture in (*own, *pixels) if picture in content], file.name


def test_a_card_without_pictures_is_made_anew_with_them_where_they_lie(run: Run, folder: Path) -> None:
    run(*QUICK, "--parameter", "C=0.0001")
    run(*QUICK, "--parameter", "C=0.0001", "--no-pictures-in-card")

    made = CliRunner().invoke(main.main, ["card", "shapes", "--ref", "2", "--images", "shapes"])

    first, second = (manifest_of(folder, version).created_at[:16] for version in (1, 2))
    own = card_of(folder).replace(first.replace("T", " "), second.replace("T", " "))
    assert made.exit_code == 0
    assert "data:image/png" not in card_of(folder, 2)
    assert figures(made.stdout) == figures(own)
    (folder / "shapes" / "train" / "box" / "more.png").write_bytes(encoded(shape("box", 9000)))
    refused = CliRunner().invoke(main.main, ["card", "shapes", "--images", "shapes"])
    assert refused.exit_code == 1
    assert "holds other pictures than shapes did" in refused.stderr


def test_the_card_of_a_published_version_has_its_own_day_and_packages(run: Run, folder: Path) -> None:
    run(*QUICK)
    place = folder / "models" / "shapes" / "1"
    model = load_model(place, read_manifest(place, trusting()), trusting())
    old = replace(model.manifest, created_at="2001-02-03T04:05:06Z", environment={"numpy": "0.0.99"})

    card = card_of_published(replace(model, manifest=old), "shapes").decode()

    assert "2001-02-03 04:05 UTC" in card
    assert "0.0.99" in card
    assert "0.0.99" not in card_of(folder)


def figures(card: str) -> list[str]:
    """The tables' cells, the mistakes, and the plots."""
    return re.findall(r'<td class="figure">[^<]*|<li><img [^>]*>|<img src="data:image/svg[^>]*>', card)


def test_who_publishes_support_vectors_is_told_that_they_are_pictures(run: Run, folder: Path) -> None:
    told = run("train", "--images", "shapes", "--algorithm", "svm", "--no-pictures-in-card").stdout

    warning = "a support vector machine keeps pictures that it learnt from, pixel by pixel"
    assert f"Warning: {warning}" in " ".join(told.split())
    assert warning in manifest_of(folder).data["warnings"][-1]
    assert "upport vector machine keeps pictures" in card_of(folder)


def test_one_level_of_folders_is_split_with_equal_shares(run: Run, folder: Path) -> None:
    write(folder / "flat", {"": 40})

    run(
        "train", "--images", "flat", "--algorithm", "logistic_regression", "--test-size", "0.2", "--seed", "3"
    )

    data = manifest_of(folder, name="flat").data
    assert (data["training_rows"], data["test_rows"], data["seed"]) == (96, 24, 3)
    assert data["split"] == "at random, classes in equal shares"


def test_a_recipe_trains_pictures_and_a_worse_version_is_not_promoted(run: Run, folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "models.toml").write_text(
        '[shapes]\nimages = "shapes"\nalgorithm = "logistic_regression"\nsize = 8\n'
    )

    run("train")
    image = manifest_of(folder).signature.image
    assert image is not None
    assert (image.width, image.height) == (8, 8)

    refused = run("train", "shapes", "--size", "16").stdout
    assert "version 2 is not promoted: it would break callers of version 1" in refused

    told = run("train", "shapes", "--parameter", "C=0.000000001").stdout
    assert "version 3 is not promoted: accuracy 0." in told
    assert "of version 1, on the same held-out rows" in told

    other = run("train", "shapes", "--size", "16", "--breaking").stdout
    assert re.search(r"version 4 is (not )?promoted: accuracy [\d.]+ against [\d.]+ of version 1", other)


def test_pictures_that_are_learnt_from_and_judged_by_are_told(run: Run, folder: Path) -> None:
    for name in ("000", "001"):
        content = (folder / "shapes" / "train" / "box" / f"{name}.png").read_bytes()
        (folder / "shapes" / "test" / "box" / f"{name}.png").write_bytes(content)

    told = run(*QUICK).stdout

    assert "Warning: 2 of 36 held-out pictures are also learnt from" in told
    assert "2 of 36 held-out pictures are also learnt from" in card_of(folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "nowhere", "--algorithm", "svm"], "there is no nowhere: expected a folder"),
        (["--images", "shapes", "--target", "y"], "target: is for tables, and `images` is none"),
        (["--images", "shapes", "--size", "2"], "size: expected a side from 4 to 256 pixels, got 2"),
        (
            ["--images", "shapes", "--algorithm", "linear_regression"],
            "linear_regression tells no classes",
        ),
        (["--data", "a.csv", "--images", "shapes", "--target", "y"], "data: is for tables"),
        (["--data", "a.csv", "--target", "y", "--size", "8"], "size: goes with `images`"),
        (["shapes", "--images", "shapes"], "--images is data of your own: leave the recipes' names out"),
        (["--images", "shapes", "--algorithm", "svm", "--metric", "r2"], "metric: there is no r2"),
        (["--size", "16"], "Expected --data and --target, or --images, or the names of recipes."),
    ],
)
def test_mistakes_are_one_line_and_publish_nothing(folder: Path, words: list[str], message: str) -> None:
    assert_no_training(folder, words, message)


def test_a_version_of_pictures_is_not_trained_again_to_compare(run: Run, folder: Path) -> None:
    run(*QUICK)

    done = CliRunner().invoke(main.main, ["train", "--again", "shapes@1"])

    assert done.exit_code == 1
    assert "version 1 learnt from pictures, and only what learnt from a table is trained again" in done.stderr


@pytest.mark.parametrize(("each", "expected"), [(15, 0), (60, 12), (400, 80), (1200, 200)])
def test_a_few_training_pictures_choose_the_epoch_and_no_test_picture(each: int, expected: int) -> None:
    found = load_drawn(each)

    prepared = prepare(recipes.Recipe("shapes", images="shapes"), found, "image-classification")

    chosen = 0 if prepared.validation is None else len(prepared.validation.y)
    assert chosen == pytest.approx(expected, abs=1)
    assert len(prepared.train.y) + chosen == 2 * each
    assert set(prepared.test.names) == {name for name in found.names if name.startswith("test")}
    if prepared.validation:
        assert not set(prepared.validation.names) & set(prepared.train.names)
        assert len(set(prepared.validation.y)) == 2


def load_drawn(each: int) -> ImageDataset:
    parts = np.array((["train"] * each + ["test"] * 20) * 2)
    y = np.array(["box"] * (each + 20) + ["disc"] * (each + 20))
    names = tuple(f"{part}/{number}" for number, part in enumerate(parts))
    X = np.random.default_rng(0).integers(0, 256, (len(y), 4, 4, 1), np.uint8)
    return ImageDataset("drawn", X, y, names, parts, ("box", "disc"), "0" * 64)


@dataclass
class State:
    """What a network tells of itself."""

    epoch: int
    share: float
    loss: float = 1.25
    accuracy: float = 0.5
    pictures_per_second: float = 1234.5
    seconds_left: float = 75.0
    validation_accuracy: float | None = None


def test_off_a_terminal_each_epoch_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    display.data_described("shapes", DataDescription(("shapes: 9 pictures.",)))
    for epoch, share in ((1, 0.2), (1, 0.5), (2, 0.6), (2, 1.0)):
        display.network_advanced(State(epoch, share, validation_accuracy=0.75 if epoch > 1 else None))

    assert capsys.readouterr().err.splitlines() == [
        "shapes: epoch 1: loss 1.250, 50.0% right, 1,234 pictures/s, 50% done",
        "shapes: epoch 2: loss 1.250, 50.0% right, 75.0% of others, 1,234 pictures/s, 100% done",
    ]
