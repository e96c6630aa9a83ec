"""charlm doctor"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charlm.cli import console
from charlm.cli.options import Json, RunsDir
from charlm.runs.commands import command
from charlm.text.splits import count

if TYPE_CHECKING:
    from charlm.doctor.checks.finding import Finding

COLOURS = {"broken": "bold red", "slow": "yellow", "limited": "cyan", "note": "dim"}


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Measure no speed.")] = False,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """What is slow, missing or broken on this machine, and what to do about it.

    Ends with 0 if charlm works here, and with 1 if something is broken.
    """
    from charlm.doctor.facts import gather
    from charlm.doctor.findings import diagnose, works
    from charlm.doctor.guard import plain

    console.say("Looking at this machine ...")
    facts = gather(runs_dir, measure=not quick)
    findings = diagnose(facts)
    sound = works(findings)
    if json:
        told = [asdict(each) for each in findings]
        console.write_json({"works": sound, "findings": told, "facts": plain(facts)})
    else:
        show(facts, findings)
        broken = count(sum(each.level == "broken" for each in findings), "thing is", "things are")
        console.write("charlm works here.\n" if sound else f"{broken} broken.\n")
    if not sound:
        raise typer.Exit(1)


def show(facts: Mapping[str, Any], findings: "Sequence[Finding]") -> None:
    """Print the speed and the findings; in a pipe a line of three fields for each of these."""
    from rich.text import Text

    from charlm.doctor.guard import Unknown

    if not console.terminal().is_terminal:
        console.records((each.level, each.what, each.do) for each in findings)
    else:
        for each in findings:
            level = (each.level, COLOURS[each.level])
            line = Text.assemble(level, f": {console.visible(each.what)}")
            console.terminal().print(line)
            if each.do:
                console.terminal().print(Text(console.visible(f"    {each.do}")), soft_wrap=True)
    speed = facts.get("speed")
    if isinstance(speed, Unknown):
        more = command("bench", quick=True)
        console.write(f"No speed was measured: {speed.why.rstrip('.')}. To wait longer: {more}\n")
    elif speed is not None:
        console.write(speed_in_words(speed) + "\n")


def speed_in_words(speed: Mapping[str, Any]) -> str:
    """What a short training came to, beside what is usual."""
    from charlm.doctor.checks.machine import USUAL

    threads = count(speed["threads"], "thread")
    return (
        f"Training: {console.count(speed['characters a second'])} characters a second "
        f"({speed['what']}, {speed['backend']}, {threads}), "
        f"{speed['share of the limit']:.0%} of what the processor's peak would allow; with "
        f"compiled code, {USUAL} are usual."
    )
