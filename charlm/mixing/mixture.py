"""The mixture: a product of experts whose weights are learned while a text is read.

p(c | h) ∝ Π p_i(c | h)^{w_i}, for a network, an n-gram model of the training text and one of the
text so far; a match multiplies the token that followed it by (r / (1 - r))^w, where r is how often
matches of its length were right. After each token the weights take a step down the gradient of
-ln p (Mattern 2012, "Mixing Strategies in Data Compression"). They are the sum of two sets: one for
all tokens, and one for those whose longest known contexts, in the training text and in the text so
far, have the same lengths.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charlm.mixing.arithmetic import compiled, exp, log
from charlm.mixing.counts import (
    BLOCK,
    ORDER,
    Counts,
    add,
    counted,
    empty,
    find_contexts,
    interpolate,
    with_room,
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
# Of the training text so many tokens are counted, from its end on.
MOST_COUNTED = 4_000_000


class State(NamedTuple):
    """All that the mixture knows, as arrays, for compiled code.

    N texts are read side by side and know of each other.

    Attributes:
        ids: of the training text, and of the texts, each in its own part; -1 where nothing was
            read yet.
        begins, ends: where each text begins in `ids`, and up to where it was read, (N,).
        training, text: counts of the training text, and of all texts so far.
        matches: of each text, where in `ids` the token is that followed the match of its end, and
            the match's length; 0: there is none, (N, 2).
        right: of each class of lengths, how many matches were right, and how many there were.
        weights: the set for all tokens, then one for each pair of contexts' lengths; (sets, 4).
        features: ln p_i of the network and the n-gram models, the rest is in `found`, (3, V).
        p: the mixture's probabilities, (V,).
        path: scratch, (2, ORDER + 1).
        found: of the last prediction: the set of weights, the class of the match's length, or -1,
            and the token that followed it.
        steps: tokens that were learned from, (1,).
    """

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
def find_match(m: State, text: int, longest: Array) -> None:
    """Look for a match of the end of a text, unless the last one goes on.

    Args:
        longest: lengths of the known contexts in the training text and in the texts.
    """
    begin, end = m.begins[text], m.ends[text]
    if m.matches[text, 1]:
        return
    if longest[1] == ORDER:
        at = m.text.last[m.path[1, ORDER]]
    elif longest[0] == ORDER:
        at = m.training.last[m.path[0, ORDER]]
    else:
        return
    length = ORDER
    while (
        length < LONGEST_MATCH
        and length < min(at, end - begin)
        and m.ids[at - length - 1] == m.ids[end - length - 1]
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
    at, length = m.matches[text, 0], m.matches[text, 1]
    if length and m.ids[at] >= 0:
        m.found[1], m.found[2] = class_of(length), m.ids[at]
        weight = m.weights[0, MATCH] + m.weights[chosen, MATCH]
        m.p[m.ids[at]] += weight * trust(m)
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
        same = m.ids[at] == token and not (mark and token == mark)
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


class Mixture:
    """Mixes a network's predictions with what was read, for texts that are read side by side.

    Args:
        vocabulary_size: V.
        lengths: of each text, how many tokens will be read at most.
        training: ids of the training text, an array or a memory map; empty: there is none.
        mark: id of the mark between documents, before which no context reaches; 0: there is none.
    """

    def __init__(
        self, vocabulary_size: int, lengths: Sequence[int], training: Any, mark: int = 0
    ) -> None:
        self.V, self.mark = vocabulary_size, mark
        training = np.asarray(training[-MOST_COUNTED:]).astype(np.int32)
        begins = len(training) + np.cumsum([0, *lengths])
        ids = np.full(begins[-1] + 1, -1, np.int32)
        ids[: len(training)] = training
        self.state = State(
            ids=ids,
            begins=begins[:-1],
            ends=begins[:-1].copy(),
            training=counted(training, self.V, mark),
            text=empty(),
            matches=np.zeros((len(lengths), 2), np.int64),
            right=np.tile([RIGHT, SEEN], (CLASSES, 1)),
            weights=np.zeros((1 + (ORDER + 1) ** 2, EXPERTS)),
            features=np.zeros((MATCH, self.V)),
            p=np.zeros(self.V),
            path=np.zeros((2, ORDER + 1), np.int64),
            found=np.zeros(5, np.int64),
            steps=np.zeros(1, np.int64),
        )
        self.state.weights[0] = WEIGHTS

    def read(self, token: int, text: int = 0) -> None:
        """Read the next token of a text."""
        self._make_room(1)
        read(self.state, text, token, self.V, self.mark)

    def predict(self, logs: Floats, text: int = 0) -> Floats:
        """The probabilities (V,) of the next token of a text.

        Args:
            logs: ln p of the network, (V,), in float64.
        """
        predict(self.state, text, logs, self.V, self.mark)
        return self.state.p

    def follow(self, token: int, text: int = 0) -> None:
        """Learn from the next token of a text, which was predicted just before, and read it."""
        self._make_room(1)
        follow(self.state, text, token, self.V, self.mark)

    def score(self, logs: Floats, ids: Array) -> Floats:
        """-ln p of the next tokens of the only text, in nats, (T,); they are read.

        Args:
            logs: ln p of the network for each, (T, V).
            ids: the tokens, (T,).
        """
        nats = np.empty(len(ids))
        for start in range(0, len(ids), BLOCK):
            here = slice(start, start + BLOCK)
            self._make_room(BLOCK)
            pieces = logs[here].astype(np.float64), ids[here].astype(np.int64)
            score_block(self.state, *pieces, self.V, self.mark, nats[here])
        return nats

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights for all tokens, of the network, both n-gram models and a match."""
        return tuple(self.state.weights[0].tolist())

    def _make_room(self, tokens: int) -> None:
        text = with_room(self.state.text, tokens)
        if text is not self.state.text:
            self.state = self.state._replace(text=text)
