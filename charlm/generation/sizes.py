"""The memory needed to write texts side by side."""

from charlm.config import ModelConfig, SamplingConfig
from charlm.errors import option
from charlm.machine.memory import available_memory, check_memory

FLOAT = 4  # bytes
STREAM = 400  # bytes of a random generator, at least


def check_samples(config: ModelConfig, sampling: SamplingConfig, prefixes: int = 1) -> None:
    """Refuse to write more texts than memory can hold.

    Args:
        prefixes: how many are continued side by side.

    Raises:
        NotEnoughMemoryError: the texts would take more memory than is available.
    """
    # Ids and characters, a byte each. A text with a stop string has an unknown length.
    text = 0 if sampling.stop else 2 * sampling.length
    state = FLOAT * config.num_layers * config.hidden_size
    each = STREAM + state + FLOAT * config.vocabulary_size + text
    number = sampling.side_by_side * prefixes
    by = next((name for name in ("beams", "best_of") if getattr(sampling, name)), "num_samples")
    texts = "text" if number == 1 else "texts"
    check_memory(
        f"Writing {number:,} {texts} of {sampling.length:,} characters",
        number * each,
        available_memory(),
        f"Give a smaller {option(by)} or --length.",
    )
