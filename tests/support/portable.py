"""Runs with weights of a test's own, one for each cell in each variant, to be exported."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cell_forms import CELL_FORMS
from stored import create_run

from charlm.config import ModelConfig, TextConfig, TextTrainConfig
from charlm.language_model import LanguageModel
from charlm.runs.record import Record
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.vocabulary import Vocabulary

ENTRIES = "abcdefghij"
V, H = len(ENTRIES) + 1, 6
VARIANTS: dict[str, dict[str, Any]] = {
    "one-hot": {},
    "layers": {"num_layers": 3, "embedding_size": 5},
    "tied": {"embedding_size": H, "tie_weights": True},
    "projected": {"embedding_size": 4, "tie_weights": True, "num_layers": 2},
    "normalized": {"layer_norm": True, "num_layers": 2},
    "normalized-vectors": {"layer_norm": True, "embedding_size": 5},
    "zoneout": {"zoneout": 0.3, "num_layers": 2},
}
CONFIGS = {
    f"{cell}-{name}": ModelConfig(V, hidden_size=H, mogrifier_rank=3, **form, **values)
    for (cell, form), (name, values) in product(CELL_FORMS.items(), VARIANTS.items())
}


def made(config: ModelConfig) -> LanguageModel:
    """A model whose every weight and bias matters, in float32."""
    model = LanguageModel(config, "scratch").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5, generator=generator)
    return model


def run_of(folder: Path, model: LanguageModel, normalization: str = "none") -> LanguageModelRun:
    """A run with these weights as its best, called made."""
    record = Record(
        name="made",
        created="2026-01-02T03:04:05+00:00",
        charlm="0",
        torch="0",
        backend="scratch",
        device="cpu",
        parameters=model.parameter_count,
        corpus={
            "name": "a text",
            "source": [str(folder / "a text.txt")],
            "normalization": normalization,
            "sha256": "",
            "text_sha256": "",
            "lossless": True,
            "characters": 100,
        },
        splits={"train": [0, 90], "val": [90, 100], "test": [100, 100]},
        data=TextConfig().to_json(),
        model=model.config.to_json(),
        train=TextTrainConfig(max_steps=1).to_json(),
    )
    run = create_run(folder / "runs", record, Vocabulary(ENTRIES, [1] * len(ENTRIES)))
    run.save_best({name: each.numpy() for name, each in model.weights().items()})
    return run


def logits_and_states(
    model: LanguageModel, ids: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], list[np.ndarray[Any, Any]]]:
    """What the model makes of ids (T, N) in float64: logits (T, N, V), states (L, N, H)."""
    exact = LanguageModel(model.config, "scratch").eval().double()
    exact.load_weights(model.weights())
    with torch.no_grad():
        logits, state = exact(torch.from_numpy(ids), exact.initial_state(ids.shape[1]))
    return logits.numpy(), [each.numpy() for each in state]
