"""Compressing the bytes of a text with a run, and getting them back."""

import codecs
import hashlib
import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charlm.compression.coder import SLACK, CompressionError, Decoder, Encoder, damaged, library
from charlm.compression.container import HASH, MODEL_ALONE, UTF_8, Header, pack, unpack
from charlm.compression.model import TOTAL
from charlm.compression.spelling import segmentation_of, segments
from charlm.compression.text_coder import TextCoder
from charlm.errors import CorpusError, RunError, SettingError, UsageError
from charlm.progress import ProgressCallback, ignore_progress
from charlm.runs.store import folder_called, runs_folder, shipped_run
from charlm.tasks.language_modeling.run import LanguageModelRun, as_language_model
from charlm.tasks.registry import find_run
from charlm.text.detection import AUTO, settle
from charlm.text.tokens import BYTES

# Bytes that are not UTF-8 become lone surrogates, and such a surrogate the byte again.
KEEP_BYTES = "surrogateescape"
KEPT = "Leave out the encoding: bytes of any kind are kept."


@dataclass(frozen=True)
class Compressed:
    """A compressed text.

    Args:
        content: the compressed file.
        header_size: bytes of it that are not the text's: header and checksum.
        characters: how many the run has read, after its normalization.
        unknown: how many of them it lacks.
        respelled: how many of the others stand for something else, such as a capital.
        encoding: the one in which the text was read.
    """

    content: bytes
    header_size: int
    characters: int
    unknown: int
    respelled: int
    encoding: str


def compress(
    run: LanguageModelRun,
    content: bytes,
    encoding: str = UTF_8,
    report: ProgressCallback = ignore_progress,
) -> Compressed:
    """Compress the bytes of a text, whatever they are.

    Args:
        encoding: of the text. Bytes that are not UTF-8 are kept; another encoding must fit. With
            "auto" it is the one that the text seems to be in.
        report: called now and then with the number of characters done and the total.

    Raises:
        CompressionError: constriction is not installed.
        CorpusError: the bytes are no text in this encoding, or would not come back the same.
        RunError: the run is damaged.
        SettingError: there is no such encoding.
    """
    library()
    check_reads_running_text(run)
    about = model_hash(run)
    units = run.vocabulary.units
    if units == BYTES:
        if encoding != UTF_8:
            raise SettingError("encoding", f"is of characters, and '{run.name}' reads bytes.")
        encoding = "latin-1"  # in which every byte is a character
    text, encoding = decoded(content, encoding)
    entries, spellings = segments(text, segmentation_of(units, run.normalization))
    ids = run.vocabulary.encode_tokens(entries)
    encoder = Encoder()
    TextCoder(run, encoder, len(ids), len(text)).code(ids, spellings, report)
    coded = encoder.written()
    header = Header(run.name, about, encoding, zlib.crc32(content), len(content), len(ids))
    made = pack(header, coded)
    known = [pair for pair in zip(ids, entries, spellings, strict=True) if pair[0]]
    return Compressed(
        made,
        header_size=len(made) - len(coded),
        characters=len(ids),
        unknown=len(ids) - len(known),
        respelled=sum(entry != spelling for _, entry, spelling in known),
        encoding=encoding,
    )


def decompress(
    run: LanguageModelRun, content: bytes, report: ProgressCallback = ignore_progress
) -> bytes:
    """The bytes that `compress` was given.

    Args:
        report: called now and then with the number of characters done and the total.

    Raises:
        CompressionError: this is no compressed text, is damaged, was written by another version or
            with another model, or constriction is not installed.
        RunError: the run is damaged.
    """
    library()
    check_reads_running_text(run)
    header, coded = unpack(content)
    check_model(run, header)
    check_size(run, header, coded)
    mixes = header.version > MODEL_ALONE
    coder = TextCoder(run, Decoder(coded), header.segments, header.size, mixes)
    found = coder.code((), (), report)
    text = "".join(spelling for part in found for spelling in part)
    try:
        made = encoded(text, header.encoding)
    except (LookupError, UnicodeError):
        raise damaged("is damaged") from None
    if len(made) != header.size or zlib.crc32(made) != header.crc:
        raise CompressionError(
            "What came out is not what was compressed: its checksum does not fit.",
            "Use the versions of charlm and constriction that it was compressed with.",
        )
    return made


def run_of(
    content: bytes, name: str | Path | None = None, folder: str | Path | None = None
) -> LanguageModelRun:
    """The run of a compressed text, by the name that stands in it, or another one.

    Args:
        name: name or path of the run; None stands for the one it names.
        folder: folder of the runs; by default the usual one.

    Raises:
        CompressionError: this is no compressed text, is damaged or of another version, or there is
            no run of its name.
        RunError: there is no run called `name`, or the run is damaged.
        UsageError: the run is no language model.
    """
    header, _ = unpack(content)
    if name is not None:
        return as_language_model(find_run(name, folder))
    where = runs_folder(folder)
    found = folder_called(header.run, where)
    if found is None and header.run == shipped_run().name:
        found = shipped_run()
    if found is None:
        raise CompressionError(
            f"The text was compressed with the run '{header.run}', and there is none called so in "
            f"'{where}'.",
            "Name that run with --run, or its folder with --runs-dir.",
        )
    return as_language_model(find_run(found))


def decoded(content: bytes, encoding: str) -> tuple[str, str]:
    """The text, and the encoding that gives the same bytes again."""
    if encoding == AUTO:
        return decoded_as_guessed(content)
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise SettingError("encoding", f"'{encoding}' is not known.") from None
    if name == UTF_8:
        return content.decode(UTF_8, KEEP_BYTES), UTF_8
    if name in ("utf-16", "utf-32"):
        # These write the byte order of the machine; name the text's own.
        first = content[: 2 if name == "utf-16" else 4]
        name += "-be" if first.lstrip(b"\0")[:2] == b"\xfe\xff" else "-le"
    try:
        text = content.decode(name)
        same = encoded(text, name) == content
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"The text is not {encoding}: byte 0x{content[error.start]:02X} at offset "
            f"{error.start:,} cannot stand there.",
            KEPT,
        ) from None
    except (LookupError, UnicodeError):
        raise SettingError("encoding", f"'{encoding}' does not fit.") from None
    if not same:
        raise CorpusError(
            f"The text would not come back the same from {encoding}, which can spell it in several "
            "ways.",
            KEPT,
        )
    return text, name


def decoded_as_guessed(content: bytes) -> tuple[str, str]:
    """The text in the encoding that it seems to be in, if that keeps all bytes, else in UTF-8."""
    with suppress(CorpusError, SettingError):
        return decoded(content, settle([("", content)]).encoding)
    return decoded(content, UTF_8)


def encoded(text: str, encoding: str) -> bytes:
    """The inverse of `decoded`."""
    return text.encode(encoding, KEEP_BYTES if encoding == UTF_8 else "strict")


def model_hash(run: LanguageModelRun) -> bytes:
    """A hash of all that a run's predictions depend on.

    Raises:
        RunError: a weight is not a finite number.
    """
    model, vocabulary = run.settings.model, run.vocabulary
    known = [run.normalization, vocabulary.units, vocabulary.entries, vocabulary.counts]
    about = [model.cell, model.reset_after, model.zoneout, *known, vocabulary.unknown_count]
    # Left out of plain models, so that files from before there was such a gate go on fitting them.
    if model.capped_gate:
        about.append("capped gate")
    digest = hashlib.sha256(json.dumps(about).encode())
    for name, each in sorted(run.load_weights().items()):
        if not np.isfinite(each).all():
            raise RunError(
                f"The run '{run.name}' cannot compress: its weights are not all finite numbers.",
                "Train it again.",
            )
        digest.update(f"{name} {each.shape}".encode())
        digest.update(np.ascontiguousarray(each, "<f4").tobytes())
    return digest.digest()[:HASH]


def check_reads_running_text(run: LanguageModelRun) -> None:
    """Raise UsageError for a run over documents, which has nothing between two of them."""
    if run.vocabulary.document_id:
        raise UsageError(
            f"The run '{run.name}' reads documents, and what is compressed is one running text.",
            "Name another run.",
        )


def check_model(run: LanguageModelRun, header: Header) -> None:
    """Raise CompressionError if a text was compressed with another model."""
    if model_hash(run) == header.model_hash:
        return
    if run.name == header.run:
        raise CompressionError(
            f"The run '{run.name}' is not as it was when it compressed this text.",
            "Name a copy of the run as it was then: if it was trained on, this one cannot read it.",
        )
    raise CompressionError(
        f"This text was compressed with the run '{header.run}', and '{run.name}' is another model.",
        "Name that run with --run.",
    )


def check_size(run: LanguageModelRun, header: Header, coded: bytes) -> None:
    """Raise CompressionError if so few bytes cannot hold a text as long as they claim."""
    bits = 8 * len(coded) + SLACK
    # The most probable entry still takes log2(TOTAL / (TOTAL - V + 1)) bits, which is more than
    # (V - 1) / TOTAL, a character of a spelling more than 1 / TOTAL, and one has up to four bytes.
    fits = header.segments <= bits * TOTAL / (len(run.vocabulary) - 1)
    fits &= header.size <= 4 * (header.segments + bits * TOTAL)
    if not fits or len(coded) % 4 or (header.segments == 0) != (header.size == 0):
        raise damaged(
            f"claims {header.segments:,} characters in {header.size:,} bytes, which do not fit in "
            f"its {len(coded):,} bytes"
        )
