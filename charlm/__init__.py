"""Character language models: recurrent networks that learn to write like a text.

import charlm
run = charlm.train("book.txt", cell="gru")
print(run.generate("time", temperature=0.7))
print(charlm.load().evaluate("another.txt").score.bits_per_character)
"""

from typing import TYPE_CHECKING, Any

from charlm.version import __version__

if TYPE_CHECKING:
    from charlm.api import load, resume, train
    from charlm.comparison import compare
    from charlm.continuing import train_or_resume
    from charlm.cross_validation import CrossValidation, cross_validate
    from charlm.errors import CharlmError
    from charlm.repetition import Repetition, repeat
    from charlm.run import Run
    from charlm.scoring.comparison import Comparison
    from charlm.settings_file.reading import read_settings
    from charlm.settings_file.repeating import settings_toml
    from charlm.text.corpus import Corpus

__all__ = [
    "CharlmError",
    "Comparison",
    "Corpus",
    "CrossValidation",
    "Repetition",
    "Run",
    "__version__",
    "compare",
    "cross_validate",
    "load",
    "read_settings",
    "repeat",
    "resume",
    "settings_toml",
    "train",
    "train_or_resume",
]

_HOMES = {
    "CharlmError": "charlm.errors",
    "Comparison": "charlm.scoring.comparison",
    "Corpus": "charlm.text.corpus",
    "CrossValidation": "charlm.cross_validation",
    "Repetition": "charlm.repetition",
    "Run": "charlm.run",
    "compare": "charlm.comparison",
    "read_settings": "charlm.settings_file.reading",
    "settings_toml": "charlm.settings_file.repeating",
    "cross_validate": "charlm.cross_validation",
    "repeat": "charlm.repetition",
    "train_or_resume": "charlm.continuing",
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for: torch takes a second or two, and `charlm --help` needs none.
    if name not in __all__:
        raise AttributeError(f"module 'charlm' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "charlm.api")), name)
