"""Recorded steps on the CPU, by a recorder that calls what it recorded; with CUDA: test_gpu.py."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from tolerances import rounding

from charlm.config import ModelConfig, TextTrainConfig
from charlm.generation.torch_drawing import generate_block
from charlm.language_model import LanguageModel
from charlm.machine.cuda_graphs import WARM_UP, CapturedFunction
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.training.learner import Learner
from charlm.training.trainer import Trainer

CPU = torch.device("cpu")
# Some dozen steps of the same operations; only in which buffers differs.
NEAR = rounding(torch.float32, 100)


class Recalled:
    """Replays by calling: what it calls sees the recording's tensors, as a graph would."""

    def __init__(self) -> None:
        self.warmed = self.replayed = 0

    def warm_up(self, work: Callable[[], None]) -> None:
        self.warmed += 1
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        def replay() -> None:
            self.replayed += 1
            work()

        return replay


class Refused(Recalled):
    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


def learner_of(**values: object) -> Learner:
    sizes = ModelConfig(vocabulary_size=11, hidden_size=9, output_dropout=0.3, weight_drop=0.2)
    settings: dict[str, object] = {"batch_size": 3, "seq_length": 5, "seed": 1}
    config = TextTrainConfig(**settings | {"epochs": 3, "schedule": "cosine"} | values)  # type: ignore[arg-type]
    model = LanguageModel(sizes)
    model.initialize("uniform", 0)
    ids = np.random.default_rng(0).integers(0, 11, 200, dtype=np.uint8)
    return Learner(LanguageModeling(model, ids, ids[:60], config), config)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("sampling", ["sequential", "random"])
def test_replayed_steps_are_the_plain_ones(optimizer: str, sampling: str) -> None:
    trained, recorder = [], Recalled()
    for recorded in (False, True):
        learner = learner_of(
            optimizer=optimizer,
            sampling=sampling,
            reset_probability=0.3 if sampling == "sequential" else 0.0,
        )
        trainer = Trainer(learner.task, learner.config)
        if recorded:
            trainer.learner.update = CapturedFunction(trainer.learner._update, CPU, recorder)
        scores = [event for event in trainer.run() if hasattr(event, "score")]
        weights, tensors, _ = trainer.learner.capture()
        trained.append((weights | tensors, scores[-1].score.nats))
    (plain, plain_nats), (replayed, replayed_nats) = trained
    assert plain.keys() == replayed.keys()
    for name, each in plain.items():
        torch.testing.assert_close(replayed[name], each, rtol=NEAR, atol=NEAR)
    assert replayed_nats == pytest.approx(plain_nats, rel=NEAR)
    assert recorder.warmed == WARM_UP
    assert recorder.replayed > 20


def test_a_recording_reads_its_own_tensors_alone() -> None:
    """What a graph would do wrong: remember the number or the tensors of the call it recorded."""
    total, recorder = torch.zeros(3), Recalled()

    def function(number: torch.Tensor | float, *tensors: torch.Tensor) -> int:
        total.add_(tensors[0] * number)
        return len(tensors[0])

    recording = CapturedFunction(function, CPU, recorder)
    seen = []
    record = recorder.record

    def spy(work: Callable[[], None]) -> Callable[[], None]:
        seen.append([each.data_ptr() for each in recording.inputs])
        return record(work)

    recorder.record = spy  # type: ignore[method-assign]
    wanted = torch.zeros(3)
    for call in range(8):
        given = torch.full((3,), float(call))
        assert recording(0.5 * call, given) == 3
        wanted += given * (0.5 * call)
    torch.testing.assert_close(total, wanted)
    assert seen == [[each.data_ptr() for each in recording.inputs]]
    assert recorder.replayed == 8 - WARM_UP


def test_where_recording_fails_training_goes_on() -> None:
    plain, refused = learner_of(), learner_of()
    refused.update = CapturedFunction(refused._update, CPU, Refused())
    warned = 0
    for learner in (plain, refused):
        torch.manual_seed(0)
        for window in range(6):
            if learner is refused and window == WARM_UP:
                with pytest.warns(UserWarning, match=r"\(operation not permitted\); charlm goes"):
                    learner.step(window, 0.01)
                warned += 1
            else:
                learner.step(window, 0.01)
    assert warned == 1
    for mine, theirs in zip(
        refused.task.model.parameters(), plain.task.model.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_replayed_blocks_of_text_are_the_plain_ones(temperature: float) -> None:
    model = learner_of().task.model.eval()
    plain = partial(generate_block, model, temperature == 0)
    recorder = Recalled()
    recording = CapturedFunction(plain, CPU, recorder)
    random = torch.Generator().manual_seed(0)
    logits, state = torch.zeros(4, 11), model.initial_state(4)
    mine: tuple[torch.Tensor, ...] = (logits, *state)
    theirs = mine
    with torch.inference_mode():
        for _ in range(WARM_UP + 3):
            draws = torch.rand(6, 4, generator=random, dtype=torch.float64)
            ids, *mine = (each.clone() for each in recording(temperature, draws, *mine))
            wanted, *theirs = plain(temperature, draws, *theirs)
            assert torch.equal(ids, wanted)
            for got, each in zip(mine, theirs, strict=True):
                torch.testing.assert_close(got, each)
    assert recorder.replayed == 3
