"""The mixture against one written with dictionaries and NumPy, and what must hold of any model."""

import json
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.mixing import arithmetic, counts, prediction
from charlm.mixing.mixture import Mixture


class Remembered:
    """What followed each context, a tuple of tokens, counted with update exclusion."""

    def __init__(self, mark: int) -> None:
        self.mark, self.counts, self.last = mark, defaultdict[Any, Counter[int]](Counter), {}

    def contexts(self, before: list[int]) -> list[tuple[int, ...]]:
        found = [()]
        for k in range(1, min(counts.ORDER, len(before)) + 1):
            if self.mark and k > 1 and before[len(before) - k + 1] == self.mark:
                break
            found.append(tuple(before[len(before) - k :]))
        return found

    def add(self, before: list[int], token: int, at: int) -> None:
        for context in reversed(self.contexts(before)):
            self.last[context] = at
        for context in reversed(self.contexts(before)):
            self.counts[context][token] += 1
            if self.counts[context][token] > 1:
                break

    def predict(self, before: list[int], V: int) -> tuple[Any, tuple[int, ...]]:
        p, longest = np.full(V, 1 / V), ()
        for context in self.contexts(before):
            seen = self.counts.get(context)
            if not seen:
                break
            discount = counts.DISCOUNTS[min(len(context), 2)]
            p = p * discount * len(seen) / seen.total()
            for token, times in seen.items():
                p[token] += (times - discount) / seen.total()
            longest = context
        return p, longest


def reference(train: list[int], ids: list[int], logs: Any, mark: int = 0) -> list[float]:
    """-ln p of each token after the first, by the formulas that the docstrings give."""
    V = logs.shape[1]
    training, text = Remembered(mark), Remembered(mark)
    for at, token in enumerate(train):
        training.add(train[:at], token, at)
    everything = [*train, *ids]
    begin = len(train)
    text.add([], ids[0], begin)
    weights: Any = defaultdict(lambda: np.zeros(4))
    weights[None] = np.array(prediction.WEIGHTS)
    right = np.tile([prediction.RIGHT, prediction.SEEN], (prediction.CLASSES, 1))
    match, length, nats = 0, 0, []
    for t in range(1, len(ids)):
        before = ids[:t]
        p_training, c_training = training.predict(before, V)
        p_text, c_text = text.predict(before, V)
        if not length:
            for model, context in ((text, c_text), (training, c_training)):
                if len(context) == counts.ORDER:
                    match, length = model.last[context], counts.ORDER
                    while (
                        length < min(match, t, prediction.LONGEST_MATCH)
                        and everything[match - length - 1] == ids[t - length - 1]
                    ):
                        length += 1
                    break
        features = np.stack([logs[t - 1], np.log(p_training), np.log(p_text), np.zeros(V)])
        predicted = everything[match] if length and match < begin + t else None
        trust, kind = 0.0, prediction.class_of(length)
        if predicted is not None:
            rate = min(right[kind, 0] / right[kind, 1], prediction.SUREST)
            trust = math.log(rate / (1 - rate))
            features[3, predicted] = trust
        lengths = len(c_training), len(c_text)
        z = (weights[None] + weights[lengths]) @ features
        p = np.exp(z - z.max())
        p /= p.sum()
        nats.append(-math.log(p[ids[t]]))
        step = max(
            prediction.RATE / math.sqrt(1 + (t - 1) / prediction.SLOWER), prediction.LEAST_RATE
        ) * (features[:, ids[t]] - features @ p)
        weights[None] = weights[None] + step
        weights[lengths] = weights[lengths] + step
        if predicted is not None:
            right[kind] += [ids[t] == predicted, 1]
            if right[kind, 1] > prediction.MOST_SEEN:
                right[kind] /= 2
        if length:
            same = everything[match] == ids[t] and not (mark and ids[t] == mark)
            match, length = match + 1, min(length + 1, prediction.LONGEST_MATCH) if same else 0
        text.add(before, ids[t], begin + t)
    return nats


def some_text(length: int, V: int, seed: int) -> list[int]:
    """A text with repetitions: pieces of itself, and tokens at random."""
    draw, text = np.random.default_rng(seed), [1]
    while len(text) < length:
        if len(text) > 20 and draw.random() < 0.3:
            start = int(draw.integers(len(text) - 12))
            text += text[start : start + int(draw.integers(4, 60))]
        else:
            text += draw.integers(1, V, 3).tolist()
    return text[:length]


def some_logs(length: int, V: int, seed: int) -> Any:
    z = np.random.default_rng(seed).normal(size=(length, V))
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def score(train: list[int], ids: list[int], logs: Any, mark: int = 0) -> Any:
    made = Mixture(logs.shape[1], [len(ids)], np.array(train, np.uint8), mark)
    made.read(ids[0])
    return made.score(logs, np.array(ids[1:], np.uint8))


@pytest.mark.parametrize("V", [2, 5, 31])
@pytest.mark.parametrize("mark", [0, 1])
@pytest.mark.parametrize(("training", "length"), [(0, 300), (1, 2), (700, 500), (40, 3000)])
def test_it_is_what_the_formulas_say(training: int, length: int, V: int, mark: int) -> None:
    train, ids = some_text(training, V, 0), some_text(length, V, 1)
    logs = some_logs(length - 1, V, 2)
    np.testing.assert_allclose(
        score(train, ids, logs, mark), reference(train, ids, logs, mark), rtol=1e-9, atol=1e-9
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.data())
def test_it_is_causal_and_adds_up_to_one(ids: list[int], data: Any) -> None:
    logs = some_logs(len(ids) - 1, 4, 0)
    whole = score([1, 2, 3] * 9, ids, logs)
    made = Mixture(4, [len(ids)], np.array([1, 2, 3] * 9))
    made.read(ids[0])
    cut = data.draw(st.integers(1, len(ids) - 1))
    other = data.draw(st.integers(0, 3))
    for t in range(1, cut + 1):
        p = made.predict(logs[t - 1])
        assert abs(p.sum() - 1) < 1e-12
        assert (p > 0).all()
        assert -math.log(p[ids[t]]) == pytest.approx(whole[t - 1], abs=1e-12)
        made.follow(ids[t] if t < cut else other)


def test_texts_side_by_side_know_of_each_other() -> None:
    V, text = 9, some_text(400, 9, 3)
    logs = np.full(V, -math.log(V))

    def cost(texts: list[list[int]]) -> float:
        made = Mixture(V, [len(each) for each in texts], np.array([], int))
        total = 0.0
        for t in range(len(texts[0])):
            for number, each in enumerate(texts):
                if t:
                    total -= math.log(made.predict(logs, number)[each[t]])
                    made.follow(each[t], number)
                else:
                    made.read(each[t], number)
        return total

    apart = cost([text]) + cost([text])
    assert cost([text, text]) < 0.7 * apart


def test_a_copied_text_costs_next_to_nothing() -> None:
    text = np.random.default_rng(0).integers(0, 50, 5000).tolist()
    nats = score(text, text[1000:3000], np.full((1999, 50), -math.log(50)))
    assert nats.sum() / math.log(2) < 200  # bits; each of the 2,000 tokens has 5.6 otherwise


@pytest.mark.parametrize("x", [5e-324, 1e-300, 0.1, 0.5, 0.7071, 1.0, 3.0, 1e300])
def test_log(x: float) -> None:
    assert arithmetic.log(x) == pytest.approx(math.log(x), rel=2e-15, abs=1e-15)


@pytest.mark.parametrize("x", [-800.0, -700.0, -20.3, -1e-9, 0.0, 0.3465, 1.0, 88.0, 700.0])
def test_exp(x: float) -> None:
    # The error of the reduced argument is up to half a unit in the last place of x.
    assert arithmetic.exp(x) == pytest.approx(math.exp(x), rel=3e-16 * max(abs(x), 4), abs=1e-304)


def test_it_gives_the_same_bits_without_compiled_code() -> None:
    code = """
import json, numpy as np
from charlm.mixing.mixture import Mixture
draw = np.random.default_rng(5)
train, ids = draw.integers(0, 7, 300) // 2, draw.integers(0, 7, 120) // 2
z = draw.normal(size=(119, 4))
made = Mixture(4, [120], train)
made.read(int(ids[0]))
print(json.dumps([each.hex() for each in made.score(z, ids[1:]).tolist()]))
"""
    said = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "CHARLM_KERNELS": kernels},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for kernels in ("auto", "off")
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 119
