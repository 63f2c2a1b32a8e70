from pathlib import Path

import pytest

from mlapi.errors import SettingsError
from mlapi.settings import Settings, load_settings, settings_rows


def write(folder: Path, text: str) -> Path:
    file = folder / "mlapi.toml"
    file.write_text(text)
    return file


def test_defaults_hold_without_file_and_environment(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.toml", {}) == Settings()


def test_default_limits_are_16_mib_and_100_000_rows() -> None:
    assert (Settings().max_body_bytes, Settings().max_rows) == (16 * 1024 * 1024, 100_000)


def test_environment_wins_over_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'port = 9000\nworkers = 3\nmodels_dir = "elsewhere"')

    settings = load_settings(file, {"MLAPI_PORT": "9001", "PORT": "1"})

    assert (settings.port, settings.workers, settings.models_dir) == (9001, 3, Path("elsewhere"))


def test_every_value_knows_its_source(tmp_path: Path) -> None:
    file = write(tmp_path, "workers = 3")

    sources = {row.name: row.source for row in settings_rows(file, {"MLAPI_PORT": "9001"})}

    assert sources["port"] == "MLAPI_PORT"
    assert sources["workers"] == f"{file}: workers"
    assert sources["host"] == "default"


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, 'prot = 1\nmax_rows = "many"\nworkers = true')

    with pytest.raises(SettingsError) as caught:
        load_settings(file, {"MLAPI_LOG_LEVEL": "loud", "MLAPI_NONSENSE": "1"})

    message = str(caught.value)
    assert 'prot: unknown setting, did you mean "port"?' in message
    for name in ("max_rows", "workers", "MLAPI_LOG_LEVEL", "MLAPI_NONSENSE"):
        assert name in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("MODELS_DIR", ""),
        ("MODELS_DIR", "a\0b"),
        ("MODELS_POLL_S", "nan"),
        ("MODELS_POLL_S", "0"),
        ("MAX_ROWS", "1e3"),
        ("DEFAULT_MODEL", "../x"),
        ("IMAGE_MODEL", ""),
        ("MAX_PICTURES", "0"),
        ("MAX_PIXELS", "178956971"),
    ],
)
def test_bad_values_stop_the_start(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings(tmp_path / "none.toml", {f"MLAPI_{name}": value})


def test_options_win_and_are_checked_like_the_rest(tmp_path: Path) -> None:
    def given(**options: object) -> Settings:
        return load_settings(tmp_path / "none.toml", {"MLAPI_PORT": "9001"}, options)

    assert (given(port=9002).port, given().port) == (9002, 9001)
    assert given(models_dir="s3://bucket/models").models_dir == "s3://bucket/models"
    with pytest.raises(SettingsError, match="--models-dir: expected a path"):
        given(models_dir="")
    with pytest.raises(SettingsError, match="state_dir lies in models_dir"):
        given(models_dir=".")


@pytest.mark.parametrize("text", ["port =", "x = " + "[" * 5000, "port = " + "9" * 5000])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"mlapi\.toml cannot be read"):
        load_settings(write(tmp_path, text), {})


def test_a_place_is_a_folder_or_a_url(tmp_path: Path) -> None:
    def place(text: str) -> Path | str:
        return load_settings(tmp_path / "none.toml", {"MLAPI_MODELS_DIR": text}).models_dir

    assert place("a/b") == Path("a/b")
    assert place("file:///a/b") == Path("/a/b")
    assert place("s3://bucket/models/") == "s3://bucket/models"


def test_lists_come_from_toml_and_with_commas(tmp_path: Path) -> None:
    file = write(tmp_path, 'allowed_classes = ["a.B", "c.D"]')

    assert load_settings(file, {}).allowed_classes == ("a.B", "c.D")
    assert load_settings(file, {"MLAPI_ALLOWED_CLASSES": "e.F, g.H,"}).allowed_classes == ("e.F", "g.H")
    assert load_settings(file, {"MLAPI_ALLOWED_CLASSES": ""}).allowed_classes == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUIRE_SIGNATURE", "maybe"),
        ("ALLOW_WRITES", "yes please"),
        ("TRUSTED_KEYS", "ed25519:AAAA"),
        ("ALLOWED_CLASSES", "Ridge"),
        ("ALLOWED_CLASSES", "os.system; x"),
        ("STATE_DIR", "models/state"),
        ("STATE_DIR", "models"),
        ("STATE_DIR", "state/../models/x"),
    ],
)
def test_what_decides_about_trust_is_checked(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}|state_dir lies in models_dir"):
        load_settings(tmp_path / "none.toml", {f"MLAPI_{name}": value})


def test_the_url_of_a_local_folder_is_that_folder(tmp_path: Path) -> None:
    def load(url: str) -> Path | str:
        return load_settings(tmp_path / "none.toml", {"MLAPI_MODELS_DIR": url}).models_dir

    assert load("file:///srv/models") == load("local:///srv/models") == Path("/srv/models")
    for url in ("s3://", "://x", "memory://", "file://", "file://srv/models", "local://srv"):
        with pytest.raises(SettingsError, match="MLAPI_MODELS_DIR: expected"):
            load(url)
