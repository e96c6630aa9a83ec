"""Language models to compress with, and texts."""

import json
import shutil
from pathlib import Path

from charlm.tasks.language_modeling.run import LanguageModelRun, as_language_model
from charlm.tasks.registry import open_run

OLD = Path(__file__).resolve().parents[1] / "runs" / "old_runs"
# Of all that may stand in a file: line ends, a byte-order mark, other scripts, what is no UTF-8.
ODD = {
    "nothing": b"",
    "one": b"t",
    "one unknown": "é".encode(),
    "line ends": b"it\r\nwas\rso\n\r\n\r\nand so",
    "mark": b"\xef\xbb\xbfit was so",
    "Persian": "سلام دنیا، این یک متن فارسی است.\n".encode() * 5,
    "emoji": "it was 😀😀👍🏽 so".encode(),
    "capitals": b"It was SO; and so, too.",
    "lower case of two characters": "İstanbul ΟΔΟΣ ß ﬁ".encode(),
    "utf-16": "it was so".encode("utf-16"),
    "latin-1": "caf\u00e9 au lait".encode("latin-1"),
    "surrogates": "\ud800\udc80".encode("utf-8", "surrogatepass"),
    "no text": bytes(range(256)),
    "blanks": b" \t\n  \n",
}


def run_of(name: str = "gru") -> LanguageModelRun:
    """One of the small runs that earlier versions made."""
    return as_language_model(open_run(OLD / name))


def run_normalized(folder: Path, normalization: str) -> LanguageModelRun:
    """Such a run whose text was normalized."""
    path = folder / normalization
    shutil.copytree(OLD / "gru", path)
    record = json.loads((path / "run.json").read_text())
    record["corpus"]["normalization"] = normalization
    (path / "run.json").write_text(json.dumps({**record, "name": normalization}))
    return as_language_model(open_run(path))
