"""charlm inspect copying"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.bars import comparing
from charlm.cli.inspect.texts import announce, source_of
from charlm.cli.loading import load_run
from charlm.cli.options import Json, RunName, RunsDir, TextEncoding, settings_options
from charlm.config import SamplingConfig

if TYPE_CHECKING:
    from rich.text import Text

    from charlm.inspection.copying import CopiedSpan, Copying

# Characters of a span that are shown on a terminal: so many at its beginning and at its end.
BEGINNING, END = 300, 100


@settings_options({"length": 20_000}, ["num_samples"], Writing=SamplingConfig)
def copying(
    text: Annotated[
        str | None,
        typer.Argument(
            callback=announce,
            help="A text in words, a file, a folder, a catalog name, or - for standard input.",
            show_default="what the run writes",
        ),
    ] = None,
    run: RunName = None,
    spans: Annotated[int, typer.Option(min=0, help="How many copied spans to list.")] = 10,
    encoding: TextEncoding = None,
    runs_dir: RunsDir = None,
    json: Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Show how much of a text, such as the model's own, is copied from the training text.

    Beside it stands the same for real text that was held out: how much of it stands there anyway.
    """

    trained = load_run(run, runs_dir)
    with comparing() as report:
        result = trained.inspect.copying(
            source_of(text), encoding=encoding, report=report, **settings
        )
    for note in result.notes:
        console.say(note)
    if result.held_out is None:
        console.say("Nothing was held out of the run's text: there is no real text beside it.")
    if json:
        console.write_json({"run": trained.name, **result.to_json(spans)})
        return
    show_shares(result, trained.name)
    show_spans(result.spans(spans), "\n" in result.training)


def show_shares(result: "Copying", run: str) -> None:
    """Print what was compared, and the shares of n-grams."""
    from charlm.inspection.copying import SIZES

    texts = {"this text": result.text}
    if result.held_out:
        texts["held-out text"] = result.held_out
    console.facts(
        [
            ("run", run),
            ("training text", f"{result.corpus}, {characters(len(result.training))}"),
            *((k, f"{each.name}, {characters(len(each.text))}") for k, each in texts.items()),
            *((f"longest span of {k}", characters(each.longest)) for k, each in texts.items()),
        ]
    )
    console.write("\n")
    console.heading("n-grams that stand in the training text, in percent")
    rows = ((n, *(percent(each.share(n)) for each in texts.values())) for n in SIZES)
    console.table(("n", *texts), rows)


def characters(number: int) -> str:
    """So many characters, in words."""
    return f"{console.count(number)} {'character' if number == 1 else 'characters'}"


def percent(share: float | None) -> str:
    """A share in percent."""
    return console.number(None if share is None else 100 * share, 2)


def show_spans(spans: "list[CopiedSpan]", has_lines: bool) -> None:
    """Print copied spans: on a terminal with what stands around them, in a pipe as rows.

    Args:
        has_lines: whether the training text has more lines than one.
    """
    if not spans:
        return
    if not console.terminal().is_terminal:
        console.gap()
        columns = ("characters", "from character", "of training text", "line", "copied")
        rows = ((len(e.text), e.start + 1, e.place + 1, e.line, e.text) for e in spans)
        console.table(columns, rows)
        return
    console.heading("The longest copied spans, each as it stands in the training text")
    for each in spans:
        line = f", line {console.count(each.line)}" if has_lines else ""
        console.terminal().print()
        console.heading(
            f"{characters(len(each.text))}: here from character {console.count(each.start + 1)}, "
            f"there from {console.count(each.place + 1)}{line}"
        )
        console.terminal().print(in_context(each))


def in_context(span: "CopiedSpan") -> "Text":
    """A copied span in bold and between brackets, and dim what stands around it."""
    from rich.text import Text

    text = span.text
    if len(text) > BEGINNING + END:
        text = f"{text[:BEGINNING]} … {text[-END:]}"
    pieces = [(span.before, "dim"), ("[", ""), (text, "bold"), ("]", ""), (span.after, "dim")]
    return Text.assemble(*((on_one_line(piece), style) for piece, style in pieces), overflow="fold")


def on_one_line(text: str) -> str:
    """The text in which line ends are arrows."""
    return console.visible(text.replace("\n", "↵ "))
