"""Train rnn, gru and lstm nets of equal size on the bundled novella, and make the pages' pictures.

    python docs/images/pictures.py [--runs-dir FOLDER] [--steps N] [--targets N]

It makes the runs memory-rnn, memory-gru and memory-lstm, unless the folder has them already, and
writes the pictures of README.md and docs/memory.md beside this file. Without options it takes
about ten minutes on two cores.
"""

import argparse
import io
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import charlm
from charlm.config import ModelConfig
from charlm.errors import RunError
from charlm.files.whole import write
from charlm.inspection.memory import Memory
from charlm.palettes import SURPRISE
from charlm.plots.coloured_text import draw_coloured_text
from charlm.plots.curves import draw_training, inches_for
from charlm.plots.memory import (
    CONTEXT_INCHES,
    SENSITIVITY_INCHES,
    draw_context_losses,
    draw_sensitivities,
)
from charlm.plots.style import Draw, render
from charlm.rnn.weights import model_shapes
from charlm.tasks.curves import training_curves

HERE = Path(__file__).resolve().parent
CELLS = ("rnn", "gru", "lstm")
# Of the text that shows surprise.
LINES, COLUMNS = 5, 72
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
    return sum(math.prod(shape) for _, shape in model_shapes(config))


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


def with_fewer_colours(picture: bytes) -> bytes:
    """A PNG with a palette of 64 colours, a third as large; Pillow comes with matplotlib."""
    file = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(64, dither=0).save(
        file, "png", optimize=True
    )
    return file.getvalue()


def tell(run: charlm.Run, found: Memory) -> None:
    """Print the figures that docs/memory.md gives in words."""
    cell, score = run.config.cell, run.result["score"]["bits_per_character"]
    lines = [
        f"{cell}: {run.config.hidden_size} units, {parameters(run.config):,} parameters, "
        f"{score:.3f} bits per character held out; effective context {found.context.effective}"
    ]
    lines += [
        f"  context {n:5,}: {bits:.4f} bits, increase {more:.4f} ({low:.4f} to {high:.4f})"
        for n, bits, more, low, high in zip(
            found.context.lengths,
            found.context.bits,
            found.context.increase,
            *found.context.band,
            strict=True,
        )
    ]
    for state in ("initialized", "trained"):
        median = getattr(found, state).quartiles[1]
        at = ", ".join(f"{lag}: {median[lag]:.1e}" for lag in (1, 5, 10, 20, 50, 100))
        rates = [(median[stop] / median[stop - 20]) ** (1 / 20) for stop in (20, 60)]
        per_step = f"x {rates[0]:.2f} a step up to lag 20, x {rates[1]:.2f} from 40 to 60"
        lines.append(f"  {state} at lag {at}; {per_step}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def save(name: str, draw: Draw, inches: tuple[float, float]) -> None:
    """Write a picture beside this file."""
    write(HERE / f"{name}.png", with_fewer_colours(render(draw, "png", "light", inches)))


def draw_surprise(run: charlm.Run, figure: Figure) -> None:
    """The beginning of what a run held out, coloured by surprise."""
    found = run.inspect.surprise()
    shown = slice(0, LINES * COLUMNS)
    bits = [None, *found.bits.tolist()]
    draw_coloured_text(figure.subplots(), found.text[shown], bits[shown], SURPRISE, COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--targets", type=int, default=1000)
    arguments = parser.parse_args()
    runs = {run.config.cell: run for run in trained_runs(arguments.runs_dir, arguments.steps)}
    curves = training_curves([run.directory for run in runs.values()], y="bits")
    save("curves", partial(draw_training, curves=curves), inches_for(curves))
    save("surprise", partial(draw_surprise, runs["gru"]), (7.6, 0.4 + 0.28 * LINES))
    memories = {}
    for cell, run in runs.items():
        memories[cell] = run.inspect.memory(targets=arguments.targets)
        tell(run, memories[cell])
    save("memory-context", partial(draw_context_losses, memories=memories), CONTEXT_INCHES)
    save("memory-sensitivity", partial(draw_sensitivities, memories=memories), SENSITIVITY_INCHES)


if __name__ == "__main__":
    main()
