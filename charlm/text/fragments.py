"""Prefixes and stop strings, read in the same way as the text of the run."""

from collections.abc import Callable

from charlm.errors import UnknownCharacterError, UsageError
from charlm.text.decoding import decode_string
from charlm.text.normalize import FRAGMENT_NORMALIZATIONS, removed_characters
from charlm.text.tokens import BYTES, WORDS
from charlm.text.vocabulary import Ids, Vocabulary, describe

# Called with a sentence for each change made to a given text.
Notify = Callable[[str], object]


def read_prefix(
    prefix: str, vocabulary: Vocabulary, normalization: str, unknown: str, notify: Notify
) -> Ids:
    """Normalize a prefix and return its ids, (tokens,).

    Args:
        unknown: what to do about characters without an id: "error", "replace" or "skip".

    Raises:
        CorpusError: the prefix has a NUL or an unpaired surrogate.
        UnknownCharacterError: `unknown` is "error", and the prefix has unknown characters or the
            normalization leaves only white space.
        UsageError: no characters are left.
    """
    text, lost = normalize_fragment(prefix, "the prefix", normalization, notify)
    nothing = bool(lost) and not text.strip()
    if nothing and unknown == "error":
        raise nothing_left_error("the prefix", lost, normalization)
    notify_of_losses(text, "the prefix", lost, normalization, notify)
    ids = vocabulary.encode(
        "" if nothing and unknown == "skip" else in_units(text, vocabulary), unknown
    )
    if not len(ids):
        raise UsageError(
            "The prefix is empty" + (" after normalization." if prefix else "."),
            "Give at least one character that the model knows.",
        )
    return ids


def in_units(text: str, vocabulary: Vocabulary) -> str:
    """A prefix as its vocabulary spells it: bytes as characters, a first word as within a text."""
    if vocabulary.units == BYTES:
        return text.encode().decode("latin-1")
    if vocabulary.units == WORDS and text and vocabulary.split(text)[0] not in vocabulary:
        inside = f" {text}"
        return inside if vocabulary.split(inside)[0] in vocabulary else text
    return text


def read_stop_string(stop: str, vocabulary: Vocabulary, normalization: str, notify: Notify) -> str:
    """Normalize a string at which generation stops.

    Raises:
        CorpusError: the string has a NUL or an unpaired surrogate.
        UnknownCharacterError: it has characters that the model never writes, or the normalization
            leaves only white space.
    """
    what = f"the stop string {stop!r}"
    text, lost = normalize_fragment(stop, what, normalization, notify)
    if not text or (lost and not text.strip()):
        raise nothing_left_error(what, lost or dict.fromkeys(stop, 1), normalization)
    notify_of_losses(text, what, lost, normalization, notify)
    if vocabulary.units == BYTES:
        return in_units(text, vocabulary)
    # A string of words may begin and end within one.
    letters = set("".join(vocabulary.entries))
    unknown = {each: text.count(each) for each in dict.fromkeys(text) if each not in letters}
    if unknown:
        raise UnknownCharacterError(
            f"A text never ends at {what}: the vocabulary lacks {describe(unknown)}.",
            "Name a string of characters that the run knows.",
        )
    return text


def normalize_fragment(
    given: str, what: str, normalization: str, notify: Notify
) -> tuple[str, dict[str, int]]:
    """Normalize part of a text; return it, and the characters that were lost with their counts.

    Args:
        what: what to call it in a message, such as "the prefix".
    """
    decoded = decode_string(given, what[0].upper() + what[1:])
    for note in decoded.notes:
        notify(note)
    return FRAGMENT_NORMALIZATIONS[normalization](decoded.text), removed_characters(
        decoded.text, normalization
    )


def notify_of_losses(
    text: str, what: str, lost: dict[str, int], normalization: str, notify: Notify
) -> None:
    """Report the characters that a normalization removed from part of a text, if any."""
    if lost:
        notify(
            f"The run's text was normalized by '{normalization}', which knows no {describe(lost)}: "
            f"{what} is read as {text!r}."
        )


def nothing_left_error(
    what: str, lost: dict[str, int], normalization: str
) -> UnknownCharacterError:
    """The error for part of a text that a normalization removes altogether."""
    return UnknownCharacterError(
        f"Nothing of {what} is left: the run's text was normalized by '{normalization}', which "
        f"knows no {describe(lost)}.",
        "Give characters that it knows.",
    )
