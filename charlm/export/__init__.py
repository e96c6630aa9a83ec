"""A trained model in one file, to be handed on: a page that writes, ONNX, or safetensors.

No file names a path of the machine that it was made on.
"""

from charlm.export.formats import FORMATS, export, look_up_format

__all__ = ["FORMATS", "export", "look_up_format"]
