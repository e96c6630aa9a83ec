"""The memory needed to write texts side by side."""

from charlm.config import ModelConfig, SamplingConfig
from charlm.machine.memory import available_memory, check_memory

FLOAT = 4  # bytes
STREAM = 400  # bytes of a random generator, at least


def check_samples(config: ModelConfig, sampling: SamplingConfig) -> None:
    """Refuse to write more texts than memory can hold.

    Raises:
        NotEnoughMemoryError: the texts would take more memory than is available.
    """
    # Ids and characters, a byte each. A text with a stop string has an unknown length.
    text = 0 if sampling.stop else 2 * sampling.length
    state = FLOAT * config.num_layers * config.hidden_size
    each = STREAM + state + FLOAT * config.vocabulary_size + text
    texts = "text" if sampling.num_samples == 1 else "texts"
    check_memory(
        f"Writing {sampling.num_samples:,} {texts} of {sampling.length:,} characters",
        sampling.num_samples * each,
        available_memory(),
        "Give a smaller --num-samples or --length.",
    )
