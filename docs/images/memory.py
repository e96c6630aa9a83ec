"""Train rnn, gru and lstm nets of equal size on the bundled novella, and draw their memories.

    python docs/images/memory.py [--runs-dir FOLDER] [--steps N] [--targets N]

It makes the runs memory-rnn, memory-gru and memory-lstm, unless the folder has them already, prints
what they are, and writes the pictures of docs/memory.md beside this file. With the usual number of
steps it takes about ten minutes on two cores.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import charlm
from charlm.config import ModelConfig
from charlm.errors import RunError
from charlm.rnn.weights import model_shapes

HERE = Path(__file__).resolve().parent
CELLS = ("rnn", "gru", "lstm")
# Of the bundled novella in letters, <unk> included.
VOCABULARY_SIZE = 28
GRU = ModelConfig(vocabulary_size=VOCABULARY_SIZE, cell="gru", hidden_size=256, embedding_size=64)
# Torch's own initialization, as in most text books. One seed.
TRAINING = {
    "normalize": "letters",
    "num_layers": GRU.num_layers,
    "embedding_size": GRU.embedding_size,
    "output_dropout": 0.25,
    "batch_size": 32,
    "seq_length": 64,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "weight_decay": 0.01,
    "initialization": "uniform",
    "precision": "fp32",
    "seed": 0,
}


def parameters(config: ModelConfig) -> int:
    """The number of a model's weights."""
    total = 0
    for _, shape in model_shapes(config):
        size = 1
        for each in shape:
            size *= each
        total += size
    return total


def sized_like_the_gru(cell: str) -> ModelConfig:
    """The model with this cell whose number of weights is nearest to the gru's."""
    sizes = (replace(GRU, cell=cell, hidden_size=H) for H in range(1, 4 * GRU.hidden_size))
    return min(sizes, key=lambda each: abs(parameters(each) - parameters(GRU)))


def trained_runs(runs_dir: Path, steps: int) -> Iterator[charlm.Run]:
    """Yield a run for each cell, from the folder or newly trained."""
    for cell in CELLS:
        name, config = f"memory-{cell}", sized_like_the_gru(cell)
        try:
            yield charlm.load(name, runs_dir=runs_dir)
        except RunError:
            yield charlm.train(
                "time-traveller",
                run=name,
                runs_dir=runs_dir,
                cell=cell,
                hidden_size=config.hidden_size,
                max_steps=steps,
                **TRAINING,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    for run in trained_runs(arguments.runs_dir, arguments.steps):
        sys.stdout.write(f"{run.name}: {parameters(run.config):,} parameters, {run.result}\n")


if __name__ == "__main__":
    main()
