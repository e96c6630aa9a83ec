"""Encoders against torch.nn on packed sequences; what stands in the padding never counts."""

import itertools
from typing import Any

import pytest
import torch
from tolerances import of_window, rounding
from torch import Tensor, nn

from charlm.config import EncoderConfig
from charlm.rnn.backends.choice import available_backends
from charlm.rnn.cells import CELLS
from charlm.rnn.encoder import Encoder, pool
from charlm.rnn.stack import reverse_in_time

V, E, H, C = 11, 5, 7, 3
LENGTHS = [6, 1, 4, 9, 2]
T, B = max(LENGTHS), len(LENGTHS)
POOLINGS = ("last", "mean", "max", "mean-max")
TORCH = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CASES = [
    (cell, backend)
    for cell in CELLS
    for backend in available_backends(EncoderConfig(cell=cell), "cpu")
]


def make(cell: str, backend: str, **about: Any) -> Encoder:
    config = EncoderConfig(
        vocabulary_size=V, embedding_size=E, hidden_size=H, output_size=C, cell=cell, **about
    )
    encoder = Encoder(config, backend)
    encoder.initialize("uniform", 3)
    return encoder.eval()


def ids_of(seed: int = 0) -> Tensor:
    return torch.randint(V, (T, B), generator=torch.Generator().manual_seed(seed))


def inside() -> Tensor:
    return torch.arange(T)[:, None] < torch.tensor(LENGTHS)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "backend"), [case for case in CASES if case[0] in TORCH])
def test_the_last_states_are_those_of_torch_on_packed_sequences(
    cell: str, backend: str, bidirectional: bool, layers: int
) -> None:
    encoder = make(cell, backend, bidirectional=bidirectional, num_layers=layers)
    theirs = TORCH[cell](E, H, layers, bidirectional=bidirectional)
    theirs.load_state_dict(encoder.rnn.state_dict())
    ids, lengths = ids_of(), torch.tensor(LENGTHS)
    assert encoder.embedding is not None
    packed = nn.utils.rnn.pack_padded_sequence(
        encoder.embedding(ids), lengths, enforce_sorted=False
    )
    _, last = theirs(packed)
    last = last[0] if isinstance(last, tuple) else last
    expected = torch.cat([last[-2], last[-1]], 1) if bidirectional else last[-1]
    near = rounding(torch.float32, layers * of_window(T, H))
    with torch.no_grad():
        torch.testing.assert_close(encoder.features(ids, lengths), expected, rtol=near, atol=near)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "backend"), CASES)
def test_garbage_in_the_padding_changes_no_bit(
    cell: str, backend: str, bidirectional: bool, pooling: str
) -> None:
    about = {"bidirectional": bidirectional, "encoder_pooling": pooling, "num_layers": 2}
    encoder = make(cell, backend, **about)
    lengths = torch.tensor(LENGTHS)
    one = torch.where(inside(), ids_of(), 0)
    other = torch.where(inside(), ids_of(), ids_of(1))
    assert not torch.equal(one, other)
    with torch.no_grad():
        assert torch.equal(encoder(one, lengths), encoder(other, lengths))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_garbage_in_vectors_gets_no_gradient_and_changes_no_bit(
    bidirectional: bool, pooling: str
) -> None:
    config = EncoderConfig(
        input_size=E, hidden_size=H, output_size=C, bidirectional=bidirectional,
        encoder_pooling=pooling,
    )  # fmt: skip
    encoder = Encoder(config)
    encoder.initialize("uniform", 0)
    lengths = torch.tensor(LENGTHS)
    plain = torch.randn(T, B, E, generator=torch.Generator().manual_seed(0))
    plain = plain.where(inside()[..., None], 0.0)
    odd = plain.where(inside()[..., None], 1e3).requires_grad_()
    outputs = encoder(odd, lengths)
    assert torch.equal(outputs, encoder(plain, lengths))
    outputs.square().sum().backward()
    assert odd.grad is not None
    assert not odd.grad[~inside()].any()
    assert pooling == "max" or odd.grad[inside()].any(1).all()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_sequence_is_the_same_alone_and_in_any_batch(pooling: str, bidirectional: bool) -> None:
    encoder = make("gru", "auto", bidirectional=bidirectional, encoder_pooling=pooling)
    ids, lengths = ids_of(), torch.tensor(LENGTHS)
    near = rounding(torch.float32, of_window(T, H))
    with torch.no_grad():
        together = encoder(ids, lengths)
        for row, length in enumerate(LENGTHS):
            alone = encoder(ids[:length, row : row + 1], lengths[row : row + 1])
            torch.testing.assert_close(alone[0], together[row], rtol=near, atol=near)
        order = torch.tensor([3, 0, 4, 1, 2])
        shuffled = encoder(ids[:, order], lengths[order])
        torch.testing.assert_close(shuffled, together[order], rtol=near, atol=near)


def test_reversing_turns_each_sequence_and_leaves_its_padding() -> None:
    x = torch.arange(T * B).reshape(T, B)
    turned = reverse_in_time(x, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        assert turned[:length, row].tolist() == x[:length, row].tolist()[::-1]
        assert torch.equal(turned[length:, row], x[length:, row])
    vectors = x[..., None].expand(T, B, 2) * torch.tensor([1, 1000])
    assert torch.equal(reverse_in_time(vectors, torch.tensor(LENGTHS))[..., 0], turned)
    assert torch.equal(reverse_in_time(x, None), x.flip(0))


def test_pooling_by_a_loop() -> None:
    outputs = torch.randn(T, B, 2 * H, dtype=torch.float64)
    lengths = torch.tensor(LENGTHS)
    for row, length in enumerate(LENGTHS):
        own = outputs[:length, row]
        last = torch.cat([own[-1, :H], own[0, H:]])
        torch.testing.assert_close(pool(outputs, lengths, "last", 2)[row], last)
        torch.testing.assert_close(pool(outputs, lengths, "mean", 2)[row], own.mean(0))
        torch.testing.assert_close(pool(outputs, lengths, "max", 2)[row], own.amax(0))
        both = torch.cat([own.mean(0), own.amax(0)])
        torch.testing.assert_close(pool(outputs, lengths, "mean-max", 2)[row], both)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_lengths_are_full_lengths(bidirectional: bool, pooling: str) -> None:
    full = torch.full((B,), T)
    outputs = torch.randn(T, B, 2 * H, dtype=torch.float64)
    directions = 1 + bidirectional
    torch.testing.assert_close(
        pool(outputs, None, pooling, directions), pool(outputs, full, pooling, directions)
    )
    encoder = make("gru", "auto", bidirectional=bidirectional, encoder_pooling=pooling)
    near = rounding(torch.float32, of_window(T, H))
    with torch.no_grad():
        one, other = encoder(ids_of()), encoder(ids_of(), full)
    torch.testing.assert_close(one, other, rtol=near, atol=near)


def test_the_gradient_is_that_of_differences() -> None:
    for pooling, bidirectional in itertools.product(("last", "mean", "max"), (False, True)):
        about = {"encoder_pooling": pooling, "bidirectional": bidirectional}
        encoder = make("gru", "scratch", **about).double()
        ids, lengths = ids_of(), torch.tensor(LENGTHS)
        weights = list(encoder.rnn.parameters())

        def outputs(*_: Tensor, encoder: Encoder = encoder) -> Tensor:
            return encoder(ids, lengths)  # noqa: B023

        assert torch.autograd.gradcheck(outputs, weights)
