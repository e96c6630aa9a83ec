"""The engines that write a run's texts."""

from charlm.config import SamplingConfig
from charlm.errors import UsageError
from charlm.generation.choice import cpu_engine
from charlm.generation.engine import Engine
from charlm.tasks.language_modeling.evaluation_text import own_corpus, split_ids
from charlm.tasks.language_modeling.run import LanguageModelRun


def engine_of(run: LanguageModelRun, sampling: SamplingConfig | None = None) -> Engine:
    """What writes on the CPU soonest what is to be generated."""
    engine = cpu_engine(run.settings.model, run.load_weights(), sampling)
    return mixed_engine(run, engine) if sampling and sampling.mix else engine


def mixed_engine(run: LanguageModelRun, engine: Engine) -> Engine:
    """An engine of the run, with what was read mixed in; see `charlm.mixing`.

    Raises:
        RunError: the text that the run was trained on is missing or has changed.
        UsageError: nothing of it was held out, to learn the weights of the mixture on.
    """
    from charlm.generation.mixed_engine import MixedEngine

    own = own_corpus(run, "--mix")
    held_out = split_ids(run, own, "val" if run.spans.size("val") > 1 else "test")
    if len(held_out) < 2:
        raise UsageError(
            f"'{run.name}' holds out nothing, on which --mix would learn how to mix.",
            "Train with a --val-fraction, or leave out --mix.",
        )
    return MixedEngine(engine, run.settings.model, split_ids(run, own, "train"), held_out)
