"""charlm vocab"""

from pathlib import Path
from typing import Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import fetching
from charlm.cli.options import CorpusArgument, Encoding, Json, Normalize, Units


def vocab(
    corpus: CorpusArgument = None,
    normalize: Normalize = None,
    min_count: Annotated[
        int, typer.Option(help="Characters rarer than this become <unk>.", min=1)
    ] = 1,
    units: Units = "characters",
    encoding: Encoding = "utf-8",
    out: Annotated[Path | None, typer.Option(help="Write the vocabulary to this file.")] = None,
    json: Json = False,
) -> None:
    """The characters of a text by frequency, with their ids; or its words, or bytes."""
    from charlm.errors import look_up
    from charlm.files.paths import expanded
    from charlm.files.whole import write, writing
    from charlm.text.corpus import Reading, open_corpus
    from charlm.text.splits import count
    from charlm.text.tokens import ITEMS
    from charlm.text.vocabulary import UNKNOWN, Vocabulary, printable

    with fetching() as report:
        look_up(ITEMS, units, "unit")
        text = open_corpus(corpus, Reading(normalize, encoding, units), report=report)
    size, item = text.size(units), ITEMS[units]
    vocabulary = Vocabulary.of_tokens(text.counts(units, 0, size), units, min_count)
    for note in text.notes:
        console.say(note)
    names = (UNKNOWN, *vocabulary.entries)
    counts = (vocabulary.unknown_count, *vocabulary.counts)
    entries = [
        {"id": number, item: name, "count": often, "share": often / size}
        for number, (name, often) in enumerate(zip(names, counts, strict=True))
    ]
    if out is not None:
        out = expanded(out)
        with writing(out, "Name another file with --out."):
            write(out, vocabulary.to_json())
        console.say(f"Wrote {count(len(vocabulary), 'entry', 'entries')} to {out}.")
    if json:
        console.write_json(
            {
                "corpus": text.name,
                "normalization": text.normalization,
                f"{item}s": size,
                "size": len(vocabulary),
                "entries": entries,
            }
        )
        return
    sizes = f"{count(size, item)}, {count(len(vocabulary), 'entry', 'entries')}"
    console.say(f"{text.name} ({text.normalization}): {sizes}")
    console.table(
        ("rank", item, "count", "share"),
        (
            (number, printable(name), console.count(often), f"{often / size:.3%}")
            for number, (name, often) in enumerate(zip(names, counts, strict=True))
        ),
    )
