"""What the tasks of encoders have in common."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from charlm.config import EncoderConfig, ModelConfig
from charlm.errors import CorpusError, SettingError
from charlm.runs.directory import RunDirectory
from charlm.tables.sources import STDIN, open_table
from charlm.tasks.dataset import Dataset
from charlm.tasks.relevance import Rule
from charlm.tasks.supervised.run import DATA, EncoderRun
from charlm.tasks.task import Options, Task

if TYPE_CHECKING:
    from charlm.rnn.encoder import Encoder


SUPERVISED_RULES = (
    Rule(
        ("fold",), lambda settings: settings.data.folds is None, "is one of several: give --folds."
    ),
    Rule(("val_fraction",), lambda settings: settings.data.val, "does nothing beside --val."),
    Rule(("test_fraction",), lambda settings: settings.data.test, "does nothing beside --test."),
    Rule(
        ("adversarial",),
        lambda settings: not settings.model.embedding_size or settings.train.freeze,
        "moves vectors that are trained: give an --embedding-size, and no --freeze.",
    ),
    Rule(
        ("group_column",),
        lambda settings: settings.data.split_column and not getattr(settings.data, "window", None),
        "does nothing beside --split-column, which says where each row belongs.",
    ),
)


def check_options(options: Options, *known: str) -> None:
    """Raise SettingError for an option, other than None, that is not among the known ones."""
    for name, value in options.items():
        if value is not None and name not in known:
            raise SettingError(name, "is of labels, and this run predicts numbers.")


def part_to_score(data: Dataset, split: str | None) -> str:
    """The part of a run's own data that is scored: the one that is named, or what was held out.

    Raises:
        CorpusError: the part is empty.
        SettingError: there is no such part.
    """
    split = split or data.split
    if split not in data.splits:
        raise SettingError("split", f"is {', '.join(data.splits)}, not '{split}'.")
    if not data.size(split):
        raise CorpusError(f"{data.name} ({split}) has no rows.", "Name another part.")
    return split


def check_whole(split: str | None) -> None:
    """Raise SettingError for a part of data that are not the run's own."""
    if split not in (None, "all"):
        raise SettingError("split", "is for the run's own data only.")


def opened(source: Any, encoding: str) -> Any:
    """What the user named; a table of it where standard input, which is read once, is among it."""
    named = source if isinstance(source, list | tuple) else [source]
    reads_stdin = any(isinstance(each, str) and each == STDIN for each in named)
    return open_table(named, encoding) if reads_stdin else source


class EncoderTask(Task):
    """A task whose model is an Encoder."""

    seeds_also = (
        "Where nothing else says which rows are held out, the seed draws them: then the standard "
        "deviation is that of other rows too."
    )

    def readable_again(self, source: Any, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """See `opened`."""
        return opened(source, given.get("encoding") or "utf-8"), dict(given)

    def kept_copy(self, run: RunDirectory) -> dict[str, Any]:
        """The rows, where they came from Python or from standard input."""
        if run.record.corpus["source"]:
            return {}
        copied = cast("EncoderRun", run).settings_of_copy
        return {"corpus": [str((run.path / DATA).resolve())], "encoding": "utf-8", **copied}

    def make_model(self, config: ModelConfig, backend: str) -> "Encoder":
        """An Encoder."""
        from charlm.rnn.encoder import Encoder

        return Encoder(cast("EncoderConfig", config), backend)
