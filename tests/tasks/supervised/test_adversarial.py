"""Adversarial training: where the loss grows fastest, and runs that go on with it."""

import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cli_runner import charlm as command
from safetensors.numpy import load_file
from torch import Tensor

import charlm
from charlm.config import EncoderConfig
from charlm.errors import SettingError
from charlm.rnn.encoder import Encoder
from charlm.tasks.supervised.examples import Sequences
from charlm.tasks.supervised.settings import EncoderTrainConfig
from charlm.tasks.supervised.training import EncoderTraining, steepest

V, E, H, C = 7, 4, 5, 3
LENGTHS = [6, 1, 4, 3]
TINY: dict[str, Any] = {
    "task": "classification",
    "hidden_size": 5,
    "embedding_size": 4,
    "batch_size": 8,
    "epochs": 3,
    "learning_rate": 0.02,
    "adversarial": 2.0,
}


def make(pooling: str = "mean", **about: Any) -> Encoder:
    config = EncoderConfig(
        vocabulary_size=V, embedding_size=E, hidden_size=H, output_size=C,
        encoder_pooling=pooling, **about,
    )  # fmt: skip
    encoder = Encoder(config, "scratch").double()
    encoder.initialize("uniform", 3)
    return encoder.double()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Ids (T, B) with zeros behind each end, targets and lengths."""
    random = np.random.default_rng(0)
    sequences = Sequences.of(random.integers(1, V, n) for n in LENGTHS)
    inputs, lengths = sequences.batch(np.arange(len(LENGTHS)), torch.device("cpu"))
    assert lengths is not None
    return inputs, torch.tensor([0, 1, 2, 1]), lengths


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean-max"])
def test_no_other_direction_grows_faster(pooling: str, bidirectional: bool) -> None:
    encoder = make(pooling, bidirectional=bidirectional)
    inputs, targets, lengths = batch()
    vectors = encoder.look_up(inputs)

    def loss_of(moved: Tensor) -> Tensor:
        return F.cross_entropy(encoder(moved, lengths), targets)

    found = steepest(loss_of(vectors), vectors)
    # Of length 1 over each sequence, and nothing of it behind the end.
    norms = torch.linalg.vector_norm(found, dim=(0, 2))
    torch.testing.assert_close(norms, torch.ones_like(norms))
    inside = torch.arange(max(LENGTHS))[:, None] < lengths
    assert not found[~inside].any()

    def growth(direction: Tensor, row: int, h: float = 1e-5) -> float:
        """The slope of the loss along a direction of one sequence, by central differences."""
        step = torch.zeros_like(direction)
        step[:, row] = h * direction[:, row]
        with torch.no_grad():
            return float(loss_of(vectors + step) - loss_of(vectors - step)) / (2 * h)

    generator = torch.Generator().manual_seed(0)
    for row, length in enumerate(LENGTHS):
        best = growth(found, row)
        assert best > 0
        for _ in range(20):
            other = torch.zeros_like(found)
            drawn = torch.randn(length, E, generator=generator, dtype=torch.float64)
            other[:length, row] = drawn / drawn.norm()
            slope = growth(other, row)
            assert slope < best
            # A slope is the best one's share of the direction.
            share = float((other[:, row] * found[:, row]).sum())
            assert slope == pytest.approx(best * share, rel=1e-4, abs=1e-8)


def test_where_nothing_grows_there_is_no_direction() -> None:
    vectors = torch.ones(3, 2, 4, requires_grad=True)
    found = steepest((vectors * 0).sum(), vectors)
    assert torch.equal(found, torch.zeros_like(vectors))


def test_the_loss_is_the_mean_of_both() -> None:
    encoder = make()
    ids = [np.random.default_rng(i).integers(1, V, n) for i, n in enumerate(LENGTHS)]
    config = EncoderTrainConfig(adversarial=1.5, batch_size=4, epochs=1)
    training = EncoderTraining(
        encoder, Sequences.of(ids), np.array([0, 1, 2, 1]), Sequences.of(ids)[:0], np.empty(0),
        config, F.cross_entropy, lambda *_: None, 9.0,  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    training.load_epoch(1)
    inputs, targets, lengths = training.batch(0)
    found = training.loss((inputs, targets, lengths), ())
    assert encoder.embedding is not None
    weight = encoder.embedding.weight
    with torch.no_grad():
        usual = float(np.mean([np.linalg.norm(each) for each in weight.numpy()]))
    vectors = weight[inputs].detach().requires_grad_()
    plain = F.cross_entropy(encoder(vectors, lengths), targets)
    (gradient,) = torch.autograd.grad(plain, vectors)
    moved = vectors.detach().clone()
    for row in range(len(LENGTHS)):
        moved[:, row] += 1.5 * usual * gradient[:, row] / gradient[:, row].norm()
    other = F.cross_entropy(encoder(moved, lengths), targets)
    # Losses are computed in float32.
    torch.testing.assert_close(found.loss.double(), (plain + other) / 2, rtol=1e-5, atol=1e-6)
    assert other > plain
    # The vectors learn from both, and the direction is as it is.
    found.loss.backward()
    assert weight.grad is not None
    assert weight.grad[inputs[:, 0]].any()


def examples(number: int = 60) -> list[dict[str, str]]:
    rng = random.Random(0)
    rows = []
    for _ in range(number):
        label = rng.choice(["bad", "good"])
        rows.append({"text": "".join(rng.choices("abc" + label[0], k=rng.randrange(2, 9)))})
        rows[-1]["label"] = label
    return rows


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(examples())
    return tmp_path


@pytest.mark.parametrize(
    "about", [{}, {"bidirectional": True, "encoder_pooling": "mean-max", "input_dropout": 0.3}]
)
def test_interrupted_and_gone_on_with_it_is_the_same(about: dict[str, Any]) -> None:
    charlm.train("texts.csv", run="whole", **TINY, **about)
    steps = iter(range(1000))
    charlm.train("texts.csv", run="parted", should_stop=lambda: next(steps) >= 10, **TINY, **about)
    charlm.resume("parted")
    charlm.train("texts.csv", run="plain", **{**TINY, **about, "adversarial": 0.0})
    for file in ("last/model", "last/training", "best/model"):
        mine, theirs, plain = (
            load_file(f"runs/{run}/{file}.safetensors") for run in ("parted", "whole", "plain")
        )
        assert mine.keys() == theirs.keys()
        for name, each in mine.items():
            np.testing.assert_array_equal(each, theirs[name], err_msg=name)
        assert any((each != plain[name]).any() for name, each in mine.items())


def test_a_regression_of_texts_learns_so_too() -> None:
    rows = [{"text": row["text"], "y": len(row["text"])} for row in examples()]
    about = {**TINY, "task": "regression", "text_column": "text"}
    run = charlm.train(rows, **about)
    assert np.isfinite(run.result["score"]["rmse"])


def test_it_is_of_vectors_that_are_trained() -> None:
    with pytest.raises(SettingError, match="give an --embedding-size, and no --freeze"):
        charlm.train("texts.csv", **{**TINY, "embedding_size": 0})
    Path("corpus.txt").write_text("".join(row["text"] + "\n" for row in examples()) * 4)
    small = {"hidden_size": 5, "batch_size": 2, "seq_length": 8, "max_steps": 2}
    charlm.train("corpus.txt", run="letters", embedding_size=4, **small)
    for words in (("--freeze",), ("--adversarial", "-1")):
        result = command(
            "train", "texts.csv", "--task", "classification", "--init-from", "letters",
            "--adversarial", "1", "--epochs", "1", *words,
        )  # fmt: skip
        assert result.code == 2
        assert "--adversarial" in result.err
    with pytest.raises(SettingError, match="is of texts"):
        charlm.train([{"a": i, "y": i * i} for i in range(9)], task="regression", adversarial=1.0)
    with pytest.raises(SettingError, match="is a setting of another task"):
        charlm.train("corpus.txt", adversarial=1.0)
