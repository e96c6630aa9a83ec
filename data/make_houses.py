"""Make houses.csv: 506 houses of no real town, whose prices follow a formula with noise.

    python data/make_houses.py

With x drawn from the seed 0, in the order of COLUMNS,

    price = 22 + 6 (rooms - 6) + 8 exp(-distance / 3) - 0.05 age - 4 max(0, noise - 60) / 10
            + 3 [river] + rooms x quiet interplay: 2 (rooms - 6) exp(-distance / 3) + N(0, 1.5²)

in thousands, and no less than 5.
"""

import csv
from pathlib import Path

import numpy as np

COLUMNS = ("rooms", "age", "distance", "noise", "river")
ROWS = 506


def houses() -> list[list[str]]:
    """The rows, as text."""
    random = np.random.default_rng(0)
    rooms = random.normal(6.2, 0.8, ROWS).clip(3, 10)
    age = random.uniform(1, 100, ROWS)
    distance = random.gamma(2.0, 2.0, ROWS)
    noise = random.normal(58, 8, ROWS).clip(35, 85)
    river = (random.random(ROWS) < 0.1).astype(int)
    near = np.exp(-distance / 3)
    price = 22 + 6 * (rooms - 6) + 8 * near - 0.05 * age - 0.4 * (noise - 60).clip(0)
    price += 3 * river + 2 * (rooms - 6) * near + random.normal(0, 1.5, ROWS)
    columns = zip(rooms, age, distance, noise, river, price.clip(5), strict=True)
    return [
        [f"{a:.2f}", f"{b:.1f}", f"{c:.2f}", f"{d:.1f}", str(e), f"{f:.1f}"]
        for a, b, c, d, e, f in columns
    ]


if __name__ == "__main__":
    file = Path(__file__).parent / "houses.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, "price"))
        writer.writerows(houses())
