"""What training asks of a GPU, on torch's device `meta`: there nothing has a value.

So whatever would wait for a value, such as `.item()`, a branch, or a choice by a mask, is an error.
Copies from the host must be those of `to_device`, which no GPU waits for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from charlm.config import EncoderConfig, ModelConfig, TextTrainConfig
from charlm.language_model import LanguageModel
from charlm.machine import device as device_room
from charlm.rnn.encoder import Encoder
from charlm.tasks.language_modeling import document_windows, readers, windows
from charlm.tasks.language_modeling.readers import DeviceReader, HostReader
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.tasks.supervised import examples
from charlm.tasks.supervised import training as supervised
from charlm.training import learner as learners
from charlm.training.learner import Learner

META = torch.device("meta")


class Copies(TorchDispatchMode):
    """Counts copies from the host that others than `to_device` make."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = 0
        self.others: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [each for each in args if isinstance(each, torch.Tensor)]
        # A number that Python passes on is a tensor without axes, and goes along with the call.
        from_host = any(each.device.type == "cpu" and each.dim() for each in tensors)
        if from_host and not self.allowed and "meta" in str(getattr(result, "device", "")):
            self.others.append(str(function))
        return result

    def counted(self, copy: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def to_device(*arguments: Any) -> torch.Tensor:
            self.allowed += 1
            try:
                return copy(*arguments)
            finally:
                self.allowed -= 1

        return to_device


@contextmanager
def no_waiting(patch: pytest.MonkeyPatch) -> Iterator[None]:
    copies = Copies()
    counted = copies.counted(device_room.to_device)
    for room in (readers, windows, document_windows, examples, supervised):
        patch.setattr(room, "to_device", counted)
    with copies:
        yield
    assert not copies.others


@pytest.fixture(autouse=True)
def meta_as_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    # Numbers that are drawn on the host, as on the CPU, have values.
    monkeypatch.setattr(learners, "seed_generators", lambda device, seed: None)


KINDS: dict[str, dict[str, object]] = {
    "plain": {},
    "embedding and dropout": {
        "embedding_size": 4,
        "input_dropout": 0.1,
        "output_dropout": 0.2,
        "weight_drop": 0.3,
        "num_layers": 2,
        "dropout": 0.2,
    },
    "one-hot with dropout": {"input_dropout": 0.1},
    "tied and normalized": {"embedding_size": 4, "tie_weights": True, "layer_norm": True},
    "zoneout": {"zoneout": 0.2, "cell": "lstm"},
    "mogrifier": {"cell": "mogrifier", "embedding_size": 4},
    "mingru": {"cell": "mingru", "embedding_size": 4},
}
WINDOWS: dict[str, dict[str, object]] = {
    "sequential": {"reset_probability": 0.2, "activation_penalty": 0.1, "temporal_penalty": 0.1},
    "random": {"sampling": "random"},
    "of random lengths": {"random_lengths": True},
}


def learner_of(sizes: dict[str, object], settings: dict[str, object]) -> Learner:
    document_id = 1 if settings.pop("documents", None) else 0
    config = ModelConfig(vocabulary_size=11, hidden_size=6, document_id=document_id, **sizes)  # type: ignore[arg-type]
    values: dict[str, object] = {"batch_size": 3, "seq_length": 5, "epochs": 9, "ema_decay": 0.9}
    train = TextTrainConfig(**values | settings)  # type: ignore[arg-type]
    ids = np.random.default_rng(0).integers(2, 11, 300, dtype=np.uint8)
    if document_id:
        ids[::17] = document_id
    model = LanguageModel(config, "scratch").to(META)
    return Learner(LanguageModeling(model, ids, ids[:0], train), train)


def train(learner: Learner, patch: pytest.MonkeyPatch) -> None:
    """A step of one epoch and one of the next, and what the trainer does between them."""
    learner.task.load_epoch(0)
    learner.step(0, 0.1)
    with no_waiting(patch):
        for epoch, window in ((0, 1), (1, 0)):
            learner.task.load_epoch(epoch)
            learner.step(window, 0.1)
            learner.averages.update(2, 0)
            learner.totals.end_epoch(9)
            learner.zero_state()


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [*((kind, "adamw") for kind in KINDS), ("plain", "sgd"), ("plain", "adam")],
)
def test_no_step_waits_for_a_value(
    kind: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(learner_of(KINDS[kind], {"optimizer": optimizer}), monkeypatch)


@pytest.mark.parametrize("reader", [DeviceReader, HostReader])
@pytest.mark.parametrize("layout", [*WINDOWS, "documents"])
def test_no_window_waits_for_the_device(
    layout: str, reader: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "make_reader", reader)
    settings = WINDOWS.get(layout, {"documents": True})
    train(learner_of({}, {**settings, "clip_norm": float(reader is HostReader)}), monkeypatch)


@pytest.mark.parametrize("settings", [{}, {"bidirectional": True, "encoder_pooling": "last"}])
@pytest.mark.parametrize("lengths", [(4, 4), (1, 6)])
def test_no_batch_of_texts_waits_for_the_device(
    settings: dict[str, object], lengths: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = EncoderConfig(vocabulary_size=9, hidden_size=5, embedding_size=4, **settings)  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    long = random.integers(lengths[0], lengths[1] + 1, 12)
    steps = random.integers(0, 9, int(long.sum()), dtype=np.uint8)
    sequences = examples.Sequences(steps, np.cumsum(long) - long, long)
    config = supervised.EncoderTrainConfig(batch_size=4, epochs=3)
    task = supervised.EncoderTraining(
        Encoder(sizes, "scratch").to(META),
        sequences,
        random.integers(0, 2, 12),
        sequences,
        random.integers(0, 2, 12),
        config,
        torch.nn.functional.cross_entropy,
        lambda outputs, targets: pytest.fail("nothing is scored"),
        9.0,
    )
    train(Learner(task, config), monkeypatch)


def test_a_value_that_is_read_is_an_error_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: in each of the ways that they are about."""
    learner = learner_of({}, {})
    norm = learners.gradient_norm
    monkeypatch.setattr(learners, "gradient_norm", lambda *each: norm(*each) / norm(*each).item())
    with pytest.raises(RuntimeError, match="meta"):
        train(learner, monkeypatch)
    with pytest.raises(AssertionError), no_waiting(monkeypatch):
        torch.arange(3).to(META)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_a_text_in_a_memory_map_is_copied_piece_by_piece(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "COPIED", 7)
    ids = np.arange(30, dtype=dtype)
    ids.setflags(write=False)
    reader = DeviceReader(ids, torch.device("cpu"))
    assert reader.ids.tolist() == list(range(30))
    assert reader.ids.dtype == (torch.uint8 if dtype is np.uint8 else torch.int32)
    reader.load(readers.Starts(np.array([3]), np.array([0, 17])))
    assert reader.read(0, 4).tolist() == [[3, 20], [4, 21], [5, 22], [6, 23]]
