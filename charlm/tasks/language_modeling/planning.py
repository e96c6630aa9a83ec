"""Planning for a time limit: as wide a model as this machine can train within it, and the noise.

A wider model learns more from each character but sees fewer of them. A short measurement tells how
many characters a width would be trained on. They must suffice for its number of weights, which in
turn must not be so large that a small text is memorized.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from charlm.config import ModelConfig, TextTrainConfig
from charlm.distributed.world import ALONE, World
from charlm.language_model import LanguageModel
from charlm.machine.cuda_graphs import WARM_UP
from charlm.machine.generators import forked_generators
from charlm.machine.threads import tuned_threads
from charlm.presets import BY_CELL, as_options, overridden
from charlm.rnn.backends.choice import choose_precision_and_backend
from charlm.tasks.language_modeling.settings import TextSettings
from charlm.tasks.language_modeling.sizes import parameter_count
from charlm.tasks.language_modeling.training import LanguageModeling
from charlm.training.learner import Learner

WIDTHS = (64, 128, 192, 256, 384, 512, 640, 768, 1024)
# On Tiny Shakespeare, in three minutes on two cores, a GRU of 640 units (2.9 characters for each
# parameter) reached 1.411 nats; one of 512 units (7.7) reached 1.428 and one of 768 (1.4) 1.420.
CHARACTERS_PER_PARAMETER = 2.5
PARAMETERS_PER_CHARACTER = 8.0
# Widths from this one on have larger vectors, which cost next to nothing: on Tiny Shakespeare an
# LSTM of 768 units came to 1.351 nats with vectors of 192, to 1.358 with 64. For 384 units on the
# novella they made no difference.
WIDE, VECTORS_IF_WIDE = 512, 192
# Dropout by how often the text is read: (epochs, at most; output dropout; weight drop).
DROPOUT = ((8, 0.1, 0.0), (15, 0.2, 0.1), (40, 0.25, 0.2), (60, 0.4, 0.3), (np.inf, 0.4, 0.4))
FEW_EPOCHS = 8
MEASURED_SECONDS = 0.3

Speed = Callable[[ModelConfig, TextTrainConfig], float]


def plan(
    settings: TextSettings,
    characters: int,
    speed: Speed,
    on_gpu: bool = False,
    widths: Sequence[int] = (),
) -> tuple[TextSettings, str]:
    """Plan the width, vectors and dropout of a model for the time in the settings.

    Args:
        settings: with `max_minutes` and the vocabulary size.
        characters: length of the training split.
        speed: measures the training speed of a model, in characters per second.
        on_gpu: whether it trains on a GPU, where small batches leave most of it idle.
        widths: those to choose from, in ascending order, in place of WIDTHS. The first one is
            always possible.

    Returns:
        The settings, and a sentence about what was chosen and why.
    """
    assert settings.train.max_minutes is not None
    widths = widths or WIDTHS
    seconds = 60 * settings.train.max_minutes
    models = {width: of_width(settings, width) for width in widths}
    weights = {width: parameter_count(models[width]) for width in widths}
    chosen = measured_width = widths[0]
    rate = speed(models[chosen], settings.train)
    for width in widths[1:]:
        needed = CHARACTERS_PER_PARAMETER * weights[width] / seconds
        if weights[width] > PARAMETERS_PER_CHARACTER * characters:
            break
        # Work grows with the square of the width at most: if the width is fast enough even so,
        # there is no need to measure it.
        if rate * (measured_width / width) ** 2 < needed:
            measured_width, rate = width, speed(models[width], settings.train)
            if rate < needed:
                break
        chosen = width
    if chosen != measured_width:
        rate = speed(models[chosen], settings.train)
    epochs = rate * seconds / characters
    output_dropout, weight_drop = next(each[1:] for each in DROPOUT if epochs <= each[0])
    changes = {
        "hidden_size": chosen,
        "output_dropout": output_dropout,
        "weight_drop": weight_drop,
    }
    if models[chosen].embedding_size != settings.model.embedding_size:
        changes["embedding_size"] = models[chosen].embedding_size
    if epochs <= FEW_EPOCHS and not on_gpu:
        # Small batches are slower per character, but with few epochs more steps matter more.
        changes["batch_size"] = min(settings.train.batch_size, 16)
    kept = settings.given.keys() | BY_CELL.get((settings.preset, settings.model.cell), {}).keys()
    changes = {name: value for name, value in changes.items() if name not in kept}
    reason = (
        f"Planned for {settings.train.max_minutes:g} minutes: {as_options(changes)}, because at "
        f"{rate:,.0f} characters a second here, {weights[chosen]:,} parameters read the text "
        f"{epochs:.1f} times."
    )
    return overridden(settings, **changes), reason


def of_width(settings: TextSettings, width: int) -> ModelConfig:
    """The model of a width, with vectors as large as suits it unless their size was given."""
    model, given = replace(settings.model, hidden_size=width), settings.given
    if width < WIDE or "embedding_size" in given:
        return model
    return replace(model, embedding_size=VECTORS_IF_WIDE)


def measured(device: torch.device, backend: str, world: World = ALONE) -> Speed:
    """A function that measures the training speed of a model by a few steps on random characters.

    Args:
        backend: its name; "auto" takes the fastest one for each model, as for the precision.
        world: the processes that train it together, and measure the same.
    """

    def speed(model_config: ModelConfig, config: TextTrainConfig) -> float:
        precision, name = choose_precision_and_backend(
            model_config, device, config.precision, backend
        )
        config = replace(config, precision=precision)
        with forked_generators(device):
            model = LanguageModel(model_config, name)
            model.initialize("uniform", 0)
            model.to(device)
            size = 20 * config.batch_size * config.seq_length
            text = np.random.default_rng(0).integers(
                0, model_config.vocabulary_size, size, dtype=np.uint32
            )
            task = LanguageModeling(model, text, text[:0], config, world=world)
            learner = Learner(task, config, world)
            learner.task.load_epoch(0)
            # On CUDA the step after WARM_UP others records a graph, which takes time.
            window = 1 + WARM_UP if device.type == "cuda" else 2
            for warm_up in range(window):
                learner.step(warm_up, config.learning_rate)
            with tuned_threads(device.type) as tuner:
                # While other programs are busy, a single thread may be faster.
                rates = []
                for threads in {tuner.most, 1}:
                    tuner.apply(threads)
                    rates.append(items_per_second(learner, window))
                return max(rates)

    return speed


def items_per_second(learner: Learner, window: int) -> float:
    """Speed over MEASURED_SECONDS of steps, from this window on."""
    world, items = learner.world, 0
    world.barrier()
    started = world.clock()
    while world.clock() - started < MEASURED_SECONDS:
        items += learner.step(window % 16, learner.config.learning_rate)
        window += 1
        world.barrier()
    learner.is_finite(whole_state=False)  # waits for the device
    world.barrier()
    return items / (world.clock() - started)
