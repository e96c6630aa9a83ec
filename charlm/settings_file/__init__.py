"""Settings files: what `charlm train` takes, as TOML; and the one that repeats a run.

A file stands below the command line and the environment, and above presets and defaults.
"""

__all__ = ["keys", "reading", "repeating"]
