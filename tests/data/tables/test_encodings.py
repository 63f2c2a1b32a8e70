"""The encoding of a file whose letters are not ASCII, and what is said where they come out wrong."""

import pytest

from mlapi.data.tables.encodings import encoding_of
from mlapi.errors import DatasetError

WRONG = {
    "gbk": ["面积", "城市", "上海", "北京", "广州"],
    "big5": ["面積", "城市", "臺北", "高雄", "臺中"],
    "euc_kr": ["면적", "도시", "서울", "부산", "대구"],
    "euc_jp": ["面積", "都市", "東京", "カタカナ"],
    "cp1251": ["площадь", "город", "Рига", "Москва", "Казань"],
    "koi8_r": ["площадь", "город", "Рига", "Москва", "Казань"],
    "iso8859_5": ["площадь", "город", "Рига", "Москва", "Казань"],
    "cp1253": ["Αθήνα", "Θεσσαλονίκη", "πόλη", "εμβαδόν"],
    "cp1255": ["ירושלים", "חיפה", "עיר"],
    "cp1256": ["القاهرة", "دبي", "مدينة"],
    "cp1250": ["Łódź", "Gdańsk", "Białystok", "Ścinawa", "kąt"],
    "mac_roman": ["Größe", "Straße", "Zürich", "Köln", "Müller"],
    "cp850": ["año", "niño", "Málaga", "¿qué?"],
}
"""Words in encodings that cp1252 turns into other letters."""

RIGHT = [
    ["Größe", "Straße", "Zürich", "Köln", "MÜLLER & Söhne®"],
    ["ville", "créée", "élève", "à", "l’été", "«œuvre»", "GARÇON"],
    ["Määrä", "työ", "Hyvää", "LÄÄKÄRI"],
    ["Malmö", "Öre", "Åre", "ÅÄÖ"],
    ["São Paulo", "é", "ção", "nº 5", "¿qué?"],
    ["temp °C", "5 µm", "½", "W/m²K", "€ 5", "5 £", "x × y", "Zürich–Genève", "“so” …"],
    ["Þórður", "Ísafjörður", "Ægir"],
]
"""Words that are written in cp1252."""


def table(words: list[str], encoding: str) -> bytes:
    rows = "".join(f"{number},{word},no\n" for number, word in enumerate(words * 3))
    return f"n,{words[0]},sold\n{rows}".encode(encoding)


@pytest.mark.parametrize("encoding", WRONG)
def test_letters_that_no_language_writes_are_a_warning_with_the_likely_encoding(encoding: str) -> None:
    content = table(WRONG[encoding], encoding)

    found = encoding_of("x.csv", lambda: [content])

    (warning,) = found.warnings
    assert found.name == "cp1252"
    assert warning.startswith(
        "it is not UTF-8, so it was read as cp1252 (Windows, Western Europe), but no language"
    )
    assert warning.endswith(f"(--encoding {encoding})")


@pytest.mark.parametrize("words", RIGHT)
def test_letters_of_western_europe_are_no_warning(words: list[str]) -> None:
    content = table(words, "cp1252")

    found = encoding_of("x.csv", lambda: [content])

    assert (found.name, found.warnings) == ("cp1252", ())
    assert found.notes == ("it is not UTF-8, so it was read as cp1252 (Windows, Western Europe)",)


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (["面積", "都市", "東京", "カタカナ"], "shift_jis"),
        (["площадь", "Рига", "Москва"], "cp866"),
        (["Größe", "Zürich", "Köln"], "cp850"),
    ],
)
def test_bytes_that_are_none_of_cp1252_are_refused_with_the_likely_encoding(
    words: list[str], encoding: str
) -> None:
    content = table(words, encoding)

    with pytest.raises(DatasetError, match=rf"neither UTF-8 nor cp1252.*\(--encoding {encoding}\)"):
        encoding_of("x.csv", lambda: [content])


@pytest.mark.parametrize(("seen", "meant"), [("Ã¼", "ü"), ("Ã„", "Ä"), ("Â°", "°"), ("Ã©", "é")])
def test_letters_that_were_read_wrongly_before_are_a_warning(seen: str, meant: str) -> None:
    found = encoding_of("x.csv", lambda: [b"plain,", f"x{seen}y\n".encode()])

    assert found.name == "utf-8"
    assert found.warnings[0].startswith(f'it has "{seen}" where "{meant}" was meant')


@pytest.mark.parametrize("word", ["NÃO", "São", "Âme", "€5", "ü", "½"])
def test_letters_in_utf_8_are_what_they_are(word: str) -> None:
    assert encoding_of("x.csv", lambda: [word.encode()]).warnings == ()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_seen_and_said(encoding: str) -> None:
    found = encoding_of("x.csv", lambda: ["city,n\nZürich,1\n".encode(encoding)])

    assert (found.name, found.notes) == (
        encoding,
        (f"it has no byte order mark, and was read as {encoding.upper()}",),
    )


def test_a_damaged_byte_is_told_by_its_line_whatever_the_pieces() -> None:
    content = "é,b\n1,2\n".encode() * 3 + b"\xff,2\n"

    for size in (1, 3, 1000):
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        with pytest.raises(DatasetError, match=r"x.csv is UTF-8 only at first: line 7 is not"):
            encoding_of("x.csv", lambda pieces=pieces: pieces)  # type: ignore[misc]
