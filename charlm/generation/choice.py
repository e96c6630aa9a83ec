"""Which engine writes texts on the CPU."""

from collections.abc import Mapping

from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.engine import Array, Engine
from charlm.generation.filters import filtered
from charlm.generation.numpy_engine import NumpyEngine

try:
    from charlm.generation import compiled_engine
except ImportError:  # the folder charlm/kernels is gone
    compiled_engine = None  # type: ignore[assignment]

# Characters from which on compiled code pays: numba takes about 0.3 s to be imported and to load
# what it compiled before, and seconds the first time ever; NumPy writes some 10,000 of one text in
# 0.3 s, of many 60,000.
LONG = 30_000
LONG_TOGETHER = 200_000
# Numbers in the weights beyond which the products take the time, and NumPy spreads them over the
# cores.
LARGE = 2**22


def cpu_engine(
    config: ModelConfig, weights: Mapping[str, Array], sampling: SamplingConfig | None = None
) -> Engine:
    """What writes the texts that are asked for in the shortest time, its own start included."""
    if compiled_engine is not None:
        compiled_engine.check_choice()
        wanted = sampling and not filtered(sampling) and compiling_pays(weights, sampling)
        if wanted and compiled_engine.writes(config):
            return compiled_engine.CompiledEngine(config, weights)
    return NumpyEngine(config, weights)


def compiling_pays(weights: Mapping[str, Array], sampling: SamplingConfig) -> bool:
    """Whether the compiled engine makes up for its start."""
    if sampling.num_samples == 1:
        return sampling.length >= LONG and sum(each.size for each in weights.values()) <= LARGE
    return sampling.length * sampling.num_samples >= LONG_TOGETHER
