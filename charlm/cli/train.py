"""charlm train"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.completion import complete_presets, complete_runs, values_of
from charlm.cli.evaluate_tables import show_grid
from charlm.cli.live_picture import LivePicture
from charlm.cli.options import (
    BackendName,
    CorpusArgument,
    Device,
    Json,
    RunsDir,
    Threads,
    settings_options,
)
from charlm.cli.settings_file import ConfigFile, settings_that_count, texts_that_count, told_by_line
from charlm.cli.several_processes import (
    MaxRestarts,
    Processes,
    launched,
    run_to_go_on_with,
    taking_part,
)
from charlm.cli.several_runs import show_folds, show_repetition
from charlm.cli.stopping import graceful_stop
from charlm.config import Config, EncoderConfig, TextConfig, TextTrainConfig
from charlm.distributed.launcher import as_many_as
from charlm.errors import UsageError
from charlm.presets import DEFAULT_PRESET, PRESETS
from charlm.runs.commands import run_command
from charlm.scoring.report import grid_of_scores
from charlm.tasks.classification.settings import PRESETS as LABEL_PRESETS
from charlm.tasks.classification.settings import ClassificationConfig
from charlm.tasks.regression.settings import PRESETS as NUMBER_PRESETS
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.cross_validation import CrossValidation
    from charlm.repetition import Repetition
    from charlm.run import Run
    from charlm.tasks.task import Task


# Of all tasks together: a setting that a task has not is an error.
PANELS: dict[str, type[Config]] = {
    "Text": TextConfig,
    "Labels": ClassificationConfig,
    "Numbers": RegressionConfig,
    "Model": EncoderConfig,
    "Training": TextTrainConfig,
    "Training on labels": EncoderTrainConfig,
}
# What `--resume` is given to go on with a run only if it is there.
AUTO = "auto"
ALL_PRESETS = (*PRESETS, *LABEL_PRESETS, *NUMBER_PRESETS)


@settings_options(PRESETS[DEFAULT_PRESET], **PANELS)
def train(
    ctx: typer.Context,
    corpus: CorpusArgument = None,
    config: ConfigFile = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What the model is for: language-model, classification or regression.",
            show_default="the preset's, or language-model",
            autocompletion=values_of("task"),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Settings to begin with: {', '.join(ALL_PRESETS)}.",
            show_default=f"{DEFAULT_PRESET}, or the task's",
            autocompletion=complete_presets,
        ),
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="The new run's name.", show_default="CORPUS-CELL-N")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with an interrupted run; CORPUS, if its text has moved. "
            "auto: with that called --run, or start it.",
            autocompletion=complete_runs,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Start from another run's weights and vocabulary.",
            autocompletion=complete_runs,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep a picture of the curves up to date: .png, .svg or .pdf.",
            show_default=False,
        ),
    ] = None,
    log_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Log it to tensorboard, wandb, mlflow or trackio; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    repeat: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Train N runs, with the seed given and those after it: how much is chance?",
        ),
    ] = None,
    processes: Processes = None,
    max_restarts: MaxRestarts = None,
    device: Device = "auto",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Train a model on a text, and keep it as a run.

    Ctrl-C saves the run and prints the command that goes on with it. Defaults shown below are those
    of the preset `quick`.
    """
    corpus, settings = texts_that_count(ctx, corpus), settings_that_count(ctx, settings)
    all_folds = settings.get("folds") is not None and settings.get("fold") is None
    if resume == AUTO:
        check_auto(run, repeat is not None or all_folds)
    elif resume is not None:
        extra = {"--task": task, "--preset": preset, "--run": run, "--init-from": init_from}
        more = {"--config": config, "--repeat": repeat}
        for name, value in {**more, **extra}.items():
            if value is not None:
                raise UsageError(
                    f"{name} and --resume do not go together: a run goes on as itself.",
                    "Leave one of them out.",
                )
    if plot is not None and all_folds:
        raise UsageError("--plot draws one run, and --folds trains several.", "Give a --fold.")
    asked = {**settings, "run": run, "resume": resume, "repeat": repeat, "processes": processes}
    with told_by_line(ctx):
        if launched(ctx, processes, max_restarts, asked):
            return
    with graceful_stop() as stop, taking_part(stop, device, asked) as world, told_by_line(ctx):
        # These import torch, which takes a second or two.
        import charlm
        from charlm.cli.progress import TrainingDisplay

        with (
            LivePicture(plot if world.leads else None) as picture,
            TrainingDisplay(quiet=quiet, on_start=stop.listen) as display,
        ):
            where: dict[str, Any] = {
                "runs_dir": runs_dir,
                "device": device,
                "backend": backend,
                "listener": picture.after(display.show),
                "log_to": log_to,
                "should_stop": stop.asked,
            }
            choices: dict[str, Any] = {"task": task, "preset": preset, "run": run}
            choices |= {**where, **settings, "init_from": init_from, "report": display.downloading}
            trained: Run | CrossValidation | Repetition
            if resume not in (None, AUTO):
                source = corpus or None
                trained = charlm.resume(resume, source=source, world=world, **where, **settings)
            elif (again := run_to_go_on_with(run, runs_dir)) is not None:
                trained = charlm.resume(again, world=world, **where)
            elif resume == AUTO:
                trained = charlm.train_or_resume(corpus, world=world, **choices)
            elif repeat is not None:
                trained = charlm.repeat(corpus, times=repeat, **choices)
            elif all_folds:
                trained = charlm.cross_validate(corpus, **choices)
            else:
                trained = charlm.train(corpus, world=world, **choices)
        if isinstance(trained, charlm.CrossValidation):
            show_folds(trained, json, stop.code)
        elif isinstance(trained, charlm.Repetition):
            show_repetition(trained, json, stop.code)
        elif world.leads:
            show_result(trained, json, stop.code, log_to or (), as_many_as(world))
        elif trained.directory.record.status == "interrupted":
            raise typer.Exit(stop.code)


def check_auto(run: str | None, several: bool) -> None:
    """Raise UsageError unless `--resume auto` can be.

    Args:
        several: whether several runs are asked for.
    """
    if several:
        raise UsageError(
            "--resume auto is for one run; --repeat and --folds go on by themselves.",
            "Leave out --resume auto, and name them with --run.",
        )
    if run is None:
        raise UsageError("--resume auto needs the run's name.", "Give it with --run.")


def show_result(
    trained: "Run", json: bool, code: int, log_to: Sequence[str] = (), as_many: str = ""
) -> None:
    """Print the scores next to those of the baselines, and what to do next.

    Args:
        code: exit code if training was interrupted.
        log_to: names of the loggers that were asked for.
        as_many: the option by which as many processes go on.
    """
    from charlm.tasks.registry import task_of

    record = trained.directory.record
    if record.status == "interrupted":
        console.say(f"Interrupted; the run '{trained.name}' is saved.")
        logged = "".join(f" --log-to {name}" for name in log_to)
        console.say(f"Go on with it: {trained.directory.resume_command}{as_many}{logged}")
        raise typer.Exit(code)
    result, task = record.result, task_of(trained.directory)
    if json:
        console.write_json({"run": trained.name, "status": record.status, **result})
        return
    if "score" in result:
        show_scores(trained.name, result, task)
    if (value := result[f"train_{task.train_figure}"]) is not None:
        title = task.train_figure.replace("_", " ")
        console.write(f"Training {title} of the last epoch: {console.number(value)}\n")
    peak = result["peak_memory"]
    memory = f", at most {peak / 2**20:,.0f} MiB of memory" if peak else ""
    if on_gpu := result.get("peak_gpu_memory"):
        memory += f" and {on_gpu / 2**20:,.0f} MiB on the GPU"
    console.write(
        f"Run {trained.name}: {record.parameters:,} parameters, {count(result['steps'], 'step')} "
        f"in {console.duration(result['seconds'])}{memory}.\n"
    )
    following = (*task.next_commands(trained.directory), run_command(trained.path, "report"))
    console.say("Next: " + "\n      ".join(following))


def show_scores(run: str, result: dict[str, Any], task: "Task") -> None:
    """Print the scores of the run and of the baselines, the worst first."""
    from charlm.tasks.overview import what_was_scored

    stored = {**result["baselines"], run: result["score"]}
    scores = {name: task.score_type.from_json(each) for name, each in stored.items()}
    console.write(what_was_scored(result, task) + "\n")
    show_grid(grid_of_scores(scores), digits=3)
    console.gap()
    for remark in task.remarks(result):
        console.write(remark + "\n")
