"""Texts that a run writes, from prefixes and strings that are read like the run's text."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from charlm.config import SamplingConfig
from charlm.errors import SettingError, UnknownCharacterError, UsageError
from charlm.generation.endings import endings_of
from charlm.generation.engine import Engine
from charlm.generation.reading import Beginning, read
from charlm.generation.sizes import check_samples
from charlm.generation.texts import write_texts
from charlm.progress import ProgressCallback, ignore_progress
from charlm.tasks.language_modeling.engines import engine_of
from charlm.tasks.language_modeling.kept_states import load_state, save_state
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.written_documents import check_documents, chosen_documents
from charlm.text.decoding import in_characters
from charlm.text.documents import readable
from charlm.text.fragments import Notify, read_prefix, read_string
from charlm.text.vocabulary import Ids

# Texts that are written side by side when there are many prefixes.
SIDE_BY_SIDE = 256


def with_read_strings(
    run: LanguageModelRun, sampling: SamplingConfig, notify: Notify
) -> SamplingConfig:
    """The settings, with stop strings and banned strings normalized like the run's text."""

    def read_all(strings: Sequence[str], kind: str, consequence: str) -> tuple[str, ...]:
        known = (run.vocabulary, run.normalization, notify)
        return tuple(
            dict.fromkeys(
                read_string(each, f"the {kind} string {each!r}", consequence, *known)
                for each in strings
            )
        )

    stops = read_all(sampling.stops, "stop", "A text never ends at")
    bans = read_all(sampling.bans, "banned", "The run never writes")
    return replace(sampling, stop=stops, ban=bans)


class Writer:
    """A run's model, loaded, and what it has read so far: it reads more, and writes on.

    Args:
        run: the run.
        engine: computes the run's model.
        from_state: name of a state kept with the run, from which to go on; None: from nothing.
        unknown: as in `charlm.Run.generate`.
        notify: called with sentences about what was read otherwise than it was given.
    """

    def __init__(
        self,
        run: LanguageModelRun,
        engine: Engine,
        *,
        from_state: str | None = None,
        unknown: str | None = None,
        notify: Notify = lambda sentence: None,
    ) -> None:
        self.run = run
        self.engine = engine
        self.unknown = unknown
        self.notify = notify
        self.beginning: Beginning | None = None
        if from_state is not None:
            self.load_state(from_state)

    def config(self, sampling: SamplingConfig) -> SamplingConfig:
        """The settings for this run, their strings normalized like its text.

        Raises:
            CharlmError: one is impossible for this run.
        """
        config = with_read_strings(self.run, sampling, self.notify)
        endings_of(config, self.run.vocabulary)
        check_documents(self.run, config)
        return config

    # Reading

    def ids_of(self, prefix: str, what: str = "the prefix") -> Ids:
        """Ids of a prefix after normalization, (tokens,).

        Args:
            what: what to call it in a message.
        """
        known = self.run.vocabulary, self.run.normalization, self.unknown or "error"
        return read_prefix(prefix, *known, self.notify, what)

    def read(
        self, text: str, report: ProgressCallback = ignore_progress, what: str = "the prefix"
    ) -> str:
        """Read a text after all that was read before; returns it as it was read.

        Args:
            report: called now and then with the characters that were read, and with all.
            what: what to call it in a message.
        """
        ids = self.ids_of(text, what)
        self.beginning = read(self.engine, [ids], self.before_prefix(), report)
        return self.shown_prefix(text, ids)

    def before_prefix(self) -> Beginning | None:
        """What is read before a prefix: what was read so far; of documents at least their mark."""
        return self.reached() if self.run.vocabulary.document_id else self.beginning

    def shown_prefix(self, given: str, ids: Ids) -> str:
        """A prefix as it was read, without a blank that was put before its first word."""
        text = readable(self.run.vocabulary.decode(ids), self.run.vocabulary.units)
        return text if given.startswith(" ") else text.removeprefix(" ")

    def begin(self, prefix: str | None, report: ProgressCallback = ignore_progress) -> str:
        """Read the prefix; without one, and if nothing was read, a likely beginning such as a line
        end. Returns what a reader is to see of it: the prefix as it was read.

        Raises:
            CharlmError: `unknown` was given, and there is no prefix, or the prefix is invalid.
        """
        if prefix is not None:
            return self.read(prefix, report)
        if self.unknown is not None:
            raise SettingError("unknown", "is about a prefix, and there is none.")
        self.reached()
        return ""

    def reached(self) -> Beginning:
        """What was read so far; if nothing was, a likely beginning."""
        if self.beginning is None:
            ids = self.run.vocabulary.encode(self.run.vocabulary.likely_beginning)
            self.beginning = read(self.engine, [ids])
        return self.beginning

    # Writing

    def texts(
        self, config: SamplingConfig, report: ProgressCallback = ignore_progress
    ) -> Iterator[Iterator[str]]:
        """The pieces of `num_samples` texts that go on from what was read, each in turn.

        What was read stays as it is.

        Args:
            config: as `config` returns it.
            report: called now and then with the characters of each text, and the most there may be.
        """
        units = self.run.vocabulary.units
        if config.novel or config.unique:
            chosen = chosen_documents(self, config, report)
            return (iter([readable(each, units)]) for each in chosen)
        return (in_characters(each, units) for each in self.drawn(config, report))

    def drawn(
        self, config: SamplingConfig, report: ProgressCallback = ignore_progress
    ) -> Iterator[Iterator[str]]:
        """The pieces of each text, bytes as characters."""
        beginning, write = self.reached(), partial(write_texts, self.engine, self.run.vocabulary)
        return write(beginning, config, self.notify, report)

    def write(
        self, config: SamplingConfig, report: ProgressCallback = ignore_progress
    ) -> Generator[str, None, None]:
        """Yield the pieces of one text, which then counts as read, as far as it was yielded.

        The arguments are those of `texts`.
        """
        if config.num_samples > 1:
            raise SettingError("num_samples", "must be 1: one text is carried on.")
        vocabulary, written = self.run.vocabulary, list[str]()

        def noted(pieces: Iterator[str]) -> Iterator[str]:
            for piece in pieces:
                written.append(piece)
                yield piece

        try:
            yield from in_characters(noted(next(self.drawn(config, report))), vocabulary.units)
        finally:
            if vocabulary.document_id:
                self.beginning = None  # The next one is another document.
            elif text := "".join(written):
                # Words may have been written side by side that are one when they are read.
                ids = vocabulary.encode(text, "replace")
                self.beginning = read(self.engine, [ids], self.beginning)

    def each(
        self,
        prefixes: Sequence[str],
        config: SamplingConfig,
        report: ProgressCallback = ignore_progress,
    ) -> Iterator[list[str]]:
        """Yield for each prefix its `num_samples` texts, prefix included.

        Many are written side by side; each comes out as if it were alone. All go on from what was
        read, which stays as it is.

        Args:
            report: called with the prefixes that are done, and with all.

        Raises:
            CharlmError: a prefix is invalid; before any text is written.
        """
        ids = [self.numbered(prefix, number) for number, prefix in enumerate(prefixes, 1)]
        size = max(1, SIDE_BY_SIDE // config.side_by_side)
        check_samples(self.run.settings.model, config, min(size, len(ids)))
        for name in ("novel", "unique"):
            if getattr(config, name):
                raise SettingError(name, "is of one prefix, and there are many.")
        vocabulary, done = self.run.vocabulary, 0
        while done < len(ids):
            some = ids[done : done + size]
            beginning = read(self.engine, some, self.before_prefix())
            texts = write_texts(self.engine, vocabulary, beginning, config, self.notify)
            for prefix in some:
                shown = self.shown_prefix(prefixes[done], prefix)
                done += 1
                yield [
                    shown + readable("".join(next(texts)), vocabulary.units)
                    for _ in range(config.num_samples)
                ]
                report(done, len(ids))

    def numbered(self, prefix: str, number: int) -> Ids:
        """Ids of one prefix of many, whose number stands in messages."""
        try:
            return self.ids_of(prefix, f"prefix {number}")
        except UnknownCharacterError as error:
            known = f"Prefix {number}" in error.message or f"prefix {number}" in error.message
            message = error.message if known else f"Prefix {number}: {error.message}"
            raise UnknownCharacterError(message, error.hint) from None

    # States

    def save_state(self, name: str) -> Path:
        """Keep what was read so far with the run, under a name. Returns the file.

        Raises:
            UsageError: nothing was read, or no file can have the name.
            RunError: the run cannot be written.
        """
        if self.beginning is None:
            raise UsageError("There is no state to save: nothing was read yet.", "Give a prefix.")
        return save_state(self.run, name, self.engine, self.beginning)

    def load_state(self, name: str) -> None:
        """Go on from what was kept under a name.

        Raises:
            UsageError: there is no such state.
            RunError: it is damaged, or of other weights.
        """
        self.beginning = load_state(self.run, name, self.engine)


def stream_samples(
    run: LanguageModelRun, sampling: SamplingConfig, prefix: str | None = None
) -> Iterator[Iterator[str]]:
    """The pieces of texts that a run writes on the CPU, each in turn, the prefix included."""
    yield from streamed(Writer(run, engine_of(run, sampling)), sampling, prefix)


def streamed(
    writer: Writer, sampling: SamplingConfig, prefix: str | None
) -> Iterator[Iterator[str]]:
    """The pieces of texts that a writer writes after a prefix, each in turn, the prefix included.

    Raises:
        CharlmError: a setting or the prefix is invalid, or memory cannot hold so many texts.
    """
    config = writer.config(sampling)
    if config.side_by_side > 1:  # A single one goes out as it is drawn, whatever its length.
        check_samples(writer.run.settings.model, config)
    shown = writer.begin(prefix)
    for text in writer.texts(config):
        yield chain([shown] if shown else [], text)
