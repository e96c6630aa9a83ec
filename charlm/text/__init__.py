"""Texts: reading and decoding, normalization, vocabularies, splits, the catalog. NumPy, no torch.

Every text that enters (file, string, prefix, stop string) is decoded by `decoding.py`.
"""

__all__ = [
    "catalog",
    "corpus",
    "decoding",
    "detection",
    "documents",
    "download",
    "encoded",
    "fragments",
    "large",
    "mapped_ids",
    "matches",
    "normalize",
    "preparing",
    "sources",
    "splits",
    "tokens",
    "vocabulary",
]
