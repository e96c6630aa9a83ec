"""Named corpora: what each one is, where it comes from and where its file is kept."""

import os
from dataclasses import dataclass
from pathlib import Path

from charlm.files.paths import bundled_file, expanded


@dataclass(frozen=True)
class CatalogEntry:
    """One named corpus, known by its checksum: a UTF-8 text file, or an archive of labelled texts.

    Such an archive is kept as it comes. As a text, its texts without a label are read.
    """

    name: str
    title: str
    licence: str
    normalization: str  # the default, a name in NORMALIZATIONS
    size: int  # of the file that is kept, in bytes
    sha256: str  # of that file
    source: str  # where the file and its checksum come from
    urls: tuple[str, ...] = ()  # mirrors, tried in order; empty if the file is bundled with charlm
    member: str = ""  # the text's name inside the archive, if the URLs point to a zip
    archive_sha256: str = ""  # of the zip, checked before it is opened
    texts: str = ""  # of an archive of labelled texts: its folder of texts without a label
    prefix: str | None = None  # a good prefix to generate from


DEFAULT_CORPUS = "time-traveller"

_ENTRIES = (
    CatalogEntry(
        name="time-traveller",
        title="The Clockmaker's Interval, a novella written for charlm",
        licence="CC0 1.0",
        normalization="letters",
        size=197_686,
        sha256="1b3df763a4592236096335ffea0e88e60a789f62fce1edd050e27a631f44f71a",
        source="bundled with charlm; described in data/SOURCE.md",
        prefix="time traveller",
    ),
    CatalogEntry(
        name="time-machine",
        title="The Time Machine, H. G. Wells (d2l.ai's file)",
        licence="public domain (published 1895)",
        normalization="letters",
        size=178_979,
        sha256="8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
        source=(
            "d2l.ai's data folder. d2l gives the file's SHA-1, "
            "090b5e7e70c295757f55df93cb0a180b9691891a; the SHA-256 is that of the file with it."
        ),
        urls=("https://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",),
        prefix="time traveller",
    ),
    CatalogEntry(
        name="time-machine-gutenberg",
        title="The Time Machine, H. G. Wells (Project Gutenberg #35, with its licence text)",
        licence="public domain in the USA; Project Gutenberg's terms",
        normalization="letters",
        size=204_384,
        sha256="2892e919000e17c83e1dac51b30f4675db50536b644d7579fe8a89bb399a9bdc",
        source=(
            "gutenberg.org/ebooks/35, the release of 2026-06-16; a later one will be refused. "
            "Size and checksum: as several public projects that pin this release give them."
        ),
        urls=("https://www.gutenberg.org/cache/epub/35/pg35.txt",),
        prefix="time traveller",
    ),
    CatalogEntry(
        name="tiny-shakespeare",
        title="Tiny Shakespeare, 40,000 lines of the plays (char-rnn's and nanoGPT's file)",
        licence="public domain",
        normalization="none",
        size=1_115_394,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        source=(
            "github.com/karpathy/char-rnn. Checksum: tensorflow/datasets "
            "(url_checksums/tiny_shakespeare.txt) and huggingface/datasets "
            "(datasets/tiny_shakespeare/dataset_infos.json)."
        ),
        urls=(
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        ),
    ),
    CatalogEntry(
        name="shakespeare",
        title="Shakespeare's works in one file (char-rnn's larger one)",
        licence="public domain",
        normalization="none",
        size=4_573_338,
        sha256="59a0ad62833b2e15ec811c548618876359e902717431236e52699a0e2bc253ca",
        source=(
            "cs.stanford.edu/people/karpathy/char-rnn. Checksum: LuxDL/Lux.jl "
            "(examples/NanoGPT/main.jl); size: asmaloney/min-char-rnn (README.md)."
        ),
        urls=("https://cs.stanford.edu/people/karpathy/char-rnn/shakespeare_input.txt",),
    ),
    CatalogEntry(
        name="text8",
        title="text8, Wikipedia of March 2006 cleaned to a-z and space",
        licence="GFDL and CC BY-SA 3.0 (Wikipedia's)",
        normalization="none",
        size=100_000_000,
        sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        source=(
            "mattmahoney.net/dc/textdata.html. Checksums: TheCoolestElliot/text-snn "
            "(src/snn/data.py), madcato/pytorch-word2vec (word2vec/dataset.py) and "
            "utndatasystems/compression-economics (research/papers/neurips_2026/README.md)."
        ),
        urls=("https://mattmahoney.net/dc/text8.zip", "https://data.deepai.org/text8.zip"),
        member="text8",
        archive_sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
    ),
    CatalogEntry(
        name="enwik8",
        title="enwik8, the first 100 million bytes of Wikipedia of March 2006, mark-up and all",
        licence="GFDL and CC BY-SA 3.0 (Wikipedia's)",
        normalization="none",
        size=100_000_000,
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        source=(
            "mattmahoney.net/dc/textdata.html. Checksums: huggingface/datasets "
            "(datasets/enwik8/dataset_infos.json, of the zip), "
            "Federated-Industrial-Laboratories/bytepair (bench/audit.sh) and "
            "TheCoolestElliot/text-snn (src/snn/data.py)."
        ),
        urls=("https://mattmahoney.net/dc/enwik8.zip", "https://data.deepai.org/enwik8.zip"),
        member="enwik8",
        archive_sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
    ),
    CatalogEntry(
        name="imdb",
        title="50,000 film reviews with labels (Maas et al. 2011); as a text, others without",
        licence="none named: for research that cites Maas et al. 2011",
        normalization="none",
        size=84_125_825,
        sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
        source=(
            "ai.stanford.edu/~amaas/data/sentiment, the archive aclImdb_v1. Size and checksum: "
            "tensorflow/datasets (datasets/imdb_reviews/checksums.tsv) and huggingface/datasets "
            "(datasets/imdb/dataset_infos.json)."
        ),
        urls=("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
        texts="aclImdb/train/unsup",
    ),
)

CATALOG: dict[str, CatalogEntry] = {entry.name: entry for entry in _ENTRIES}


def cache_folder() -> Path:
    """Folder of downloaded corpora: $CHARLM_CACHE_DIR, else the user's cache folder.

    Raises:
        UsageError: its path begins with an unknown home folder.
    """
    if chosen := os.environ.get("CHARLM_CACHE_DIR"):
        return expanded(chosen)
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("charlm", appauthor=False)
    except RuntimeError:  # newer platformdirs, if the home is unknown; older ones keep the ~
        folder = Path("~")
    return expanded(folder, "Set CHARLM_CACHE_DIR to a folder for corpora.")


def corpus_path(entry: CatalogEntry) -> Path:
    """Path of the entry's file, which may not be downloaded yet."""
    if entry.urls:
        return cache_folder() / f"{entry.name}{'.tar.gz' if entry.texts else '.txt'}"
    return bundled_file(f"{entry.name}.txt")


def is_available(entry: CatalogEntry) -> bool:
    """Whether the entry's file exists and has the right size; its checksum is not verified."""
    try:
        return corpus_path(entry).stat().st_size == entry.size
    except OSError:
        return False
