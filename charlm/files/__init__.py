"""Paths, archives, strict JSON, and files and folders that are written completely or not at all."""

__all__ = [
    "archives",
    "disk",
    "paths",
    "reading",
    "schema",
    "strict_json",
    "structures",
    "toml",
    "whole",
]
