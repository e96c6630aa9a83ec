"""What it takes to spell the words that a vocabulary lacks, letter by letter.

A model over words says only that a word is unknown. With its spelling added, a score is of every
character of a text, and can stand beside that of a model over characters.
"""

import math
import sys
from collections.abc import Iterable

import numpy as np

from charlm.scoring.baselines import ngram_probabilities
from charlm.text.vocabulary import Vocabulary, code_points

ORDER = 4
END = "\n"


def spelling_nats(vocabulary: Vocabulary, words: Iterable[str]) -> float:
    """Nats of the spelling of words, the end of each included.

    The letters come from an interpolated 4-gram model of the spellings in the vocabulary, each
    counted once, since rare words resemble each other more than they resemble frequent ones. What
    letter an unknown one is costs as much as any code point.

    Args:
        vocabulary: of words.
        words: those that it lacks, each as often as it occurs.
    """
    spelled = END + "".join(each + END for each in words)
    known = END + "".join(each + END for each in vocabulary.entries)
    alphabet, train = np.unique(code_points(known), return_inverse=True)
    letters = code_points(spelled)
    places = np.minimum(np.searchsorted(alphabet, letters), len(alphabet) - 1)
    lacking = alphabet[places] != letters
    ids = np.where(lacking, len(alphabet), places)
    probabilities = ngram_probabilities(
        train.astype(np.uint32), ids.astype(np.uint32), len(alphabet) + 1, ORDER
    )
    unknown = np.count_nonzero(lacking) * math.log(sys.maxunicode + 1)
    return float(-np.log(probabilities[1:]).sum()) + unknown
