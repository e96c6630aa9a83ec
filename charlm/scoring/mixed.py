"""The score of a text by a network and a mixture of models that remember; see `charlm.mixing`."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from charlm.mixing.mixture import Mixture
from charlm.scoring.adjusted import Mixed
from charlm.scoring.exact import Surprise, surprise_pieces
from charlm.text.vocabulary import Ids


def mixed_surprise(pieces: Iterable[Tensor], ids: Ids, mixture: Mixture) -> tuple[Surprise, Mixed]:
    """-ln p of each token after the first, in nats, (tokens - 1,): by the network, and mixed.

    Args:
        pieces: log-probabilities of the network, from `charlm.scoring.exact.log_probabilities` or
            `charlm.scoring.dynamic.log_probabilities`.
        ids: (tokens,).
        mixture: of the training text; it stays as it is.
    """
    network, mixed = [np.empty(0)], [np.empty(0)]
    mixture = mixture.another()
    mixture.read(int(ids[0]))
    start = 1
    for piece in pieces:
        there = ids[start : start + len(piece)]
        network.extend(surprise_pieces([piece], ids[start - 1 :]))
        mixed.append(mixture.score(piece.cpu().numpy(), there))
        start += len(piece)
    return np.concatenate(network), Mixed(np.concatenate(mixed), mixture.weights)
