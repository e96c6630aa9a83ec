"""charlm inspect surprise"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charlm.cli import console
from charlm.cli.bars import scoring
from charlm.cli.coloured_text import LONG, coloured, has_colours, show_scale, with_digits
from charlm.cli.inspect.texts import TextArgument, source_of
from charlm.cli.loading import load_run
from charlm.cli.options import (
    BackendName,
    Device,
    Json,
    RunName,
    RunsDir,
    Split,
    TextEncoding,
    Threads,
    Unknown,
)
from charlm.cli.output_files import checked, write_whole
from charlm.palettes import SURPRISE

if TYPE_CHECKING:
    from charlm.inspection.surprise import TextSurprise
    from charlm.sections import Part

# Characters of the most surprising passages, which are shown of a long text.
PASSAGE = 200


def surprise(
    text: TextArgument = None,
    run: RunName = None,
    split: Split = None,
    unknown: Unknown = "replace",
    passages: Annotated[
        int, typer.Option(min=1, help="How many passages of a long text to show.")
    ] = 10,
    whole: Annotated[bool, typer.Option("--whole", help="Show all of a long text.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page of HTML that also tells, of each character, what was likelier."
        ),
    ] = None,
    encoding: TextEncoding = None,
    device: Device = "cpu",
    backend: BackendName = "auto",
    threads: Threads = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Show how surprising each character of a text is to a model, in bits."""
    from charlm.tasks.language_modeling.chapters import surprise_parts

    html = None if html is None else checked(html)
    trained = load_run(run, runs_dir)
    with scoring() as report:
        result = trained.inspect.surprise(
            source_of(text),
            split=split,
            unknown=unknown,
            encoding=encoding,
            device=device,
            backend=backend,
            report=report,
        )
    for note in result.notes:
        console.say(note)
    if html is not None:
        show_as_page(html, trained.name, list(surprise_parts(result, passages, PASSAGE, whole)))
    if json:
        console.write_json({"run": trained.name, **result.to_json()})
        return
    console.facts(
        [
            ("run", trained.name),
            ("text", f"{result.corpus} ({result.split})"),
            ("characters scored", console.count(result.score.characters)),
            ("bits per character", console.number(result.score.bits_per_character, 4)),
        ]
    )
    console.gap()
    show_scale(SURPRISE, "bits")
    if whole or len(result.text) <= LONG:
        show(result, 0, len(result.text))
        return
    found = result.most_surprising(passages, PASSAGE)
    console.heading(f"The {len(found)} most surprising passages of {PASSAGE} characters")
    for passage in found:
        line = result.text.count("\n", 0, passage.start) + 1
        where = f"from character {console.count(passage.start + 1)}, line {console.count(line)}"
        console.gap()
        console.heading(f"{console.number(passage.bits, 2)} bits per character, {where}")
        show(result, passage.start, passage.stop)


def show_as_page(path: Path, run: str, parts: "list[Part]") -> None:
    """Write a page of HTML with one chapter, and say so."""
    from charlm.report import page
    from charlm.sections import Chapter

    content = page(f"What surprises {run}", "", [Chapter("Surprise", parts)])
    write_whole(path, content)
    console.say(f"Wrote {path}.")


def show(result: "TextSurprise", start: int, stop: int) -> None:
    """Print a stretch of the text: coloured, with digits below, or in a pipe as rows."""
    from charlm.text.vocabulary import printable

    bits = [None, *result.bits.tolist()][start:stop]
    text = result.text[start:stop]
    if not console.terminal().is_terminal:
        console.records(
            (
                at + 1,
                printable(result.text[at]),
                "-" if value is None else f"{value:.4f}",
                " ".join(f"{printable(each)}:{p:.3f}" for each, p in likeliest(result, at)),
            )
            for at, value in enumerate(bits, start)
        )
    elif has_colours():
        console.terminal().print(coloured(text, bits, SURPRISE))
    else:
        console.terminal().print(with_digits(text, bits))


def likeliest(result: "TextSurprise", position: int) -> list[tuple[str, float]]:
    """What was expected in the place of a character; nothing of the first."""
    return result.likeliest(position) if position else []
