"""A table as people have them: an identifier, words, dates, numbers, blanks, and a target."""

from pathlib import Path

import numpy as np
import pandas as pd


def customers(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Who calls support often and pays little leaves, with some chance in it."""
    random = np.random.default_rng(seed)
    plan = random.choice(["basic", "plus", "pro"], rows, p=[0.5, 0.3, 0.2])
    calls = random.poisson(2, rows)
    fee = np.round(random.gamma(4, 8, rows), 2)
    days = random.integers(0, 1500, rows)
    leaves = 0.9 * calls - 0.04 * fee + (plan == "basic") - 0.0005 * days + random.normal(0, 0.6, rows) > 1.2
    fee[random.random(rows) < 0.1] = np.nan
    signed_up = np.datetime64("2026-01-31") - days.astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "customer_id": [f"C-{number:06d}" for number in random.permutation(rows)],
            "plan": plan,
            "signed_up": signed_up.astype(str),
            "monthly_fee": fee,
            "support_calls": calls,
            "churn": np.where(leaves, "yes", "no"),
        }
    )


def write_customers(folder: Path) -> Path:
    file = folder / "customers.csv"
    customers().to_csv(file, index=False)
    return file
