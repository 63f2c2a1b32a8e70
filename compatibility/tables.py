"""Small tables with what people's tables have: numbers, words, flags, days, texts, gaps."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

ROWS = 150

WORDS = np.array(["setosa", "versicolor", "virginica"])


@cache
def flowers() -> pd.DataFrame:
    """Four columns of positive numbers."""
    return load_iris(as_frame=True).data


@cache
def species() -> np.ndarray:
    """(rows,): 0, 1, 2."""
    return load_iris().target


@cache
def size() -> np.ndarray:
    """(rows,): a positive number that follows from the flower's."""
    rows = flowers().to_numpy()
    return rows[:, 0] * 2 + rows[:, 2] * rows[:, 3] + np.random.default_rng(1).normal(0, 0.1, len(rows))


@cache
def people() -> pd.DataFrame:
    """Columns of every kind; `age` and `city` have gaps."""
    random = np.random.default_rng(7)
    nouns, adjectives = ["film", "plot", "day", "song", "meal"], ["good", "bad", "fine", "dull", "great"]
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, ROWS).astype(float),
            "income": random.lognormal(10, 0.5, ROWS).round(2),
            "children": random.integers(0, 4, ROWS),
            "city": random.choice(["Rome", "Oslo", "Lima", "Kyiv"], ROWS).astype(object),
            "plan": random.choice(["basic", "plus", "pro"], ROWS).astype(object),
            "member": random.choice([True, False], ROWS),
            "joined": pd.date_range("2021-01-01", periods=ROWS, freq="5D"),
            "note": [
                f"{random.choice(adjectives)} {random.choice(nouns)} and {random.choice(nouns)}"
                for _ in range(ROWS)
            ],
        }
    )
    frame.loc[::17, "age"] = np.nan
    frame.loc[::23, "city"] = np.nan
    return frame


@cache
def stays() -> np.ndarray:
    """(rows,): "yes" or "no"."""
    frame = people()
    score = (frame["income"] > 22_000).astype(int) + frame["member"] + (frame["plan"] == "pro")
    return np.where(score + np.random.default_rng(3).normal(0, 0.5, ROWS) > 1.2, "yes", "no")


@cache
def spends() -> np.ndarray:
    """(rows,): a positive number."""
    frame = people()
    plan = frame["plan"].map({"basic": 5.0, "plus": 10.0, "pro": 20.0}).to_numpy()
    return plan * (1 + frame["children"].to_numpy()) + frame["income"].to_numpy() / 5_000
