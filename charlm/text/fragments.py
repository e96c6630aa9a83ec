"""Prefixes, stop strings and banned strings, read in the same way as the text of the run."""

from collections.abc import Callable

from charlm.errors import CorpusError, UnknownCharacterError, UsageError
from charlm.files.paths import expanded
from charlm.text.decoding import Decoded, decode, decode_string
from charlm.text.normalize import FRAGMENT_NORMALIZATIONS, removed_characters
from charlm.text.sources import STDIN, read_bytes, read_standard_input
from charlm.text.tokens import BYTES, WORDS
from charlm.text.vocabulary import Ids, Vocabulary, describe

# Called with a sentence for each change made to a given text.
Notify = Callable[[str], object]
MOST_SHOWN = 60  # characters of a text in a sentence


def read_file(file: str) -> Decoded:
    """What stands in a file, to its last character; "-" is standard input.

    Raises:
        CorpusError: it cannot be read, or is no text in UTF-8.
    """
    is_input = file == STDIN
    content = read_standard_input() if is_input else read_bytes(expanded(file))
    return decode_utf_8(content, "standard input" if is_input else file)


def decode_utf_8(content: bytes, label: str) -> Decoded:
    """`decode` where no other encoding can be named.

    Raises:
        CorpusError: it is no text in UTF-8.
    """
    try:
        return decode(content, label)
    except CorpusError as error:
        raise CorpusError(error.message, "Convert it to utf-8, in which it is read.") from None


def read_prefix(
    prefix: str,
    vocabulary: Vocabulary,
    normalization: str,
    unknown: str,
    notify: Notify,
    what: str = "the prefix",
) -> Ids:
    """Normalize a prefix and return its ids, (tokens,).

    Args:
        unknown: what to do about characters without an id: "error", "replace" or "skip".
        what: what to call it in a message.

    Raises:
        CorpusError: the prefix has a NUL or an unpaired surrogate.
        UnknownCharacterError: `unknown` is "error", and the prefix has unknown characters or the
            normalization leaves only white space.
        UsageError: no characters are left.
    """
    text, lost = normalize_fragment(prefix, what, normalization, notify)
    nothing = bool(lost) and not text.strip()
    if nothing and unknown == "error":
        raise nothing_left_error(what, lost, normalization)
    notify_of_losses(text, what, lost, normalization, notify)
    left = "" if nothing and unknown == "skip" else in_units(text, vocabulary)
    ids = vocabulary.encode(left, unknown)
    if not len(ids):
        raise UsageError(
            f"{capitalized(what)} is empty" + (" after normalization." if prefix else "."),
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


def read_string(
    given: str,
    what: str,
    consequence: str,
    vocabulary: Vocabulary,
    normalization: str,
    notify: Notify,
) -> str:
    """Normalize a string that is looked for in what is written.

    Args:
        what: what to call it in a message, such as "the stop string 'ab'".
        consequence: what follows if it has unknown characters, such as "A text never ends at".

    Raises:
        CorpusError: the string has a NUL or an unpaired surrogate.
        UnknownCharacterError: it has characters that the model never writes, or the normalization
            leaves only white space.
    """
    text, lost = normalize_fragment(given, what, normalization, notify)
    if not text or (lost and not text.strip()):
        raise nothing_left_error(what, lost or dict.fromkeys(given, 1), normalization)
    notify_of_losses(text, what, lost, normalization, notify)
    if vocabulary.units == BYTES:
        return in_units(text, vocabulary)
    # A string may begin and end within a word.
    known = set("".join(vocabulary.entries))
    unknown = {each: text.count(each) for each in dict.fromkeys(text) if each not in known}
    if unknown:
        raise UnknownCharacterError(
            f"{consequence} {what}: the vocabulary lacks {describe(unknown)}.",
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
    decoded = decode_string(given, capitalized(what))
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
        shown = repr(text) if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]!r} and so on"
        notify(
            f"The run's text was normalized by '{normalization}', which knows no {describe(lost)}: "
            f"{what} is read as {shown}."
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


def capitalized(words: str) -> str:
    """The words as they begin a sentence."""
    return words[0].upper() + words[1:]
