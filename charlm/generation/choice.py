"""The choice of the engine that writes texts on the CPU."""

from collections.abc import Mapping

from charlm.config import ModelConfig, SamplingConfig
from charlm.generation.engine import Array, Engine
from charlm.generation.numpy_engine import NumpyEngine
from charlm.generation.steering import steered

try:
    from charlm.generation import compiled_engine
except ImportError:  # the folder charlm/kernels is gone
    compiled_engine = None  # type: ignore[assignment]

# Characters from which compiled code pays off, for one text and for several in total. Importing
# numba and loading its cached code takes about 0.3 s (seconds the first time ever), in which NumPy
# writes some 10,000 characters of one text, or 60,000 of many.
LONG = 30_000
LONG_TOGETHER = 200_000
# Elements of the weights beyond which matrix products dominate, which NumPy spreads over the cores.
LARGE = 2**22


def cpu_engine(
    config: ModelConfig, weights: Mapping[str, Array], sampling: SamplingConfig | None = None
) -> Engine:
    """The engine that writes the requested texts soonest, its own start-up included."""
    if compiled_engine is not None:
        compiled_engine.check_choice()
        wanted = sampling and not steered(sampling) and compiling_pays(weights, sampling)
        if wanted and compiled_engine.writes(config):
            return compiled_engine.CompiledEngine(config, weights)
    return NumpyEngine(config, weights)


def compiling_pays(weights: Mapping[str, Array], sampling: SamplingConfig) -> bool:
    """Whether the compiled engine makes up for its start-up time."""
    if sampling.side_by_side == 1:
        return sampling.length >= LONG and sum(each.size for each in weights.values()) <= LARGE
    return sampling.length * sampling.side_by_side >= LONG_TOGETHER
