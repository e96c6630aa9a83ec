"""A language model as an ONNX file: one time step, with the state going in and coming out."""

from charlm.errors import UsageError
from charlm.tasks.language_modeling.run import LanguageModelRun

INSTALL = "Install it: pip install onnx"


def onnx_file(run: LanguageModelRun) -> bytes:
    """The model with its best weights. What stands in `metadata(run)` stands in the file too.

    Raises:
        UsageError: the package onnx is not installed.
        RunError: the weights are missing or damaged.
    """
    try:
        from charlm.export.onnx_model import make_model
    except ImportError:
        raise UsageError("ONNX files are made by the package onnx.", INSTALL) from None
    content: bytes = make_model(run).SerializeToString(deterministic=True)
    return content
