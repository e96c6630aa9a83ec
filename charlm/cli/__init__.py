"""The command line."""

from charlm.cli.app import main

__all__ = ["main"]
