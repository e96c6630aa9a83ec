"""States of a model after a prefix, kept with the run under names, so that it is read only once.

runs/<name>/states/<state>.safetensors
    weights_sha256    the hash of the weights that it belongs to, (32,) bytes
    context           the last ids that were read, (n,)
    logits            of the id that comes next, (1, V)
    state_0, …        the state tensors, (L, 1, H)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from charlm.config import CONTEXT
from charlm.errors import RunError, UsageError, suggestion
from charlm.files.whole import Arrays, writing
from charlm.generation.engine import Array, Engine
from charlm.generation.numpy_cells import STEPS
from charlm.generation.reading import Beginning
from charlm.runs.names import check_name
from charlm.tasks.language_modeling.run import LanguageModelRun

FOLDER, SUFFIX = "states", ".safetensors"


def save_state(run: LanguageModelRun, name: str, engine: Engine, beginning: Beginning) -> Path:
    """Keep what was read of one text; a state that had the name is replaced. Returns the file.

    Raises:
        UsageError: no file can have the name.
        RunError: the run cannot be written.
    """
    folder = run.path / FOLDER
    with writing(folder, run.advice_when_unwritable):
        folder.mkdir(exist_ok=True)
    arrays = {
        "weights_sha256": hash_of_weights(run),
        "context": beginning.contexts[0].astype(np.int64),
        "logits": beginning.logits.astype(np.float32),
    }
    for number, each in enumerate(engine.to_arrays(beginning.state)):
        arrays[f"state_{number}"] = each
    run.write_arrays(file_of(name), arrays)
    return run.path / file_of(name)


def load_state(run: LanguageModelRun, name: str, engine: Engine) -> Beginning:
    """What `save_state` kept, which is believed only if it is whole and of these weights.

    Raises:
        UsageError: there is no such state.
        RunError: it is damaged, or of other weights.
    """
    try:
        kept = run.parse_arrays(file_of(name), lambda arrays: checked(run, name, arrays))
    except RunError as error:
        raise RunError(error.message, "Read its prefix again, with --save-state.") from None
    if kept is None:
        raise UsageError(
            f"The run '{run.name}' keeps no state called '{name}'.",
            suggestion(dict.fromkeys(names(run)), name)
            if names(run)
            else "Keep one with --save-state.",
        )
    state = engine.from_arrays([kept[f"state_{number}"] for number in range(len(kept) - 3)])
    return Beginning((kept["context"],), kept["logits"], state)


def names(run: LanguageModelRun) -> list[str]:
    """The names of the states that a run keeps."""
    files = sorted((run.path / FOLDER).glob(f"*{SUFFIX}"))
    return [each.name.removesuffix(SUFFIX) for each in files if each.name[0] != "."]


def file_of(name: str) -> str:
    """The file of a state, inside the run."""
    return f"{FOLDER}/{check_name(name, 'a state')}{SUFFIX}"


def hash_of_weights(run: LanguageModelRun) -> Array:
    """The hash of the run's weights as 32 bytes."""
    return np.frombuffer(bytes.fromhex(run.weights_sha256()), np.uint8)


def checked(run: LanguageModelRun, name: str, arrays: Arrays) -> Arrays:
    """The arrays, after checking that they are a state of this run's model.

    Raises:
        RunError: they are of other weights.
        ValueError: they are no state.
    """
    if not np.array_equal(arrays.get("weights_sha256", np.empty(0)), hash_of_weights(run)):
        raise RunError(f"The state '{name}' is of other weights than those of '{run.name}'.")
    model = run.settings.model
    tensors = STEPS[model.cell][1]
    shapes: dict[str, Sequence[int]] = {"logits": (1, len(run.vocabulary))}
    for number in range(tensors):
        shapes[f"state_{number}"] = (model.num_layers, 1, model.hidden_size)
    if arrays.keys() != {"weights_sha256", "context", *shapes}:
        raise ValueError("it is no state of this model")
    for each, shape in shapes.items():
        if arrays[each].shape != shape:
            raise ValueError(f"{each} has another shape")
        if not np.isfinite(arrays[each]).all():
            raise ValueError(f"{each} is not finite")
    context = arrays["context"]
    known = context.ndim == 1 and 0 < len(context) <= CONTEXT and context.dtype.kind == "i"
    if not known or context.min() < 0 or context.max() >= len(run.vocabulary):
        raise ValueError("context is no text of this vocabulary")
    return arrays
