import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlapi.artifacts.keys import SigningKey, create_key, local_key, parse_public_key, trusted_keys
from mlapi.errors import KeyProblem
from mlapi.registry.opening import make_key, trust_of
from mlapi.settings import Settings


def test_a_key_signs_what_its_public_half_verifies(tmp_path: Path) -> None:
    key = local_key(tmp_path)

    signature = key.sign(b"message")

    assert key.public.signed(b"message", signature)
    assert not key.public.signed(b"massage", signature)
    assert not SigningKey.generate().public.signed(b"message", signature)
    assert not key.public.signed(b"message", b"")


def test_the_local_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert local_key(tmp_path / "state").public == local_key(tmp_path / "state").public

    folder = tmp_path / "state" / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "local.key").stat().st_mode & 0o777 == 0o600


def test_processes_at_once_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: local_key(tmp_path).public, range(8)))

    assert len(set(keys)) == 1


def test_a_public_key_that_was_copied_here_stays_trusted(tmp_path: Path) -> None:
    theirs = local_key(tmp_path / "trainer").public
    (tmp_path / "server" / "keys").mkdir(parents=True)
    shutil.copy(tmp_path / "trainer" / "keys" / "local.pub", tmp_path / "server" / "keys")

    ours = local_key(tmp_path / "server").public

    assert set(trusted_keys(tmp_path / "server", ())) == {ours.id, theirs.id}


def test_keys_replaced_at_once_all_stay_trusted(tmp_path: Path) -> None:
    first = local_key(tmp_path).public

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_key(tmp_path, replace=True).public, range(8)))
        used = list(pool.map(lambda _: local_key(tmp_path).public, range(8)))

    assert len({first, *made}) == 9
    assert set(used) <= set(made)
    assert set(trusted_keys(tmp_path, ())) == {key.id for key in (first, *made)}
    assert (tmp_path / "keys" / "local.pub").read_text() == f"{local_key(tmp_path).public}\n"


def test_a_public_key_is_one_line(tmp_path: Path) -> None:
    key = local_key(tmp_path).public

    assert parse_public_key(f" {key}\n") == key


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "ed25519:*", "AAAA", f"rsa:{'A' * 44}"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a public key"):
        parse_public_key(text)


def test_a_replaced_key_stays_trusted(tmp_path: Path) -> None:
    old = create_key(tmp_path).public
    with pytest.raises(KeyProblem, match="--replace"):
        create_key(tmp_path)

    new = create_key(tmp_path, replace=True).public

    assert local_key(tmp_path).public == new != old
    assert set(trusted_keys(tmp_path, ())) == {old.id, new.id}


def test_keys_of_the_settings_are_trusted_too(tmp_path: Path) -> None:
    theirs = SigningKey.generate().public

    settings = Settings(state_dir=tmp_path, trusted_keys=(str(theirs),))
    assert set(trust_of(settings).keys) == {theirs.id}
    assert list(tmp_path.iterdir()) == [], "to look makes no key"

    make_key(settings)

    assert trust_of(settings).required
    assert set(trust_of(settings).keys) == {theirs.id, local_key(tmp_path).public.id}


def test_a_private_key_that_is_none_stops_signing_and_not_serving(tmp_path: Path) -> None:
    key = local_key(tmp_path).public
    (tmp_path / "keys" / "local.key").write_text("garbage")

    with pytest.raises(KeyProblem, match="is not a private key"):
        local_key(tmp_path)
    make_key(Settings(state_dir=tmp_path))
    assert set(trust_of(Settings(state_dir=tmp_path, trusted_keys=())).keys) == {key.id}


def test_a_public_key_that_is_none_vouches_for_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = local_key(tmp_path).public
    (tmp_path / "keys" / "other.pub").write_text("garbage")

    assert set(trusted_keys(tmp_path, ())) == {key.id}
    assert "key not readable" in caplog.text


def test_a_state_that_cannot_be_written_trusts_what_it_can_read(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    settings = Settings(state_dir=tmp_path / "state", trusted_keys=())

    make_key(settings)

    assert trust_of(settings).keys == {}
