"""The registry of formats."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from charlm.errors import UsageError, look_up
from charlm.export.onnx_file import onnx_file
from charlm.export.page import page
from charlm.export.safetensors_file import safetensors_file
from charlm.runs.directory import RunDirectory
from charlm.tasks.language_modeling.run import LanguageModelRun


class Format(NamedTuple):
    """A kind of file.

    Args:
        suffix: the ending of its name.
        make: makes the content of a language model's.
        of_any_task: makes the content of a run of any task; None where there is no such file.
    """

    suffix: str
    make: Callable[[LanguageModelRun], bytes]
    of_any_task: Callable[[RunDirectory], bytes] | None = None


FORMATS: Mapping[str, Format] = {
    "page": Format(".html", page),
    "onnx": Format(".onnx", onnx_file),
    "safetensors": Format(".safetensors", safetensors_file, safetensors_file),
}


def look_up_format(name: str) -> Format:
    """The format of this name.

    Raises:
        UsageError: there is none.
    """
    return look_up(FORMATS, name, "format")


def export(run: RunDirectory, to: str) -> bytes:
    """The content of one file that holds the run's best weights, and what they stand for.

    Args:
        to: "page", "onnx" or "safetensors".

    Raises:
        UsageError: there is no such format, or none of this task's runs.
        CharlmError: the weights are missing or damaged, or a package is not installed.
    """
    made_as = look_up_format(to)
    if made_as.of_any_task is not None:
        return made_as.of_any_task(run)
    if not isinstance(run, LanguageModelRun):
        others = " or ".join(name for name, each in FORMATS.items() if each.of_any_task)
        raise UsageError(
            f"The run '{run.name}' is of the task '{run.record.task}', and '{to}' is for language "
            "models.",
            f"Export it to {others}, or name another run.",
        )
    return made_as.make(run)
