"""What a user gives a run to write with: prefixes and stop strings, read like the run's text."""

from dataclasses import replace

from charlm.config import SamplingConfig
from charlm.errors import SettingError
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.fragments import Notify, read_prefix, read_stop_string
from charlm.text.vocabulary import Ids


def read_beginning(
    run: LanguageModelRun, prefix: str | None, unknown: str | None, notify: Notify
) -> Ids:
    """Ids of a prefix, as `charlm.Run.encode_prefix` describes."""
    if prefix is None:
        if unknown is not None:
            raise SettingError("unknown", "is about a prefix, and there is none.")
        return run.vocabulary.encode(run.vocabulary.likely_beginning)
    return read_prefix(prefix, run.vocabulary, run.normalization, unknown or "error", notify)


def with_read_stops(
    run: LanguageModelRun, sampling: SamplingConfig, notify: Notify
) -> SamplingConfig:
    """The settings, with stop strings normalized like the run's text."""
    stops = [
        read_stop_string(each, run.vocabulary, run.normalization, notify) for each in sampling.stops
    ]
    return replace(sampling, stop=tuple(dict.fromkeys(stops)))
