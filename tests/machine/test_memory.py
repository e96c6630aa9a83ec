"""What memory cannot hold is refused before anything is allocated."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runner import charlm
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm import api
from charlm.config import ModelConfig, TextTrainConfig
from charlm.language_model import LanguageModel
from charlm.machine.memory import (
    NotEnoughMemoryError,
    as_bytes,
    available_memory,
    check_memory,
    is_shortage,
    memory_at_hand,
)
from charlm.rnn.cells import CELLS
from charlm.tasks.language_modeling.sizes import lasting_bytes, parameter_count, step_bytes
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.text.corpus import Corpus
from charlm.training.learner import Learner

SMALL = ("--max-steps", "2", "--hidden-size", "5", "--batch-size", "3", "--seq-length", "7")
HUGE = "99999999999999999999999"
GB = 10**9

configs = st.builds(
    ModelConfig,
    vocabulary_size=st.integers(2, 9),
    cell=st.sampled_from(sorted(CELLS)),
    hidden_size=st.integers(1, 7),
    num_layers=st.integers(1, 3),
    embedding_size=st.integers(1, 7),
    tie_weights=st.booleans(),
    layer_norm=st.booleans(),
    mogrifier_rounds=st.integers(0, 7),
    mogrifier_rank=st.integers(1, 4),
)


@given(configs)
@settings(deadline=None, max_examples=100)
def test_parameters_are_counted_without_a_model(config: ModelConfig) -> None:
    assert parameter_count(config) == LanguageModel(config, "scratch").parameter_count


def test_parameters_of_one_hot_input() -> None:
    config = ModelConfig(vocabulary_size=11, hidden_size=6)
    assert parameter_count(config) == LanguageModel(config, "scratch").parameter_count


@pytest.mark.parametrize(
    "train",
    [
        TextTrainConfig(max_steps=1),
        TextTrainConfig(max_steps=1, optimizer="sgd"),
        TextTrainConfig(max_steps=1, optimizer="sgd", momentum=0.9, ema_decay=0.99),
        TextTrainConfig(max_steps=1, optimizer="adam", ema_decay=0.99),
    ],
    ids=["adamw", "sgd", "sgd, momentum, average", "adam, average"],
)
def test_what_is_kept_is_what_a_snapshot_holds(train: TextTrainConfig) -> None:
    config = ModelConfig(vocabulary_size=11, hidden_size=30, num_layers=2)
    model = LanguageModel(config, "scratch")
    model.initialize("uniform", 0)
    ids = np.zeros(3000, dtype=np.uint8)
    learner = Learner(LanguageModeling(model, ids, ids[:0], train), train)
    weights, tensors, _ = learner.capture()
    prefixes = ("optimizer/exp", "optimizer/momentum", "ema/")
    held = [*weights.values(), *(v for k, v in tensors.items() if k.startswith(prefixes))]
    assert lasting_bytes(config, train) == sum(each.nbytes for each in held)


def test_a_step_is_counted_as_no_more_than_autograd_saves() -> None:
    config = ModelConfig(vocabulary_size=11, cell="lstm", hidden_size=40, num_layers=2)
    train = TextTrainConfig(max_steps=1, batch_size=8, seq_length=20)
    model = LanguageModel(config, "scratch")
    model.initialize("uniform", 0)
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    ids = torch.randint(11, (21, 8))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits, _ = model(ids[:-1], model.initial_state(8))
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())
    activations = step_bytes(config, train) - 4 * parameter_count(config)
    assert 0.2 * sum(saved.values()) < activations < sum(saved.values()) + logits.nbytes


# What there is


def linux(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


MEMINFO = "MemTotal: 32000000 kB\nMemAvailable: 20000000 kB\nSwapFree: 1000000 kB\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/meminfo": MEMINFO}, 21_000_000 * 1024),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/memory.max": "4000000000\n",
                "sys/fs/cgroup/job/memory.current": "3000000000\n",
                "sys/fs/cgroup/job/memory.stat": "anon 5\ninactive_file 500000000\n",
                "sys/fs/cgroup/job/step/memory.max": "max\n",
                "sys/fs/cgroup/job/step/memory.current": "1\n",
            },
            1_500_000_000,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/abc\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000\n",
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 100\n",
            },
            1_500_000_100,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000\n",
            },
            21_000_000 * 1024,
        ),
    ],
    ids=["no groups", "version 2", "version 1 in a container", "no limit"],
)
def test_available_memory(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert available_memory(linux(tmp_path, files)) == expected


def test_without_linux_it_is_all_that_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("os.sysconf", numbers.__getitem__)
    assert available_memory(tmp_path) == 4_096_000
    monkeypatch.delattr("os.sysconf")
    assert available_memory(tmp_path) is None
    check_memory("All", 10**30, None, "")


def test_here_it_is_between_something_and_everything() -> None:
    available = available_memory()
    assert available is None or 10**7 < available < 10**15


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (5, "0.005 kB"), (123_456_789, "120 MB"), (19_876_543_210, "20 GB"),
        (3_210_000_000_000, "3.2 TB"), (5 * 10**17, "500,000 TB"), (10**400, "a billion TB"),
    ],
)  # fmt: skip
def test_sizes_in_words(size: int, words: str) -> None:
    assert as_bytes(size) == words


# What is refused


@pytest.fixture
def with_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    (tmp_path / "book.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    assert charlm("train", "book.txt", "--run", "good", *SMALL).code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("options", "smaller"),
    [
        (("--hidden-size", "10000000"), "--hidden-size"),
        (("--hidden-size", "9223372036854775808"), "--hidden-size"),
        (("--hidden-size", HUGE, "--max-minutes", "0.1"), "--hidden-size"),
        (("--embedding-size", "100000000000"), "--embedding-size"),
        (("--embedding-size", "100000000000", "--max-minutes", "0.1"), "--embedding-size"),
        (("--num-layers", "10000000"), "--num-layers"),
        (("--cell", "mogrifier", "--mogrifier-rank", "1000000000000"), "--mogrifier-rank"),
        (("--cell", "mogrifier", "--mogrifier-rounds", "1000000000"), "--mogrifier-rounds"),
    ],
)
def test_a_model_that_memory_cannot_hold(
    with_run: Path, options: tuple[str, ...], smaller: str
) -> None:
    result = charlm("train", "book.txt", "--run", "large", "-q", *options)
    assert result.code == 1
    assert result.out == ""
    assert "Training this model would take at least" in result.err
    assert f"are free. Give a smaller {smaller}." in result.err
    assert not (with_run / "runs/large").exists()


def test_windows_that_memory_cannot_hold(with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charlm.tasks.language_modeling.sizes.available_memory", lambda: 2 * 10**7)
    (with_run / "long.txt").write_text("abcde " * 20_000)
    long = ("train", "long.txt", "--run", "large", "--hidden-size", "32", "--max-steps", "1")
    result = charlm(*long, "--batch-size", "8000", "--seq-length", "12")
    assert "Give a smaller --batch-size." in result.err
    result = charlm(*long, "--batch-size", "12", "--seq-length", "8000")
    assert "Give a smaller --seq-length." in result.err


@pytest.mark.parametrize(
    "options",
    [
        ("--num-samples", "100000000000"),
        ("--num-samples", HUGE),
        ("--num-samples", "2", "--length", HUGE),
        ("--length", HUGE, "--json"),
    ],
)
def test_texts_that_memory_cannot_hold(with_run: Path, options: tuple[str, ...]) -> None:
    result = charlm("generate", *options)
    assert result.code == 1
    assert result.out == ""
    assert "are free. Give a smaller --num-samples or --length." in result.err


def test_one_text_is_streamed_whatever_its_length(with_run: Path) -> None:
    length = int(HUGE)
    texts = api.load("good").stream(length=length, seed=1)
    assert len("".join(islice(texts, 5))) >= 5


def test_a_run_that_this_machine_cannot_hold(
    with_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charlm.tasks.language_modeling.sizes.available_memory", lambda: 1000)
    result = charlm("train", "--resume", "good", "--max-steps", "4")
    assert result.code == 1
    assert "Go on where there is more memory." in result.err
    assert "more memory" in charlm("eval").err


@pytest.mark.parametrize(
    "option",
    [
        "--max-steps", "--epochs", "--patience", "--eval-every", "--eval-characters",
        "--val-characters", "--train-characters", "--warmup-steps", "--average-after", "--seed",
        "--batch-size", "--seq-length",
    ],
)  # fmt: skip
def test_numbers_beyond_64_bits_are_numbers(with_run: Path, option: str) -> None:
    small = list(SMALL)
    if option in small:
        at = small.index(option)
        small[at : at + 2] = []
    limit = ("--max-minutes", "0.0001", "--hidden-size", "5") if option == "--max-steps" else ()
    result = charlm("train", "book.txt", "--run", "far", option, HUGE, *small, *limit)
    assert result.code == 0, result.err


def test_other_numbers_beyond_64_bits(with_run: Path) -> None:
    assert charlm("train", "book.txt", "--min-count", HUGE).code == 2
    assert charlm("vocab", "book.txt", "--min-count", HUGE).code == 0
    for option in ("--top-k", "--seed"):
        assert len(charlm("generate", option, HUGE, "--length", "9").out) == 10
    for number in ("1e30", "9" * 5000):
        assert charlm("generate", "--seed", number).code == 2


# What is raised where the check did not see it coming


def test_shortages_by_their_words() -> None:
    for make in (
        lambda: torch.empty(2**62),
        lambda: torch.empty(2**40, 2**40),
        lambda: torch.empty(10**15),
    ):
        with pytest.raises(RuntimeError) as raised:
            make()
        assert is_shortage(raised.value)
    assert not is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("Storage size calculation overflowed with sizes=[1]"),
    ],
    ids=str,
)
def test_a_shortage_is_a_sentence(
    with_run: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("charlm.sessions.session.Trainer", fail)
    monkeypatch.setattr("charlm.tasks.language_modeling.evaluation_text.open_corpus", fail)
    result = charlm("train", "book.txt", *SMALL)
    assert result.code == 1
    assert "There is not enough memory for this. Give a smaller --batch-size" in result.err
    with pytest.raises(NotEnoughMemoryError):
        api.train(Corpus.from_text("abc" * 100), hidden_size=4, max_steps=1)
    scored = charlm("eval", "book.txt")
    assert scored.code == 1
    assert scored.err == "Error: There is not enough memory for this.\n"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="no shortage"), memory_at_hand(""):
        raise ValueError("no shortage")
