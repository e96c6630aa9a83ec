"""charlm bench"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.options import Device, Json, Threads

if TYPE_CHECKING:
    from charlm.bench.generation import GenerationRow
    from charlm.bench.training import TrainingRow


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes and rounds.")] = False,
    neighbour: Annotated[
        bool,
        typer.Option("--neighbour", help="Measure the speed beside other work, and only that."),
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Measure training and generation on this machine, beside what tutorials do.

    Everything runs in turns in this process; figures are medians. `textbook` is the loop of the
    tutorials, `torch` the same around torch.nn's layer, `limit` the processor's peak.
    """
    if neighbour:
        measure_neighbour(2.0 if quick else 8.0, json)
        return
    from charlm.bench.generation import measure_generation
    from charlm.bench.training import measure_training, training_plan
    from charlm.machine.device import choose_device
    from charlm.rnn.backends.choice import BACKENDS

    where = choose_device(device)
    rounds = 5 if quick else 15
    training, generation = [], []
    for cell, shape in training_plan(quick, where):
        console.say(
            f"Training {cell}, batch {shape.batch_size}, {shape.seq_length} steps, "
            f"{shape.hidden_size} units ..."
        )
        training += measure_training(cell, shape, rounds, where)
    for cell in ("gru",) if quick else ("gru", "lstm", "rnn"):
        console.say(f"Generating with {cell}, 256 units ...")
        generation += measure_generation(cell, 256, rounds, where)
    best = max(
        (row for row in training if row.backend in BACKENDS),
        key=lambda row: (row.cell == "gru", row.hidden_size >= 384, row.characters_per_second),
    )
    advice = f"--backend {best.backend} --precision {best.precision} --batch-size {best.batch_size}"
    if json:
        console.write_json(
            {
                "training": [asdict(row) for row in training],
                "generation": [asdict(row) for row in generation],
                "advice": advice,
            }
        )
        return
    show_training(training)
    console.gap()
    show_generation(generation)
    console.gap()
    console.write(f"Fastest here: {advice}\n")


def show_training(rows: list["TrainingRow"]) -> None:
    """Print the table of training speeds."""
    console.table(
        ("training", "B", "T", "H", "chars/s", "× textbook", "× torch", "of limit"),
        (
            (
                f"{row.cell} {row.backend} {row.precision}",
                row.batch_size,
                row.seq_length,
                row.hidden_size,
                console.count(round(row.characters_per_second)),
                f"{row.ratio_to_textbook:.2f}",
                f"{row.ratio_to_torch:.2f}",
                f"{row.share_of_limit:.0%}",
            )
            for row in rows
        ),
        left=("training",),
    )


def show_generation(rows: list["GenerationRow"]) -> None:
    """Print the table of generation speeds."""
    console.table(
        ("generation", "texts", "H", "chars/s", "× textbook", "× torch", "of limit"),
        (
            (
                f"{row.cell} {row.engine}",
                row.batch_size,
                row.hidden_size,
                console.count(round(row.characters_per_second)),
                f"{row.ratio_to_textbook:.1f}",
                f"{row.ratio_to_torch:.1f}",
                f"{row.share_of_limit:.0%}",
            )
            for row in rows
        ),
        left=("generation",),
    )


def measure_neighbour(seconds: float, json: bool) -> None:
    """Print the speed of charlm's work beside other programs, with threads as chosen and with one.

    Args:
        seconds: measured for each figure.
    """
    from charlm.bench.neighbour import NEIGHBOURS, SHAPE, measure_beside_neighbours

    console.say(
        f"Each figure takes {1.5 * seconds:g} seconds; gru, batch {SHAPE.batch_size}, "
        f"{SHAPE.seq_length} steps, {SHAPE.hidden_size} units ..."
    )
    rows = []
    for row in measure_beside_neighbours(seconds):
        rows.append(row)
        figures = (f"{rate:,.0f} {name}" for name, rate in row.rates.items())
        console.say(f"{row.work}, threads {row.threads}: {', '.join(figures)}")
    if json:
        console.write_json([asdict(row) for row in rows])
        return
    console.table(
        ("chars/s", "threads", *NEIGHBOURS),
        ((row.work, row.threads, *(f"{rate:,.0f}" for rate in row.rates.values())) for row in rows),
        left=("chars/s", "threads"),
    )
