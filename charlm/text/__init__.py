"""Texts: reading and decoding, normalization, vocabularies, splits, the catalog. NumPy, no torch.

Every text that enters (file, string, prefix, stop string) is decoded by `decoding.py`.
"""

__all__ = [
    "catalog",
    "corpus",
    "decoding",
    "documents",
    "download",
    "encoded",
    "fragments",
    "matches",
    "normalize",
    "sources",
    "splits",
    "tokens",
    "vocabulary",
]
