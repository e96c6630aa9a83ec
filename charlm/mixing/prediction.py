"""What is compiled of the mixture: predicting, learning and reading, a token at a time."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charlm.mixing.arithmetic import compiled, exp, log
from charlm.mixing.counts import (
    ORDER,
    Counts,
    add,
    find_contexts,
    interpolate,
)

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

NET, TRAINING, TEXT, MATCH = range(4)
EXPERTS = 4
# The weights at the beginning, and how fast they are learned: at first, and after t tokens at
# RATE / sqrt(1 + t / SLOWER), but no slower than LEAST_RATE.
WEIGHTS = (0.6, 0.2, 0.2, 0.4)
RATE, SLOWER, LEAST_RATE = 0.01, 1000, 0.001
# Lengths of matches are looked at up to here, and put into so many classes.
LONGEST_MATCH, CLASSES = 400, 32
# A class begins with 2 of 3 matches right, and forgets half of its past once it has seen so many.
RIGHT, SEEN, MOST_SEEN = 2.0, 3.0, 255.0
SUREST = 0.9999


class State(NamedTuple):
    """All that the mixture knows, as arrays, for compiled code.

    N texts are read side by side and know of each other.

    Attributes:
        learned: ids of the training text.
        ids: of the texts, each in its own part; -1 where nothing was read yet.
        begins, ends: where each text begins in `ids`, and up to where it was read, (N,).
        training, text: counts of the training text, and of all texts so far.
        matches: of each text, where the token is that followed the match of its end, and the
            match's length; 0: there is none, (N, 2). Places in `ids` follow those in `learned`.
        right: of each class of lengths, how many matches were right, and how many there were.
        weights: the set for all tokens, then one for each pair of contexts' lengths; (sets, 4).
        features: ln p_i of the network and the n-gram models, the rest is in `found`, (3, V).
        p: the mixture's probabilities, (V,).
        path: scratch, (2, ORDER + 1).
        found: of the last prediction: the set of weights; the class of the match's length, or -1;
            the token that followed it; the lengths of the longest contexts that are known, in the
            training text and in the texts.
        steps: tokens that were learned from, (1,).
    """

    learned: Array
    ids: Array
    begins: Array
    ends: Array
    training: Counts
    text: Counts
    matches: Array
    right: Floats
    weights: Floats
    features: Floats
    p: Floats
    path: Array
    found: Array
    steps: Array


@compiled
def token_at(m: State, at: int) -> Any:
    """The token at a place, of `learned` and then of `ids`; -1 where there is none yet."""
    beyond = at - len(m.learned)
    if beyond < 0:
        return m.learned[at]
    return m.ids[beyond] if beyond < len(m.ids) else -1


@compiled
def find_match(m: State, text: int, longest: Array) -> None:
    """Look for a match of the end of a text, unless the last one goes on.

    Args:
        longest: lengths of the known contexts in the training text and in the texts.
    """
    begin, end = m.begins[text], m.ends[text]
    if m.matches[text, 1]:
        return
    if longest[1] == ORDER:
        at = len(m.learned) + m.text.last[m.path[1, ORDER]]
    elif longest[0] == ORDER:
        at = m.training.last[m.path[0, ORDER]]
    else:
        return
    length = ORDER
    while (
        length < LONGEST_MATCH
        and length < min(at, end - begin)
        and token_at(m, at - length - 1) == m.ids[end - length - 1]
    ):
        length += 1
    m.matches[text, 0], m.matches[text, 1] = at, length


@compiled
def class_of(length: int) -> int:
    """The class of a match's length: finer for short ones."""
    if length < 16:
        return length
    return min(12 + length // 4, 20 + length // 16, CLASSES - 1)


@compiled
def predict(m: State, text: int, logs: Array, V: int, mark: int) -> None:
    """Compute the probabilities `m.p` of the next token of a text.

    Args:
        logs: ln p of the network, (V,).
    """
    begin, end = m.begins[text], m.ends[text]
    longest = m.found[3:]
    longest[0] = find_contexts(m.training, m.ids, begin, end, V, mark, m.path[0])
    longest[1] = find_contexts(m.text, m.ids, begin, end, V, mark, m.path[1])
    find_match(m, text, longest)
    m.features[NET] = logs
    interpolate(m.training, m.path[0], longest[0], m.features[TRAINING])
    interpolate(m.text, m.path[1], longest[1], m.features[TEXT])
    for i in (TRAINING, TEXT):
        for c in range(V):
            m.features[i, c] = log(m.features[i, c])
    chosen = 1 + longest[0] * (ORDER + 1) + longest[1]
    m.found[0], m.found[1] = chosen, -1
    m.p[:] = 0.0
    for i in range(MATCH):
        weight = m.weights[0, i] + m.weights[chosen, i]
        for c in range(V):
            m.p[c] += weight * m.features[i, c]
    next_token, length = token_at(m, m.matches[text, 0]), m.matches[text, 1]
    if length and next_token >= 0:
        m.found[1], m.found[2] = class_of(length), next_token
        weight = m.weights[0, MATCH] + m.weights[chosen, MATCH]
        m.p[next_token] += weight * trust(m)
    most = m.p.max()
    total = 0.0
    for c in range(V):
        m.p[c] = exp(m.p[c] - most)
        total += m.p[c]
    for c in range(V):
        m.p[c] /= total


@compiled
def trust(m: State) -> float:
    """ln r / (1 - r) of the match that was found, which was right at a rate of r so far."""
    right, seen = m.right[m.found[1]]
    rate = min(right / seen, SUREST)
    return log(rate) - log(1.0 - rate)


@compiled
def learn(m: State, token: int, V: int) -> None:
    """Move the weights down the gradient of -ln p of a token that was predicted."""
    rate = max(RATE / math.sqrt(1.0 + m.steps[0] / SLOWER), LEAST_RATE)
    chosen, match, predicted = m.found[0], m.found[1], m.found[2]
    m.steps[0] += 1
    for i in range(MATCH):
        mean = 0.0
        for c in range(V):
            mean += m.p[c] * m.features[i, c]
        step = rate * (m.features[i, token] - mean)
        m.weights[0, i] += step
        m.weights[chosen, i] += step
    if match >= 0:
        step = rate * trust(m) * ((token == predicted) - m.p[predicted])
        m.weights[0, MATCH] += step
        m.weights[chosen, MATCH] += step
        m.right[match, 0] += token == predicted
        m.right[match, 1] += 1.0
        if m.right[match, 1] > MOST_SEEN:
            m.right[match] /= 2.0


@compiled
def read(m: State, text: int, token: int, V: int, mark: int) -> None:
    """Read the next token of a text: it is counted, and its match goes on or ends."""
    at, end = m.matches[text, 0], m.ends[text]
    if m.matches[text, 1]:
        same = token_at(m, at) == token and not (mark and token == mark)
        m.matches[text, 0] = at + 1
        m.matches[text, 1] = min(m.matches[text, 1] + 1, LONGEST_MATCH) if same else 0
    m.ids[end] = token
    m.ends[text] = end + 1
    add(m.text, m.ids, m.begins[text], end, V, mark, m.path[1])


@compiled
def follow(m: State, text: int, token: int, V: int, mark: int) -> None:
    """Learn from the next token of a text, which was predicted just before, and read it."""
    learn(m, token, V)
    read(m, text, token, V, mark)


@compiled
def score_block(m: State, logs: Array, ids: Array, V: int, mark: int, nats: Array) -> None:
    """-ln p of the next tokens of the first text, which are read."""
    for t in range(len(ids)):
        predict(m, 0, logs[t], V, mark)
        nats[t] = -log(m.p[ids[t]])
        follow(m, 0, ids[t], V, mark)
