"""Make series.csv: 730 days of a shop of no real town, by a formula with noise.

    python data/make_series.py

With t = 0, 1, … counted in days from 2024-01-01, w the day of the week (0 is Monday), and noise
from the seed 0,

    warmth = 12 + 9 sin(2 π (t - 105) / 365) + r,         r = 0.8 r' + N(0, 1.5²)
    sales  = 180 + 0.08 t + 2 warmth + weekly[w] + 0.6 e' + N(0, 8²)

where r' is r, and e' the noise of sales, of the day before.
"""

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

DAYS = 730
WEEKLY = (-12, -18, -8, 0, 22, 46, -30)


def days() -> list[list[str]]:
    """The rows, as text."""
    random = np.random.default_rng(0)
    rest, error, rows = 0.0, 0.0, []
    for t in range(DAYS):
        day = date(2024, 1, 1) + timedelta(days=t)
        rest = 0.8 * rest + random.normal(0, 1.5)
        warmth = 12 + 9 * np.sin(2 * np.pi * (t - 105) / 365) + rest
        before, error = error, random.normal(0, 8)
        sales = 180 + 0.08 * t + 2 * warmth + WEEKLY[day.weekday()] + 0.6 * before + error
        rows.append([day.isoformat(), f"{warmth:.1f}", f"{sales:.0f}"])
    return rows


if __name__ == "__main__":
    file = Path(__file__).parent / "series.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("day", "warmth", "sales"))
        writer.writerows(days())
