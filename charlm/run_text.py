"""The text of a run, where it is now."""

from dataclasses import replace
from pathlib import Path

from charlm.commands import about_run
from charlm.errors import RunError, SettingError
from charlm.passages import Source
from charlm.runs import RunDirectory
from charlm.text.corpus import STDIN, Corpus, open_corpus, sha256_of
from charlm.text.splits import count


def moved_corpus(run: RunDirectory, source: Source, encoding: str | None) -> Corpus:
    """The text that a run was trained on, from another place, which the run remembers.

    Args:
        source: where it is now; None: where it was.
        encoding: how its bytes spell characters; None: as before.

    Raises:
        CorpusError: it cannot be read.
        RunError: it is another text.
        SettingError: an encoding where there is no file.
    """
    about, data = run.record.corpus, run.record.settings.data
    normalization = about["normalization"]
    data = replace(data, encoding=encoding or data.encoding)
    if isinstance(source, Corpus):
        corpus = source.normalized(normalization)
    else:
        if source is None and (not about["source"] or STDIN in about["source"]):
            raise SettingError("encoding", "is of no use: the run keeps its text as it was read.")
        places = about["source"] if source is None else source
        corpus = open_corpus(places, normalization=normalization, encoding=data.encoding)
        if sha256_of(corpus.text) != about["text_sha256"] and not corpus.unique:
            # Runs of the first versions put nothing between texts that end in no line end.
            fused = open_corpus(
                places, normalization=normalization, encoding=data.encoding, line_end=""
            )
            corpus = fused if sha256_of(fused.text) == about["text_sha256"] else corpus
    if sha256_of(corpus.text) != about["text_sha256"]:
        sizes = count(len(corpus.text)), count(about["characters"])
        differ = (
            f"it has {sizes[0]}, the run's {sizes[1]}" if len(set(sizes)) == 2 else "it differs"
        )
        raise RunError(
            f"{named(source, corpus)} is not the text that '{run.name}' was trained on: {differ} "
            f"after the normalization '{normalization}'.",
            "A run goes on with its own text only; to train on another one, start from the run: "
            f"{about_run(run.path, 'train', 'TEXT', option='init_from')}",
        )
    if corpus.unique or run.corpus_text is not None:
        run.keep_text(corpus.text)
    found = {
        "source": list(corpus.source),
        "sha256": corpus.sha256,
        "characters_sha256": corpus.characters_sha256,
        "lossless": corpus.lossless,
    }
    run.update(corpus={**about, **found}, data=data.to_json())
    return corpus


def named(source: Source, corpus: Corpus) -> str:
    """What to call a text that somebody named."""
    if isinstance(source, str | Path):
        return f"'{source}'"
    given = [] if source is None or isinstance(source, Corpus) else [str(each) for each in source]
    return ", ".join(f"'{each}'" for each in given) or f"'{corpus.name}'"
