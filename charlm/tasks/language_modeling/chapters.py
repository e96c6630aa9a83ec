"""What a report shows of a language model."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from charlm.config import SamplingConfig
from charlm.inspection.memory import Memory
from charlm.palettes import SHARE, SURPRISE
from charlm.sections import ColouredText, Draft, Grid, Heading, Part, Picture, Prose
from charlm.tasks.language_modeling.inspector import Inspector
from charlm.tasks.language_modeling.kept_results import key_of
from charlm.tasks.language_modeling.neuron_chapter import neurons
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.writing import stream_samples
from charlm.text.splits import count
from charlm.text.tokens import WORDS

if TYPE_CHECKING:
    from charlm.inspection.copying import Copying
    from charlm.inspection.surprise import TextSurprise
    from charlm.language_model import LanguageModel

# Samples: their temperatures, characters and seed.
TEMPERATURES, SAMPLE, SEED = (0.2, 0.5, 0.8, 1.0, 1.2), 400, 0
# The most surprising passages: how many, and their characters.
PASSAGES, PASSAGE = 8, 240
# Of a long text that is shown whole, characters of a piece; and of the beginning of another.
PIECE = 1_500
# Characters that are written to look for copies, spans that are shown, and characters of each.
COPIED, SPANS, LONGEST = 10_000, 5, 300
# Predictions from which memory is measured; the size of its picture; and a passage of so many
# characters, after so many others, of which each tells on which of so many before it hangs.
TARGETS, MEMORY_INCHES = 200, (7.0, 8.0)
PASSAGE_OF_MEMORY, LEAD_IN, LAGS = 600, 200, 60
# From so many bits on a character is marked where there are no colours.
PROMINENT = 4.0


def drafts(run: LanguageModelRun, load_model: "Callable[[], LanguageModel]") -> list[Draft]:
    """Samples, and what the model does."""
    inspector = Inspector(run, lambda device, backend: load_model())
    found = [Draft("Samples", lambda: samples(run))]
    if run.vocabulary.units != WORDS:
        found.append(Draft("Surprise", lambda: surprise(inspector)))
        found.append(Draft("Neurons", lambda: neurons(inspector)))
        if not run.vocabulary.document_id:
            found.append(Draft("Memory", lambda: memory(inspector)))
    found.append(Draft("Copying", lambda: copying(inspector)))
    return found


def samples(run: LanguageModelRun) -> Iterator[Part]:
    """What the model writes at several temperatures."""
    prefix = run.good_prefix
    if prefix is not None:
        yield f"Each goes on from '{prefix}'. Seed {SEED}."
    for temperature in TEMPERATURES:
        config = SamplingConfig(temperature=temperature, length=SAMPLE, seed=SEED)
        text = "".join(next(stream_samples(run, config, prefix)))
        yield Prose(f"Temperature {temperature:g}", text)


def surprise(inspector: Inspector) -> Iterator[Part]:
    """Where the held-out text surprises the model."""
    return surprise_parts(inspector.surprise(), PASSAGES, PASSAGE)


def surprise_parts(
    result: "TextSurprise", passages: int, length: int, whole: bool = False
) -> Iterator[Part]:
    """A short text whole; of a long one its most surprising passages and its beginning.

    Args:
        passages: how many of a long text.
        length: characters of each.
        whole: all of a long text too, in pieces.
    """
    score, characters = result.score, len(result.text)
    yield (
        f"{result.corpus} ({result.split}): {count(score.characters)} scored, "
        f"{score.bits_per_character:.4f} bits per character. A character's surprise is -log2 of "
        "the probability that the model gave it; the first one nothing predicts."
    )
    if characters <= passages * length:
        yield coloured("The text", result, 0, characters)
        return
    found = result.most_surprising(passages, length)
    yield Heading(f"The {len(found)} most surprising passages of {count(length)}")
    for each in found:
        where = f"{each.bits:.2f} bits per character, from character {each.start + 1:,}"
        yield coloured(where, result, each.start, each.stop)
    yield Heading("The text" if whole else "Its beginning")
    for start in range(0, characters if whole else 1, PIECE):
        stop = min(start + PIECE, characters)
        yield coloured(f"Characters {start + 1:,} to {stop:,}", result, start, stop)


def coloured(title: str, result: "TextSurprise", start: int, stop: int) -> ColouredText:
    """A stretch of a text, coloured by surprise."""
    places = range(start, stop)
    return ColouredText(
        title,
        result.text[start:stop],
        [float(result.bits[at - 1]) if at else None for at in places],
        SURPRISE,
        "bits",
        PROMINENT,
        [result.likeliest(at) if at else [] for at in places],
        missing="nothing predicts it",
    )


def memory(inspector: Inspector) -> Iterator[Part]:
    """How far back the model remembers, and on what its predictions hang."""
    key = key_of(inspector.run, TARGETS)
    found = inspector.run.kept("memory", key, Memory)
    if found is None:
        found = inspector.memory(targets=TARGETS)
        inspector.run.keep("memory", key, found)
    by_context = found.context
    yield (
        f"{found.corpus} ({found.split}): {count(len(by_context.positions), 'prediction')}, each "
        "made from exactly n characters that were read from a fresh state, which a training that "
        f"carries its state never saw. Effective context: {count(by_context.effective)}."
    )
    yield from found.notes
    yield Picture(
        "Loss by context, and the gradient by lag",
        f"The loss is within 1 % of the longest context's from {by_context.effective} on.",
        partial(paint_memory, found, inspector.run.name),
        MEMORY_INCHES,
    )
    yield dependence(inspector)


def dependence(inspector: Inspector) -> ColouredText:
    """A passage that shows, of each character, on which earlier ones its prediction hangs."""
    found = inspector.dependence(characters=LEAD_IN + PASSAGE_OF_MEMORY, lags=LAGS)
    text, lead_in = found.text, min(LEAD_IN, len(found.text) // 2)
    shown = range(lead_in, len(text))
    return ColouredText(
        "Choose a character: which ones before it does its prediction hang on?",
        text[lead_in:],
        [None for _ in shown],
        SHARE,
        "",
        earlier=[found.shares[at - 1, : at - lead_in].tolist() for at in shown],
    )


def paint_memory(found: Memory, run: str, figure: Any) -> None:
    """Draw loss by context and sensitivity by lag."""
    from charlm.plots.memory import draw_memory

    draw_memory(figure, {run: found})


def copying(inspector: Inspector) -> Iterator[Part]:
    """How much of what the model writes stands in its training text."""
    found = inspector.copying(length=COPIED, seed=SEED)
    texts = {"this text": found.text}
    if found.held_out is not None:
        texts["held-out text"] = found.held_out
    yield (
        f"The text: {count(len(found.text.text))} {found.text.name}. The training text has "
        f"{count(len(found.training))}."
    )
    said = [f"{name} {each.share(8) or 0:.1%}" for name, each in texts.items()]
    yield Picture(
        "Share of n-grams that stand in the training text",
        f"Of n-grams of 8 characters: {', '.join(said)}.",
        partial(paint_copying, found, inspector.run.name),
    )
    spans = found.spans(SPANS)
    if spans:
        yield Grid(
            ("copied", "characters", "from character"),
            [(cut(each.text), len(each.text), each.place + 1) for each in spans],
            caption="The longest copied spans, and where they stand in the training text",
        )


def paint_copying(found: "Copying", run: str, figure: Any) -> None:
    """Draw the shares of n-grams."""
    from charlm.plots.copying import draw_copied_shares

    draw_copied_shares(figure.subplots(), found, run)


def cut(text: str) -> str:
    """The text, or its beginning if it is long."""
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
