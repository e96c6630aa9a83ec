"""charlm corpus list | download | show"""

from typing import Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.bars import fetching
from charlm.cli.commands import Commands
from charlm.cli.completion import complete_corpora
from charlm.cli.options import CorpusArgument, Encoding, Json, Normalize
from charlm.errors import look_up
from charlm.machine.memory import as_bytes
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
    with fetching("Downloading") as report:
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
    from charlm.text.tokens import CHARACTERS

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
        "characters": text.characters,
        "distinct": len(text.counts(CHARACTERS, 0, text.characters)),
        "beginning": text.beginning(200),
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


@corpus_app.command("prepared")
def list_prepared(
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete them; they are prepared anew when needed.")
    ] = False,
    json: Json = False,
) -> None:
    """The large texts that lie prepared in the cache folder, and how much room they take."""
    from charlm.text.preparing import delete_prepared, prepared_folder, prepared_texts

    if delete:
        freed = delete_prepared()
        if json:
            console.write_json({"folder": str(prepared_folder()), "freed": freed})
        else:
            console.say(f"Deleted what was prepared in '{prepared_folder()}': {as_bytes(freed)}.")
        return
    found = list(prepared_texts())
    if json:
        rows = [
            {"files": list(each.paths), "read_as": each.way, "bytes": each.size} for each in found
        ]
        console.write_json({"folder": str(prepared_folder()), "texts": rows})
        return
    if not found:
        console.say(f"No text lies prepared in '{prepared_folder()}'.")
        return
    console.table(
        ("bytes", "read as", "text"),
        ((console.count(each.size), each.way or "-", named(each.paths)) for each in found),
        left=("read as", "text"),
        wrap=("text",),
    )


def named(paths: tuple[str, ...]) -> str:
    """The first of the files that a text was made of."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else "not known any more"
