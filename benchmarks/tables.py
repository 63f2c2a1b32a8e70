"""The table of words, numbers and blanks: the penguins' own file, or one that is drawn like it."""

from pathlib import Path

import numpy as np
import pandas as pd

SHARED = Path(__file__).parents[2] / "shared" / "data" / "penguins.csv"

TARGET = "species"

SPECIES = {  # islands; then the means of bill length, bill depth, flipper length and body mass
    "Adelie": (("Biscoe", "Dream", "Torgersen"), (38.8, 18.3, 190, 3700)),
    "Chinstrap": (("Dream",), (48.8, 18.4, 196, 3730)),
    "Gentoo": (("Biscoe",), (47.5, 15.0, 217, 5080)),
}
COUNTS = (152, 68, 124)
SPREADS = (2.9, 1.0, 6.6, 460)
DECIMALS = {"bill_length_mm": 1, "bill_depth_mm": 1, "flipper_length_mm": 0, "body_mass_g": 0}


def penguins(file: Path | None) -> tuple[pd.DataFrame, str]:
    """The table and where it is from: "penguins.csv", or "drawn" where that file is not there."""
    found = file or SHARED
    if file is None and not found.is_file():
        return drawn(np.random.default_rng(0)), "drawn"
    return pd.read_csv(found), "penguins.csv"


def drawn(generator: np.random.Generator) -> pd.DataFrame:
    """344 rows with the columns, words and blanks of the penguins' file."""
    parts = []
    for (species, (islands, means)), count in zip(SPECIES.items(), COUNTS, strict=True):
        numbers = generator.normal(means, SPREADS, (count, len(means)))
        part = pd.DataFrame(numbers, columns=list(DECIMALS)).round(DECIMALS)
        part.insert(0, TARGET, species)
        part.insert(1, "island", generator.choice(islands, count))
        part["sex"] = generator.choice(["FEMALE", "MALE"], count)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table.loc[generator.choice(len(table), 11, replace=False), "sex"] = np.nan
    table.loc[generator.choice(len(table), 2, replace=False), list(DECIMALS)] = np.nan
    return table
