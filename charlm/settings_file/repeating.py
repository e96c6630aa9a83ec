"""The settings file of a run: what `charlm train --config` takes to train the same again."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charlm.errors import RunError, SettingError, spelled_out
from charlm.files import toml
from charlm.presets import DECIDED_BY_DATA, NO_PRESET, Settings, as_options
from charlm.runs.commands import command
from charlm.runs.directory import RunDirectory
from charlm.tasks.registry import TASKS, open_run, task_of
from charlm.tasks.relevance import check_on_device, check_relevant
from charlm.text.catalog import CATALOG

if TYPE_CHECKING:
    from charlm.run import Run

# Written even where it is 0, which asks for something here.
ALWAYS = ("seed",)
HEADINGS = {"data": "The data", "model": "The model", "train": "Training"}


def settings_toml(run: "Run | RunDirectory") -> str:
    """A settings file that trains a run again: from it comes the same run, on one CPU bit for bit.

    Every setting is written as it was used, planned sizes and a preset's values too, and no preset
    is named: zeros and switches that stand as they do by default are left out. Comments say what
    the run began with, and what may keep another training from being the same.

    Raises:
        RunError: a path cannot be written as TOML.
    """
    directory = run if isinstance(run, RunDirectory) else run.directory
    copied = task_of(directory).kept_copy(directory)
    record = directory.record
    source = copied.pop("corpus", record.corpus["source"])
    options = {
        "corpus": source[0] if len(source) == 1 else source,
        "task": record.task,
        "preset": NO_PRESET,
        "init_from": directory.parent_path and str(directory.parent_path),
        "device": record.device,
        # In older versions, which kept no preset, backends had other cells.
        "backend": record.backend if record.preset else None,
        "threads": record.threads,
        "processes": record.processes if record.processes > 1 else None,
    }
    blocks = [{name: value for name, value in options.items() if value is not None}]
    sections = {name: values_of(directory, name, copied) for name in HEADINGS}
    try:
        written = [toml.dumps(block) for block in blocks]
        written += [f"# {HEADINGS[name]}\n{toml.dumps(each)}" for name, each in sections.items()]
    except ValueError:
        raise RunError(
            f"The run '{directory.name}' was trained on a file whose name is no Unicode.",
            "Give the file another name, and train with that.",
        ) from None
    return "\n".join([comments(introduction(directory)), *written])


def comments(sentences: Iterator[str]) -> str:
    """Sentences as comments, one on each line; of control characters TOML has none there."""
    return "".join("# " + spelled_out(" ".join(each.split())) + "\n" for each in sentences)


def introduction(run: RunDirectory) -> Iterator[str]:
    """What to know of the file."""
    record = run.record
    yield f"Trains the run '{run.name}' again: {command('train', config='FILE')}"
    yield f"Of charlm {record.charlm} with torch {record.torch}."
    if record.preset:
        given = f" and {as_options(record.given)}" if record.given else ""
        yield f"It began with the preset {record.preset}{given}."
    if record.threads is None and record.device == "cpu":
        yield "As many threads computed as were fastest; threads = 1 would fix their number."
    yield from caveats(run)


def caveats(run: RunDirectory) -> Iterator[str]:
    """In sentences, what may keep another training with a run's settings from being the same."""
    record, train = run.record, run.settings.train
    regular = train.schedule == "constant" and train.eval_every is not None
    if train.max_minutes is not None and not (regular and record.status == "patience"):
        steps = record.result.get("steps")
        instead = f"; max_steps = {steps} in its place makes it repeatable" if steps else ""
        yield f"max_minutes is by the clock, and no two trainings are alike by it{instead}."
    for change in record.changes:
        told = {n: value for n, value in change.items() if n != "step" and value is not None}
        yield (
            f"From step {change.get('step')} on the run went on with other settings "
            f"({as_options(told)}), and the file has the last ones."
        )
    if record.device != "cpu":
        yield f"On {record.device} sums are not always added in the same order."
    if record.parent is not None:
        yield from caveats_of_parent(run)
    copied = task_of(run).kept_copy(run)
    for place in copied.get("corpus", []):
        yield f"The data came from a pipe or from Python: '{place}' is a copy in the run's folder."
    for place in record.corpus["source"]:
        if not copied and place not in CATALOG and not Path(place).exists():
            yield f"'{place}' is not there any more."


def caveats_of_parent(run: RunDirectory) -> Iterator[str]:
    """In a sentence, what has happened to the run that this one started from."""
    record, path = run.record, run.parent_path or Path()
    try:
        weights = open_run(path).weights_sha256()
    except RunError:
        yield f"The run '{record.parent}', from which it started, is not at '{path}' any more."
        return
    if record.parent_sha256 is None:
        yield (
            f"Whether the weights of '{record.parent}', from which it started, are as they were "
            "is not known."
        )
    elif weights != record.parent_sha256:
        yield f"The run '{record.parent}', from which it started, was trained further since."


def values_of(run: RunDirectory, section: str, copied: dict[str, Any]) -> dict[str, Any]:
    """The settings of a section that are written, by name.

    Args:
        section: data, model or train.
        copied: settings that read the run's own copy of its data, where it has one.
    """
    mine = run.settings
    settings = replace(mine, data=replace(mine.data, **copied))
    config = getattr(settings, section)
    found: dict[str, Any] = {}
    for each in fields(config):
        value = getattr(config, each.name)
        open_to_users = each.metadata and each.name not in DECIDED_BY_DATA and value is not None
        usual = value == each.default and (isinstance(value, bool) or not value)
        if (
            open_to_users
            and (not usual or each.name in ALWAYS)
            and is_taken(run, settings, each.name, value)
        ):
            found[each.name] = value
    return found


def is_taken(run: RunDirectory, settings: Settings, name: str, value: Any) -> bool:
    """Whether a setting may be given by name for such a run: it has an effect, and is open."""
    task = TASKS[run.record.task]
    given = replace(settings, given={name: value})
    try:
        check_relevant(given, task.rules, task.taken_from_parent if run.record.parent else ())
        check_on_device(given, run.record.device.partition(":")[0])
    except SettingError:
        return False
    return True
