"""Texts, vocabularies and ids: numpy only, no torch."""
