"""What was computed from a run's model and its held-out text, and is kept with the run."""

from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.corpus import sha256_of
from charlm.version import __version__


def key_of(run: LanguageModelRun, *settings: object) -> str:
    """A hash of all that such a result depends on.

    Args:
        settings: of the computation.

    Raises:
        RunError: the run's weights cannot be read.
    """
    about = (__version__, run.weights_sha256(), run.record.corpus["text_sha256"], run.record.splits)
    return sha256_of(repr((*about, *settings)))
