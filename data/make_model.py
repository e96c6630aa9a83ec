"""Make the model that comes with charlm, data/novella-gru, from the bundled novella.

    python data/make_model.py

It takes some minutes on two cores. On another processor the weights differ in their last digits.
"""

import shutil
import tempfile
from pathlib import Path

import charlm

KEPT = ("run.json", "vocabulary.json", "metrics.jsonl", "best/model.safetensors")
NAME = "novella-gru"


def main() -> None:
    """Train it in a folder of its own and keep what generating and scoring need."""
    with tempfile.TemporaryDirectory() as folder:
        run = charlm.train(
            normalize="none",
            run=NAME,
            runs_dir=folder,
            max_steps=6_000,
            precision="fp32",
        )
        target = Path(__file__).parent / NAME
        for name in KEPT:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.path / name, target / name)
        print(run.evaluate().score)
        print(run.generate("time traveller", seed=0, temperature=0.7))


if __name__ == "__main__":
    main()
