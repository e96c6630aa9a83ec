"""`--encoding auto`: in which encoding texts were probably written, why, and how sure that is.

What is certain comes first: byte-order marks, UTF-8, the zeros of UTF-16 and UTF-32. What remains
is guessed by charset-normalizer, among the encodings that texts are really found in.
"""

import codecs
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from charlm.errors import CorpusError
from charlm.text.mixed import MIXED, mixed_name

AUTO, UTF_8 = "auto", "utf-8"
# By the first bytes of a text; that of UTF-32 begins like that of UTF-16.
MARKED = {
    b"\xef\xbb\xbf": UTF_8,
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# Of encodings with a fixed width: the bytes of a character, and which of them is 0 in ASCII.
WIDE = {
    "utf-32-le": (4, 3),
    "utf-32-be": (4, 0),
    "utf-16-le": (2, 1),
    "utf-16-be": (2, 0),
}
# Share of the characters that must be in common use where zeros speak for one of these.
IN_USE = 0.95
# How ISO-2022-JP, which has ASCII's bytes only, begins what is Japanese.
JAPANESE = re.compile(rb"\x1b\$[@B]")
# What to guess among, by Python's names. Of two that fit alike the first is taken, but those of ISO
# only where no byte is from 0x80 to 0x9F, which are rare controls in them.
ISO = ("latin_1", "iso8859_2", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9")
WINDOWS = ("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256")
OTHERS = ("koi8_r", "koi8_u", "cp866", "gb18030", "big5", "cp932", "euc_jp", "cp949")
# Names that people know.
KNOWN_AS = {"latin_1": "latin-1", "koi8_r": "koi8-r", "koi8_u": "koi8-u", "cp932": "shift_jis"}
KNOWN_AS |= {"euc_jp": "euc-jp", "cp949": "euc-kr"}
KNOWN_AS |= {each: each.replace("iso", "iso-").replace("_", "-") for each in ISO[1:]}
SAMPLE = 65_536  # bytes that are looked at for a guess
# From this share of the lines beyond ASCII on, a text is UTF-8 with some lines that are not.
MOSTLY = 0.2
# A guess is likely if so much of it is letters as often as its language has them, and the next best
# one falls so far behind.
COHERENT, AHEAD = 0.3, 0.1
# Of many texts so many are looked at by themselves too, whether all are in one encoding.
MOST_COMPARED = 100


@dataclass(frozen=True)
class Guess:
    """The encoding that a text seems to be in.

    Args:
        encoding: as Python names it, or UTF-8 mixed with another, as in `charlm.text.mixed`.
        why: what speaks for it, as the end of a sentence.
        sure: how sure that is, in words.
    """

    encoding: str
    why: str
    sure: str = "certain"

    def note(self, label: str) -> str:
        """What to tell the user who has the texts of this name read."""
        return (
            f"{label} is read as --encoding {self.encoding} would: {self.why} ({self.sure}). If it "
            "looks wrong, name another."
        )


def certain_encoding(content: bytes) -> Guess | None:
    """The encoding of a text whose bytes leave no doubt; None if they do."""
    for mark, encoding in MARKED.items():
        if content.startswith(mark) and fits(content, encoding):
            return Guess(encoding, "it begins with a byte-order mark")
    if b"\0" in content:
        return wide_encoding(content)
    if content.isascii() and JAPANESE.search(content) and fits(content, "iso2022_jp"):
        return Guess("iso-2022-jp", "it has the escape sequences of that")
    if content.isascii():
        return Guess(UTF_8, "it is plain ASCII, which is the same in UTF-8")
    return Guess(UTF_8, "all of its bytes are UTF-8") if fits(content, UTF_8) else None


def wide_encoding(content: bytes) -> Guess | None:
    """UTF-16 or UTF-32 without a byte-order mark, of a text with zeros; None if it is neither."""
    part = content[:SAMPLE]
    zeros = {name: part[at::width].count(0) * width for name, (width, at) in WIDE.items()}
    for encoding in sorted(WIDE, key=lambda each: -zeros[each]):
        if zeros[encoding] and fits(content, encoding):
            text = part.decode(encoding, "ignore")
            if sum(map(is_in_use, text)) >= IN_USE * len(text):
                return Guess(encoding, "its zeros lie where those of that do", "nearly certain")
    return None


def is_in_use(character: str) -> bool:
    """Whether a character is assigned, and no control but white space."""
    return character in "\t\n\r\f" or unicodedata.category(character) not in (
        "Cc",
        "Cn",
        "Co",
        "Cs",
    )


def guess_encoding(contents: Collection[bytes]) -> Guess | None:
    """Guess the one encoding of some texts, none of which is certain to be in another than UTF-8.

    Lines that are UTF-8 stay that if there are many, or a whole text of them.
    """
    unusual = [line for each in contents for line in lines_of(each) if not line.isascii()]
    odd = [line for line in unusual if not fits(line, UTF_8)]
    known = len(unusual) - len(odd)
    is_mixed = known >= MOSTLY * len(unusual)
    is_mixed |= any(not each.isascii() and fits(each, UTF_8) for each in contents)
    if not is_mixed:
        return guess_by_letters(sample(unusual), contents)
    guess = guess_by_letters(sample(odd), odd)
    if guess is None:
        return None
    why = (
        f"{known:,} of {len(unusual):,} lines beyond ASCII are UTF-8, and it reads the others best"
    )
    return Guess(mixed_name(guess.encoding), why, "a guess")


def guess_by_letters(content: bytes, contents: Collection[bytes]) -> Guess | None:
    """Guess by which letters are frequent, and follow one another, in a language.

    Args:
        content: some of the text's bytes.
        contents: all of them, which must be in the encoding.
    """
    found = ranking(content)
    ranked = [name for name in found if all(fits(each, name) for each in contents)]
    if not ranked:
        return None
    best, *others = ranked
    text, (value, coherence) = content.decode(best, "ignore"), found[best]
    rivals = [found[each][0] for each in others if content.decode(each, "ignore") != text]
    is_likely = coherence >= COHERENT and all(each - value >= AHEAD for each in rivals)
    sure = "likely" if is_likely else "a guess"
    return Guess(known_name(best, contents), "it is not UTF-8, and reads best so", sure)


def ranking(content: bytes) -> dict[str, tuple[float, float]]:
    """The encodings that a text may be in, by Python's names, the likeliest first.

    Of each how odd the text is in it, and how much it is like a language.
    """
    from charset_normalizer import from_bytes

    has_controls = any(0x80 <= byte <= 0x9F for byte in set(content))
    single = (*WINDOWS, *ISO) if has_controls else (ISO[0], *WINDOWS[:2], *ISO[1:], *WINDOWS[2:])
    order = (*single, *OTHERS)
    found: dict[str, tuple[float, float]] = {}
    for match in from_bytes(content, cp_isolation=list(order[int(not has_controls) :])):
        # Names of other encodings that spell these bytes alike stand with it.
        for name in {match.encoding, *match.could_be_from_charset} & set(order):
            found[name] = round(match.chaos - match.coherence / 2, 2), match.coherence
    if "cp1252" in found and not has_controls:
        found[ISO[0]] = found["cp1252"]
    return dict(sorted(found.items(), key=lambda pair: (pair[1][0], order.index(pair[0]))))


def known_name(encoding: str, contents: Collection[bytes]) -> str:
    """The name that people know, if it is the same for these texts: euc-kr is a part of cp949."""
    known = KNOWN_AS.get(encoding, encoding)
    same = (fits(each, known) and each.decode(known) == each.decode(encoding) for each in contents)
    return known if all(same) else encoding


def fits(content: bytes, encoding: str) -> bool:
    """Whether bytes can be decoded."""
    try:
        content.decode(encoding)
    except UnicodeError:
        return False
    return True


def lines_of(content: bytes) -> Iterator[bytes]:
    """Lines, each with the line feed that ends it."""
    start = 0
    while start < len(content):
        stop = content.find(b"\n", start) + 1 or len(content)
        yield content[start:stop]
        start = stop


def sample(lines: Iterable[bytes]) -> bytes:
    """The first lines, as many as are looked at; one that is too long is cut between characters."""
    taken = bytearray()
    for line in lines:
        if len(taken) + len(line) > SAMPLE:
            # In all encodings to guess among, a byte below 0x30 is a character of its own.
            part = line[: SAMPLE - len(taken)]
            end = next((i for i in range(len(part), 0, -1) if part[i - 1] < 0x30), 0)
            taken += part[: end or len(part)]
            break
        taken += line
    return bytes(taken)


def settle(texts: Iterable[tuple[str, bytes]]) -> Guess:
    """The one encoding of texts that are read together.

    Args:
        texts: of each what to call it, and its bytes.

    Raises:
        CorpusError: one seems to be no text, or they are in several encodings.
    """
    known: dict[str, tuple[str, Guess]] = {}
    narrow: list[tuple[str, bytes]] = []
    for label, content in texts:
        guess = certain_encoding(content)
        if guess is None or guess.encoding == UTF_8:
            narrow.append((label, content))
        if guess is not None:
            known.setdefault(guess.encoding, (label, guess))
    unclear = [(label, content) for label, content in narrow if not fits(content, UTF_8)]
    if unclear:
        guess = guess_encoding([content for _, content in narrow])
        if guess is None:
            raise no_text_error(unclear[0][0])
        known.pop(UTF_8, None)
        known[guess.encoding] = unclear[0][0], guess
        for label, content in unclear[: MOST_COMPARED if len(unclear) > 1 else 0]:
            if other := better_encoding(content, guess.encoding):
                known.setdefault(other, (label, Guess(other, "")))
    if len(known) > 1:
        named = ", ".join(f"'{label}' seems to be {name}" for name, (label, _) in known.items())
        raise CorpusError(
            f"These texts are in several encodings: {named}.", "Convert them to one, such as utf-8."
        )
    return next((guess for _, guess in known.values()), Guess(UTF_8, "there is no text"))


def better_encoding(content: bytes, encoding: str) -> str | None:
    """The encoding in which a text that is not UTF-8 reads far better than in another."""
    odd = sample(line for line in lines_of(content) if not fits(line, UTF_8))
    encoding = codecs.lookup(encoding.removeprefix(MIXED)).name
    found = {codecs.lookup(name).name: value for name, (value, _) in ranking(odd).items()}
    best = next(iter(found), encoding)
    if found.get(encoding, AHEAD + found.get(best, 0.0)) - found.get(best, 0.0) < AHEAD:
        return None
    same = odd.decode(best, "replace") == odd.decode(encoding, "replace")
    return None if same else KNOWN_AS.get(best, best)


def joint_encoding(names: Iterable[str]) -> str | None:
    """The encoding in which texts can be read together that are in these; None if there is none."""
    known, others = set(names), sorted(set(names) - {UTF_8})
    if len(known) < 2:
        return next(iter(known), UTF_8)
    if len(others) > 1 or others[0].startswith(("utf-16", "utf-32")):
        return None
    return others[0] if others[0].startswith(MIXED) else mixed_name(others[0])


def no_text_error(label: str) -> CorpusError:
    """The error for bytes that no encoding makes a text of."""
    return CorpusError(
        f"No encoding that is known makes a text of '{label}': it may be binary.",
        "Name its encoding with --encoding, or have its bytes read with --units bytes.",
    )


class MisreadError(CorpusError):
    """A text that is not in the encoding that it was taken to be in.

    Attributes:
        naming: what to do: the option, with the encoding that it may be in.
    """

    def __init__(self, message: str, content: bytes) -> None:
        try:
            guess = settle([("", content)])
        except CorpusError as error:
            self.naming, hint = error.hint.removesuffix("."), error.hint
        else:
            self.naming = f"Name its encoding, which may be --encoding {guess.encoding}"
            hint = f"{self.naming}; --encoding auto guesses it."
        super().__init__(message, hint)
