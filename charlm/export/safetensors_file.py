"""The weights under torch's names, with all that is needed to use them, as one safetensors file."""

from charlm.export.description import metadata
from charlm.files.whole import safetensors_content
from charlm.runs.directory import RunDirectory


def safetensors_file(run: RunDirectory) -> bytes:
    """The best weights in float32, and `metadata(run)`.

    Raises:
        RunError: the weights are missing or damaged.
    """
    return safetensors_content(run.load_weights(), metadata(run))
