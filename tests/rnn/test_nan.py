"""NaN comes out of every backend as NaN: a broken net must not pass for a bad one."""

import math
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from cell_forms import CELL_FORMS
from needs import needs_compiled_code

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.language_model import LanguageModel
from charlm.rnn.backends.choice import BACKENDS, choose_backend

V = 7
EXPONENT = 0x7F800000  # of every NaN; what follows must not be 0
NANS = [sign | EXPONENT | rest for sign in (0, 1 << 31) for rest in (1, 0x7FFF, 0x400000, 0x7FFFFF)]


def forms() -> list[Any]:
    """Every cell in every form, on every backend that has it."""
    found = []
    for (name, form), values in product(
        CELL_FORMS.items(), ({}, {"layer_norm": True}, {"zoneout": 0.2})
    ):
        sizes = {"hidden_size": 32, "num_layers": 2, "embedding_size": 5, "mogrifier_rank": 3}
        config = ModelConfig(V, **form, **sizes, **values)
        for backend in BACKENDS:
            with suppress(UsageError):
                chosen = choose_backend(config, backend)
                found.append(pytest.param(config, chosen, id=f"{name}-{values}-{chosen}"))
    return found


FORMS = forms()
NARROW = pytest.mark.parametrize("narrow", [False, True], ids=["fp32", "bf16"])


def made(config: ModelConfig, backend: str) -> LanguageModel:
    model = LanguageModel(config, backend)
    model.initialize("uniform", 0)
    return model


def logits_of(model: LanguageModel, narrow: bool) -> torch.Tensor:
    """Of a text in which every character stands."""
    ids = torch.arange(V).repeat(2)[:, None].expand(-1, 3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        return model(ids, model.initial_state(3))[0]


@NARROW
@pytest.mark.parametrize(("config", "backend"), FORMS)
def test_nan_in_any_weight_comes_out(config: ModelConfig, backend: str, narrow: bool) -> None:
    model = made(config, backend).eval()
    assert logits_of(model, narrow).isfinite().all()
    for name, weight in model.weights().items():
        for place in (0, weight.numel() // 2, -1):
            before = weight.clone()
            weight.view(-1)[place] = math.nan
            assert logits_of(model, narrow).isnan().any(), (name, place)
            weight.copy_(before)


@NARROW
@pytest.mark.parametrize(("config", "backend"), FORMS)
def test_nan_in_input_state_or_gradient_comes_out(
    config: ModelConfig, backend: str, narrow: bool
) -> None:
    stack = made(config, backend).eval().rnn
    for spoiled in ("inputs", "state", "gradient"):
        inputs = torch.randn(4, 3, 5, requires_grad=True)
        state = tuple(torch.randn_like(each) for each in stack.initial_state(3))
        if spoiled == "inputs":
            inputs.data[1, 1, 2] = math.nan
        elif spoiled == "state":
            for each in state:
                each[:, 1, 9] = math.nan
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            outputs, last = stack(inputs, state)
        gradient = torch.ones_like(outputs)
        if spoiled == "gradient":
            gradient[2, 1, 9] = math.nan
            assert outputs.isfinite().all()
        else:
            assert outputs[-1, 1].isnan().any()
            assert all(each[-1, 1].isnan().any() for each in last)
            # The other streams of the batch are not touched.
            assert outputs[:, [0, 2]].isfinite().all()
        outputs.backward(gradient)
        assert inputs.grad is not None
        assert inputs.grad[0, 1].isnan().any()
        assert inputs.grad[:, [0, 2]].isfinite().all()
        for name, weight in stack.named_parameters():
            assert weight.grad is not None
            assert weight.grad.isnan().any(), (spoiled, name)
            weight.grad = None


def test_the_rational_tanh_and_the_sigmoid_keep_nan() -> None:
    needs_compiled_code()
    from charlm.kernels import jit

    for bits in NANS:
        number = np.uint32(bits).view(np.float32)
        assert np.isnan(jit.tanh(number))
        assert np.isnan(jit.sigmoid(number))


@pytest.mark.parametrize("bits", NANS, ids=hex)
def test_every_nan_is_one_in_bfloat16_too(bits: int) -> None:
    """Rounded like a number, some become infinite and some zero."""
    needs_compiled_code()
    from charlm.kernels.matmul import pack_tiles

    matrix = np.full((32, 16), bits, dtype=np.uint32).view(np.float32)
    out = np.zeros((1, 1, 16, 16), dtype=np.int32)
    pack_tiles(0, 1, 1, matrix, out)
    narrow = torch.from_numpy(out.view(np.int16)).view(torch.bfloat16)
    assert narrow.isnan().all()
