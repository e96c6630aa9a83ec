"""A language model as a page that writes in the reader's browser."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np

from charlm.export.description import held_out, provenance
from charlm.export.weights import rounded, scales_of, writes_alike
from charlm.files.whole import Arrays

from charlm.sections import Facts, Folded, Grid
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.text.vocabulary import printable


def page(run: LanguageModelRun) -> bytes:
    return b""
