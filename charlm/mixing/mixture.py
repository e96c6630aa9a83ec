"""The mixture: a product of experts whose weights are learned while a text is read.

p(c | h) ∝ Π p_i(c | h)^{w_i}, for a network, an n-gram model of the training text and one of the
text so far; a match multiplies the token that followed it by (r / (1 - r))^w, where r is how often
matches of its length were right. After each token the weights take a step down the gradient of
-ln p (Mattern 2012, "Mixing Strategies in Data Compression"). They are the sum of two sets: one for
all tokens, and one for those whose longest known contexts, in the training text and in the text so
far, have the same lengths.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from charlm.mixing.counts import BLOCK, ORDER, counted, empty, with_room
from charlm.mixing.prediction import (
    CLASSES,
    EXPERTS,
    MATCH,
    RIGHT,
    SEEN,
    WEIGHTS,
    Array,
    Floats,
    State,
    follow,
    predict,
    read,
    score_block,
)

# Of the training text so many tokens are counted, from its end on.
MOST_COUNTED = 4_000_000


class Mixture:
    """Mixes a network's predictions with what was read, for texts that are read side by side.

    Args:
        vocabulary_size: V.
        lengths: of each text, how many tokens will be read; of the last one there may be more.
        training: ids of the training text, an array or a memory map; empty: there is none.
        mark: id of the mark between documents, before which no context reaches; 0: there is none.
    """

    def __init__(
        self, vocabulary_size: int, lengths: Sequence[int], training: Any, mark: int = 0
    ) -> None:
        self.V, self.mark = vocabulary_size, mark
        training = np.asarray(training[-MOST_COUNTED:]).astype(np.int32)
        begins = np.cumsum([0, *lengths])
        self.state = State(
            learned=training,
            ids=np.full(begins[-1], -1, np.int32),
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

    def another(self) -> "Mixture":
        """A mixture for another text, with the same training text and what was learned so far."""
        made = copy(self)
        made.state = self.state._replace(
            ids=np.full(BLOCK, -1, np.int32),
            begins=np.zeros(1, np.int64),
            ends=np.zeros(1, np.int64),
            text=empty(),
            matches=np.zeros((1, 2), np.int64),
            right=self.state.right.copy(),
            weights=self.state.weights.copy(),
            features=np.zeros_like(self.state.features),
            p=np.zeros(self.V),
            path=np.zeros_like(self.state.path),
            found=np.zeros_like(self.state.found),
            steps=self.state.steps.copy(),
        )
        return made

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
            pieces = logs[here].astype(np.float64), ids[here].astype(np.int64)
            self._make_room(len(pieces[1]))
            score_block(self.state, *pieces, self.V, self.mark, nats[here])
        return nats

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights for all tokens, of the network, both n-gram models and a match."""
        return tuple(self.state.weights[0].tolist())

    def _make_room(self, tokens: int) -> None:
        text, ids = with_room(self.state.text, tokens), self.state.ids
        if text is not self.state.text:
            self.state = self.state._replace(text=text)
        # The last text may become longer than was said.
        if int(self.state.ends[-1]) + tokens > len(ids):
            more = np.full(max(len(ids), tokens), -1, np.int32)
            self.state = self.state._replace(ids=np.concatenate([ids, more]))
