"""From a model whose numbers are not finite no engine writes anything."""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from needs import needs_compiled_code
from streams import sample_ids

import charlm
from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.engine import Engine
from charlm.generation.filters import NotFiniteError
from charlm.generation.numpy_engine import NumpyEngine
from charlm.generation.torch_engine import TorchEngine
from charlm.language_model import LanguageModel
from charlm.rnn.cells import CELLS
from charlm.sessions.session import Notice
from charlm.tasks.language_modeling import dataset

V = 9
Arrays = Mapping[str, np.ndarray]


def torch_engine(config: ModelConfig, weights: Arrays) -> Engine:
    model = LanguageModel(config)
    for name, weight in model.weights().items():
        weight.copy_(torch.from_numpy(weights[name]))
    return TorchEngine(model)


def compiled_engine(config: ModelConfig, weights: Arrays) -> Engine:
    needs_compiled_code()
    from charlm.generation.compiled_engine import CompiledEngine

    return CompiledEngine(config, weights)


ENGINES: dict[str, Callable[[ModelConfig, Arrays], Engine]] = {
    "numpy": NumpyEngine,
    "compiled": compiled_engine,
    "torch": torch_engine,
}
PAIRS = [
    (name, cell)
    for name in ENGINES
    for cell in CELLS
    if name != "compiled" or cell in ("rnn", "gru", "lstm")
]
FILTERS: tuple[dict[str, Any], ...] = ({}, {"temperature": 0}, {"top_k": 3})


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("texts", [1, 5])
@pytest.mark.parametrize(("name", "cell"), PAIRS)
def test_nothing_is_drawn(name: str, cell: str, texts: int, number: float) -> None:
    config = ModelConfig(V, cell, 8, 2, 4, mogrifier_rank=3)
    model = LanguageModel(config)
    model.initialize("uniform", 0)
    weights = {each: value.numpy().copy() for each, value in model.weights().items()}
    prefix = np.arange(V)
    wrong = weights if np.isnan(number) else ["output.bias", "output.weight"]
    for each in wrong:
        spoiled = {key: value.copy() for key, value in weights.items()}
        # The logit of the output's first row, <unk>, is never looked at.
        spoiled[each].flat[-1] = number
        if each == "output.weight" and np.isinf(number):
            spoiled[each][-1] = number
        engine = ENGINES[name](config, spoiled)
        for values in FILTERS:
            sampling = SamplingConfig(num_samples=texts, **values)
            with np.errstate(all="ignore"), pytest.raises(NotFiniteError):
                list(islice(sample_ids(engine, prefix, sampling, seed=0), 70))
    engine = ENGINES[name](config, weights)
    assert len(list(islice(sample_ids(engine, prefix, SamplingConfig(), 0), 70))) == 70


def test_a_sample_that_cannot_be_drawn_does_not_end_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> list[str]:
        raise NotFiniteError

    monkeypatch.setattr(dataset, "sample_texts", nothing)
    told: list[object] = []
    settings: dict[str, Any] = {"hidden_size": 4, "max_steps": 2, "train_characters": 2000}
    run = charlm.train(runs_dir=tmp_path, listener=told.append, **settings)
    assert run.directory.record.status == "done"
    assert Notice(NotFiniteError().message) in told
