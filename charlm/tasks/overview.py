"""What there is to say of a run at a glance, whatever its task and however far it is."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from charlm.config import Config
from charlm.errors import CharlmError
from charlm.runs.directory import RunDirectory
from charlm.scoring.report import grid_of_scores
from charlm.sections import Facts, Section, Value
from charlm.tasks.comparison import scored
from charlm.tasks.registry import task_of
from charlm.tasks.task import Task
from charlm.text.splits import count

# What comes of reading values that are not there, or are not what they should be.
UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, CharlmError)
# Sizes that follow from the data.
SIZES = ("vocabulary_size", "document_id", "input_size", "output_size")


def overview(run: RunDirectory) -> Iterator[Section]:
    """What a run is, how it came out beside simple models, and its settings.

    Nothing is computed, and nothing is raised: what cannot be read is said in a sentence.
    """
    for name, part in (("record", about), ("result", outcome), ("settings", settings)):
        try:
            yield from part(run)
        except UNREADABLE as error:
            yield f"The {name} of the run '{run.name}' cannot be read ({error})."


def about(run: RunDirectory) -> Iterator[Section]:
    """What the run is: model, data, how far it is."""
    record, result = run.record, run.record.result
    layers, size = record.model["num_layers"], record.model["hidden_size"]
    lengths = (f"{name} {stop - start:,}" for name, (start, stop) in record.splits.items())
    facts: list[tuple[str, Value]] = [
        ("run", run.name),
        ("task", record.task),
        ("model", f"{record.model['cell']} {f'{layers}×' if layers > 1 else ''}{size}"),
        ("parameters", record.parameters),
        ("data", task_of(run).describe_data(run)),
        ("splits", ", ".join(lengths)),
        ("status", run.status),
    ]
    if "steps" in result and "seconds" in result:
        steps, seconds = count(result["steps"], "step"), result["seconds"]
        time = f"{seconds / 60:,.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"
        on = f"{record.device}, {record.backend} backend"
        facts.append(("trained for", f"{steps} in {time} on {on}"))
    yield Facts(facts)


def outcome(run: RunDirectory) -> Iterator[Section]:
    """The held-out score beside the baselines; before the end, the best one so far."""
    task, result = task_of(run), run.record.result
    found = scored(run)
    if found is None:
        yield "Nothing was scored on held-out data yet."
    elif found.final:
        stored = {**result["baselines"], run.name: result["score"]}
        scores = {name: task.score_type.from_json(each) for name, each in stored.items()}
        yield grid_of_scores(scores, what_was_scored(result, task))
        yield from task.remarks(result)
    else:
        yield grid_of_scores({run.name: found.score}, "The best held-out score so far")


def what_was_scored(result: Mapping[str, Any], task: Task) -> str:
    """On what a result's score was measured, such as "Held-out text (val), 1,024 characters"."""
    items = count(result["score"][f"{task.item}s"], task.item)
    chosen = ", on which the best weights were chosen" if result["split"] == "val" else ""
    return f"Held-out text ({result['split']}), {items}{chosen}"


def settings(run: RunDirectory) -> Iterator[Section]:
    """The settings that are not the defaults."""
    chosen = run.settings
    values = {
        name: value
        for config in (chosen.data, chosen.model, chosen.train)
        for name, value in other_than_default(config)
    }
    shown = ", ".join(f"{name}={value}" for name, value in values.items())
    yield Facts([("settings other than the defaults", shown or None)])


def other_than_default(config: Config) -> Iterator[tuple[str, Any]]:
    """Names and values of the settings that are not the defaults, sizes of the data left out."""
    for each in fields(config):
        value = getattr(config, each.name)
        if each.name not in SIZES and value != each.default:
            yield each.name, value
