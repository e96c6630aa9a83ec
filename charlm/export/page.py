"""A language model as a page that writes in the reader's browser."""

import base64
from collections.abc import Iterator
from typing import Any

from charlm.errors import UsageError
from charlm.export.description import provenance
from charlm.export.weights import rounded, scales_of, writes_alike
from charlm.files.whole import Arrays
from charlm.html.writer import writer_page
from charlm.scoring.score import Scored
from charlm.sections import Facts, Section
from charlm.tasks.comparison import scored
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.splits import count
from charlm.text.tokens import CHARACTERS, DOCUMENT
from charlm.text.vocabulary import printable

# Characters of the alphabet that the page lists.
LISTED = 200


def page(run: LanguageModelRun) -> bytes:
    """One file of HTML with a text box, in which the run's model goes on with a text.

    It writes the same characters as the run at temperature 0.

    Raises:
        RunError: the weights are missing or damaged.
        UsageError: the run's units are not characters.
    """
    if run.vocabulary.units != CHARACTERS:
        raise UsageError(
            f"The run '{run.name}' reads {run.vocabulary.units}, and the page reads characters.",
            "Export it to onnx or safetensors.",
        )
    weights = run.load_weights()
    in_16_bits = writes_alike(run.settings.model, weights)
    tensors, content = packed(weights, in_16_bits)
    written = writer_page(
        title=run.name,
        subtitle=subtitle(run),
        sections=list(sections(run)),
        prefix=run.good_prefix or "",
        about={**model_of(run), "tensors": tensors},
        weights=base64.b64encode(content).decode(),
    )
    return written.encode()


def model_of(run: LanguageModelRun) -> dict[str, Any]:
    """What the page's script knows of the model besides its weights."""
    config, vocabulary = run.settings.model, run.vocabulary
    textbook = config.cell == "gru" and not config.reset_after
    (beginning,) = vocabulary.encode(vocabulary.likely_beginning).tolist()
    return {
        "run": run.name,
        "cell": "textbookGru" if textbook else config.cell,
        "cappedGate": config.capped_gate,
        "layers": config.num_layers,
        "hiddenSize": config.hidden_size,
        "zoneout": config.zoneout,
        "normalization": run.normalization,
        "entries": ["" if each == DOCUMENT else each for each in ("", *vocabulary.entries)],
        "beginning": beginning,
        "end": vocabulary.document_id,
    }


def packed(weights: Arrays, scaled: bool) -> tuple[list[dict[str, Any]], bytes]:
    """Weights one after another, each from a multiple of four bytes on, and what they are.

    Args:
        scaled: matrices as the scale of each row and whole numbers of 16 bits, not in float32.
    """
    tensors, parts = list[dict[str, Any]](), list[bytes]()
    for name, each in sorted(weights.items()):
        rounds = scaled and each.ndim == 2
        tensors.append({"name": name, "shape": list(each.shape), "scaled": rounds})
        arrays = [scales_of(each), rounded(each)] if rounds else [each]
        for array in arrays:
            content = array.astype(array.dtype.newbyteorder("<")).tobytes()
            parts += [content, bytes(-len(content) % 4)]
    return tensors, b"".join(parts)


def subtitle(run: LanguageModelRun) -> str:
    """What the model is, in a sentence."""
    config, entries = run.settings.model, run.catalog_entries
    layers = f" in {config.num_layers} layers" if config.num_layers > 1 else ""
    titles = "; ".join(entry.title for entry in entries) or f"'{run.record.corpus['name']}'"
    return (
        f"A small neural network ({config.cell}, {config.hidden_size} units{layers}) that has "
        f"learned, character by character, to write like one text: {titles}."
    )


def sections(run: LanguageModelRun) -> Iterator[Section]:
    """What the page says of the model."""
    record, known = run.record, provenance(run)
    characters = [printable(each) for each in run.vocabulary.entries]
    rest = f" and {len(characters) - LISTED:,} more" if len(characters) > LISTED else ""
    score = scored(run)
    yield Facts(
        [
            ("model", f"{record.model['cell']}, {record.parameters:,} weights"),
            ("held-out score", "none" if score is None else in_words(score)),
            ("text", known.get("title", record.corpus["name"])),
            ("licence of the text", known.get("licence", "not known")),
            ("source of the text", known.get("source", "not known")),
            ("characters it knows", " ".join(characters[:LISTED]) + rest),
            ("trained", f"{record.created[:10]}, with charlm {record.charlm}"),
        ]
    )


def in_words(found: Scored) -> str:
    """A held-out score, with what it was measured on."""
    values = found.score.to_json()
    figures = ", ".join(f"{each.title} {values[each.key]:.3f}" for each in found.score.figures)
    items = "" if found.items is None else f", on {count(found.items)}"
    return f"{figures}{items}"
