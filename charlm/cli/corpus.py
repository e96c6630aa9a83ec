"""charlm corpus list | download | show"""

from typing import Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.bars import fetching
from charlm.cli.commands import Commands
from charlm.cli.completion import complete_corpora
from charlm.cli.options import CorpusArgument, Encoding, Json, Normalize
from charlm.errors import look_up
from charlm.text.catalog import CATALOG, corpus_path, is_available
from charlm.text.download import fetch

corpus_app = Commands(help="The texts that charlm knows by name.", no_args_is_help=True)


@corpus_app.command("list")
def list_corpora(json: Json = False) -> None:
    """The named corpora, and which of them are on this machine."""
    rows: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "title": entry.title,
            "licence": entry.licence,
            "normalization": entry.normalization,
            "bytes": entry.size,
            "sha256": entry.sha256,
            "source": entry.source,
            "urls": list(entry.urls),
            "labelled": bool(entry.texts),
            "here": "bundled" if not entry.urls else "yes" if is_available(entry) else "no",
        }
        for entry in CATALOG.values()
    ]
    if json:
        console.write_json(rows)
        return
    console.table(
        ("name", "here", "bytes", "title"),
        ((row["name"], row["here"], console.count(row["bytes"]), row["title"]) for row in rows),
        left=("name", "here"),
        wrap=("title",),
    )


@corpus_app.command()
def download(
    name: Annotated[
        str,
        typer.Argument(help="A name from `charlm corpus list`.", autocompletion=complete_corpora),
    ],
) -> None:
    """Fetch a corpus into the cache folder, check it, and print its path."""
    entry = look_up(CATALOG, name, "corpus")
    with fetching() as report:
        path = fetch(entry, report)
    console.write(f"{path}\n")


@corpus_app.command()
def show(
    corpus: CorpusArgument = None,
    normalize: Normalize = None,
    encoding: Encoding = "utf-8",
    json: Json = False,
) -> None:
    """What a text is made of: size, alphabet, origin, and how it begins."""
    from charlm.text.corpus import Reading, open_corpus

    with fetching() as report:
        text = open_corpus(corpus, Reading(normalize, encoding), report=report)
    for note in text.notes:
        console.say(note)
    entry = CATALOG.get(text.source[0])
    files = [str(corpus_path(entry))] if entry else list(text.source)
    content = {
        "name": text.name,
        "title": entry.title if entry else text.name,
        "licence": entry.licence if entry else None,
        "origin": entry.source if entry else None,
        "files": files,
        "sha256": text.sha256,
        "normalization": text.normalization,
        "characters": len(text.text),
        "distinct": len(set(text.text)),
        "beginning": text.text[:200],
    }
    if json:
        console.write_json(content)
        return
    shown = {**content, "files": "\n".join(files)}
    console.facts(
        (name, console.count(value) if isinstance(value, int) else value)
        for name, value in shown.items()
        if value is not None
    )
