"""What strangers hand on, and what users do with it: the cases of `mutations.py`."""

import io
import random
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import charlm
from charlm.errors import CharlmError
from charlm.files.archives import members
from charlm.settings_file.repeating import settings_toml
from charlm.tables.sources import open_table
from charlm.tasks.curves import training_curves
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.registry import list_runs
from charlm.tasks.summary import columns_of, settings_of, summary

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "support"))
from cli_runner import charlm as command

OLD, FORMATS = TESTS / "runs" / "old_runs", TESTS / "runs" / "old_formats"
CELLS = ("gru", "lstm-normalized", "mogrifier")
TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom.\n" * 3
TABLE = "text,label,y\n" + "".join(f"it was {n} so,{'ab'[n % 2]},{n}.5\n" for n in range(12))
TOML = """# settings
corpus = ["text.txt", 'other.txt']
cell = "lstm"
hidden-size = 12
learning_rate = 1e-3
tie_weights = false
epochs = 2
stop = ["a", \"\"\"
b\"\"\"]
"""


def nothing() -> None:
    """What a stranger tidies who leaves nothing behind."""


def unchanged(file: Path, content: bytes) -> bytes:
    """A content without a checksum that would have to be made anew."""
    return content


@dataclass(frozen=True)
class Stranger:
    """Something that a stranger hands on.

    Args:
        name: its kind.
        folder: where its files lie.
        use: does with it what users do, by chance one thing or another.
        weight: how often its turn comes.
        tidy: puts right what its use has changed.
        sealed: makes anew, for a file, what a damaged content would be refused by at once.
        on_disk: whether its files may also become folders, pipes and links.
    """

    name: str
    folder: Path
    use: Callable[[random.Random], object]
    weight: float = 1.0
    tidy: Callable[[], object] = nothing
    sealed: Callable[[Path, bytes], bytes] = unchanged
    on_disk: bool = True
    kept: list[Path] = field(default_factory=list)

    def files(self) -> list[Path]:
        """The files, relative to the folder; found once."""
        if not self.kept:
            found = (each for each in sorted(self.folder.rglob("*")) if each.is_file())
            self.kept.extend(each.relative_to(self.folder) for each in found)
        return self.kept


def strangers(folder: Path) -> Iterator[Stranger]:
    """One of each kind, in an empty folder."""
    for path in (*(OLD / name for name in CELLS), *sorted(FORMATS.iterdir())):
        if path.is_dir():
            yield run_of_a_stranger(path, folder / f"runs-{path.name}")
    yield settings_file(folder / "toml")
    for suffix in (".zip", ".tar", ".tar.gz"):
        yield archive(folder / suffix[1:], suffix)
    yield table(folder / "csv", "t.csv", TABLE)
    rows = ('{"text": "it was so", "label": "a", "y": 1.5}\n' * 4).encode().decode()
    yield table(folder / "jsonl", "t.jsonl", rows)
    if find_spec("constriction"):
        yield compressed(folder / "compressed")


# Runs


def run_of_a_stranger(path: Path, folder: Path) -> Stranger:
    """A run that is loaded, shown, used and gone on with."""
    shutil.copytree(path, folder / path.name)
    place, pristine = folder / path.name, path
    changed: list[bool] = []

    def use(rng: random.Random) -> None:
        run = charlm.load(place)
        repr(run), list(run.sections()), summary(run.directory), columns_of(run.directory)
        settings_of(run.directory), run.metrics(), run.result
        (kind,) = rng.choices(list(USES), list(USES.values()))
        if kind in WRITING:
            changed.append(True)
        kind(run, rng)

    def tidy() -> None:
        if changed:
            changed.clear()
            shutil.rmtree(folder)
            shutil.copytree(pristine, place)

    return Stranger("run", folder, use, 1.0, tidy)


def listed(run: charlm.Run, rng: random.Random) -> None:
    """`charlm runs list`, and `show` or `compare`, in a pipe or on a terminal."""
    found = list_runs(run.path.parent)
    assert len(found) == 1
    columns = rng.choice([None, 60, 120])
    words = rng.choice([["runs", "list"], ["runs", "show", run.name]])
    json = ["--json"] * (rng.random() < 0.3)
    said = command(*words, *json, "--runs-dir", str(run.path.parent), columns=columns)
    assert said.code in (0, 1)
    if columns is not None:
        written = (said.out + said.err).replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert "\x1b" not in written and "\x07" not in written, "drives the terminal"


def curves(run: charlm.Run, rng: random.Random) -> None:
    """The curves of its training."""
    training_curves([run.directory], rng.choice(["steps", "items", "minutes"]))


def used(run: charlm.Run, rng: random.Random) -> None:
    """Text that it writes, or what it predicts."""
    if isinstance(run.directory, LanguageModelRun):
        run.generate("it was", length=4, seed=1)
    elif run.directory.record.task == "classification":
        run.predict(["it was good", ""])
    else:
        row = {"a": "1", "b": "2", "y": "1", "time": "2020-01-01 00:00"}
        run.predict(["it was good"] if run.name == "rated" else [row] * 5)


def loaded(run: charlm.Run, rng: random.Random) -> None:
    """Its model, its training state, and what else lies in it."""
    run.model()
    directory = run.directory
    with suppress(CharlmError):
        directory.load_last()
    getattr(directory, "baselines", None)
    settings_toml(directory)


def scored(run: charlm.Run, rng: random.Random) -> None:
    """Its own data scored."""
    run.evaluate()


def exported(run: charlm.Run, rng: random.Random) -> None:
    """A file to hand on."""
    run.export(rng.choice(["safetensors", "page"]))


def resumed(run: charlm.Run, rng: random.Random) -> None:
    """A few more steps."""
    charlm.resume(run.path, max_steps=20)


def reported(run: charlm.Run, rng: random.Random) -> None:
    """A page about it."""
    page = run.report()
    assert "\x1b" not in page and "<script>alert" not in page


def started_from(run: charlm.Run, rng: random.Random) -> None:
    """A run that starts from it."""
    text = charlm.Corpus.from_text(TEXT)
    charlm.train(text, run="child", runs_dir=run.path.parent, init_from=run.path, max_steps=1)


def state_used(run: charlm.Run, rng: random.Random) -> None:
    """A text that goes on from a state that it keeps."""
    directory = run.path.parent
    said = command("generate", "--run", str(run.path), "--from-state", "opening", "--length", "3")
    assert said.code in (0, 1, 2), directory


# How often, in percent. What takes long, a page a second and more, is done now and then.
USES: dict[Callable[[charlm.Run, random.Random], None], float] = {
    used: 40,
    loaded: 30,
    curves: 12,
    listed: 6,
    scored: 6,
    exported: 3,
    state_used: 1.5,
    resumed: 1,
    started_from: 0.4,
    reported: 0.1,
}
WRITING = (scored, resumed, reported, started_from)


# Other files


def settings_file(folder: Path) -> Stranger:
    """A settings file, which is read."""
    folder.mkdir(parents=True)
    path = folder / "s.toml"
    path.write_text(TOML)
    return Stranger("toml", folder, lambda rng: charlm.read_settings(path), 2.0, on_disk=False)


def archive(folder: Path, suffix: str) -> Stranger:
    """An archive of labelled texts, whose members and rows are read."""
    folder.mkdir(parents=True)
    path = folder / f"a{suffix}"
    files = {f"top/{label}/{n}.txt": f"{label} {n}".encode() for label in "ab" for n in range(3)}
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as made:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))

    def use(rng: random.Random) -> None:
        for each in members(path):
            each.read()
        list(open_table(path))

    return Stranger("archive", folder, use, 1.0, on_disk=False)


def table(folder: Path, name: str, content: str) -> Stranger:
    """A table, whose rows are read."""
    folder.mkdir(parents=True)
    (folder / name).write_text(content)
    return Stranger("table", folder, lambda rng: list(open_table(folder / name)), on_disk=False)


def compressed(folder: Path) -> Stranger:
    """A compressed text, which is decompressed by the run that it names."""
    run = charlm.load(OLD / "gru")
    folder.mkdir(parents=True)
    path = folder / "t.charlm"
    path.write_bytes(run.compress(TEXT.encode()))

    def sealed(file: Path, content: bytes) -> bytes:
        """With a checksum that fits, as a stranger can make one."""
        return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "little")

    def use(rng: random.Random) -> None:
        run.decompress(path.read_bytes())

    return Stranger("compressed", folder, use, 1.0, sealed=sealed, on_disk=False)
