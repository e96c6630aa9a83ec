"""The linear layer of the fused backend, against torch's."""

import pytest
import torch
import torch.nn.functional as F
from needs import needs_compiled_code
from tolerances import assert_as_near, assert_near, rounding

needs_compiled_code()

from charlm.rnn.backends.fused import policy
from charlm.rnn.backends.fused.products import Linear, linear, multiply_transposed

SIZES = [((7,), 5, 3), ((9, 5), 20, 33), ((3, 1), 64, 70), ((40, 8), 6, 28)]


def outputs_and_gradients(function: object, *given: torch.Tensor) -> list[torch.Tensor]:
    leaves = [each.clone().requires_grad_() for each in given]
    outputs = function(*leaves)  # type: ignore[operator]
    weights = torch.linspace(-1, 1, outputs.numel()).to(outputs.dtype).view_as(outputs)
    return [outputs, *torch.autograd.grad((outputs * weights).sum(), leaves)]


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
@pytest.mark.parametrize("narrow", [False, True])
def test_a_linear_layer_is_torchs(
    rows: tuple[int, ...], inputs: int, outputs: int, narrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "WORTH_A_CALL", 0)
    torch.manual_seed(0)
    given = (torch.randn(*rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs))
    exact = outputs_and_gradients(F.linear, *(each.double() for each in given))
    with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        mine = outputs_and_gradients(linear, *given)
        torchs = outputs_and_gradients(F.linear, *given)
    rounded = rounding(torch.float32, 2 * max(inputs, outputs, given[0].numel() // inputs))
    if narrow:
        assert_as_near(mine, [each.float() for each in torchs], exact, rounded)
    else:
        assert_near(mine, [each.float() for each in exact], rounded)


def test_small_products_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("compiled code is called")

    monkeypatch.setattr(Linear, "apply", refuse)
    assert linear(torch.ones(3, 4), torch.ones(2, 4), torch.ones(2)).tolist() == [[5.0, 5.0]] * 3


@pytest.mark.parametrize("K", [1, 5])
def test_an_odd_number_of_rows_has_no_pairs(K: int) -> None:
    left, right = torch.randn(K, 4).bfloat16(), torch.randn(K, 6).bfloat16()
    product = multiply_transposed(left, right, torch.bfloat16)
    exact = left.double().t() @ right.double()
    assert_as_near([product], [(left.t() @ right).float()], [exact], rounding(torch.float32, 2 * K))
