"""A mixture of a network with models that remember what was read, word for word.

An n-gram model of the training text, one of the text itself so far, and the longest match of what
was just read: each predicts the next token, and weights that are learned along the way combine
them with the network. Causal: nothing is predicted with what comes after it.
"""

__all__ = ["arithmetic", "mixture"]
