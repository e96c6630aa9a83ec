"""Settings of a language model that are fitted to its text, to a parent, and to a time limit."""

from dataclasses import replace

import torch

from charlm.config import ModelConfig
from charlm.errors import SettingError
from charlm.presets import NO_PRESET, ON_GPU, as_options, overridden
from charlm.rnn.backends.choice import available_backends
from charlm.runs.directory import RunDirectory
from charlm.tasks.dataset import Tell
from charlm.tasks.language_modeling.planning import Speed, plan
from charlm.tasks.language_modeling.run import LanguageModelRun
from charlm.tasks.language_modeling.settings import TextSettings
from charlm.tasks.language_modeling.sizes import check_training
from charlm.tasks.language_modeling.small_texts import for_small_text
from charlm.tasks.language_modeling.windows import fit
from charlm.text.splits import count

# On the bundled novella, after Tiny Shakespeare, in bits: 1.607 with this rate, 1.611 with 0.002,
# and 1.677 with that of the preset.
FINE_TUNING_RATE = 1e-3


def with_sizes(settings: TextSettings, vocabulary_size: int, document_id: int) -> TextSettings:
    """The settings with what the vocabulary decides."""
    model = replace(settings.model, vocabulary_size=vocabulary_size, document_id=document_id)
    return replace(settings, model=model)


def check_parent(settings: TextSettings, parent: LanguageModelRun | None) -> None:
    """Check how the text is to be read against how the parent's was.

    Raises:
        SettingError: the parent cannot read it so, or there is no parent to grow.
    """
    data = settings.data
    if parent is None:
        if data.grow_vocabulary:
            raise SettingError(
                "grow_vocabulary", "adds to the vocabulary of another run: give --init-from."
            )
        return
    whose = f"in the run '{parent.name}' that this one starts from: leave it out."
    if data.units != parent.text_config.units:
        raise SettingError("units", f"are {parent.text_config.units} {whose}")
    if "max_vocabulary" in settings.given:
        raise SettingError("max_vocabulary", f"has been decided {whose}")
    if data.documents is not None and not (parent.vocabulary.document_id or data.grow_vocabulary):
        raise SettingError(
            "documents",
            f"begin and end with a mark that the run '{parent.name}' lacks: give "
            "--grow-vocabulary too.",
        )


def with_parents_model(settings: TextSettings, parent: RunDirectory) -> TextSettings:
    """The settings with the parent's model in place of the preset's.

    Settings given by name that do not change the weights' shapes or meaning, such as dropout, stay.

    Raises:
        SettingError: a setting given by name does not fit the parent's weights.
    """
    given, theirs = settings.given, parent.settings.model
    for name in ModelConfig.identity():
        if given.get(name, getattr(theirs, name)) != getattr(theirs, name):
            raise SettingError(
                name,
                f"is {getattr(theirs, name)} in the run '{parent.name}' that this one starts "
                "from: leave it out.",
            )
    names = ModelConfig.names()
    mine = {name: value for name, value in given.items() if name in names}
    return replace(settings, model=replace(theirs, **mine))


def with_gentle_rate(settings: TextSettings, tell: Tell) -> TextSettings:
    """The settings with a rate at which the parent's weights do not lose what they have learned.

    A rate that was given by name stays, and so does that of another optimizer than AdamW.
    """
    train = settings.train
    chosen = "learning_rate" in settings.given or settings.preset == NO_PRESET
    if chosen or train.optimizer != "adamw" or train.learning_rate <= FINE_TUNING_RATE:
        return settings
    changes = {"learning_rate": FINE_TUNING_RATE}
    tell(f"For weights that have learned before: {as_options(changes)}")
    return overridden(settings, **changes)


def adapted_to_text(
    settings: TextSettings,
    characters: int,
    item: str,
    tell: Tell,
    document: float | None = None,
) -> TextSettings:
    """The settings adapted to the length of the training split, if the preset allows it.

    Args:
        document: the mean length of its documents, if it is made of them.
    """
    small = for_small_text(settings, characters, document) if settings.adapts_to_text else {}
    if small:
        tell(f"For {count(characters, item)} instead: {as_options(small)}")
    return overridden(settings, **small)


def with_gate_at_hand(
    settings: TextSettings, device: torch.device, backend: str, tell: Tell
) -> TextSettings:
    """The settings without the preset's capped gate, if it would take the scratch backend.

    Args:
        backend: the name of the one to train on, or "auto".
    """
    if not settings.model.capped_gate or "capped_gate" in settings.given:
        return settings
    having = available_backends(settings.model, device.type)
    if backend in having or (backend == "auto" and having != ["scratch"]):
        return settings
    changes = {"capped_gate": False}
    changed = overridden(settings, **changes)
    if available_backends(changed.model, device.type) == having:
        return settings
    lacking = "only the scratch backend has here" if backend == "auto" else f"{backend} lacks"
    tell(f"Without the capped gate, which {lacking}: {as_options(changes)}")
    return changed


def adapted_to_device(
    settings: TextSettings, characters: int, device: torch.device, tell: Tell
) -> TextSettings:
    """The settings adapted to a GPU, if the preset asks for it and the text is not small.

    Args:
        characters: length of the training split.
    """
    larger = {} if device.type == "cpu" else ON_GPU.get(settings.preset, {})
    changes = {name: value for name, value in larger.items() if name not in settings.given}
    if not changes or (settings.adapts_to_text and for_small_text(settings, characters)):
        return settings
    tell(f"On a GPU instead: {as_options(changes)}")
    return overridden(settings, **changes)


def with_windows_that_fit(settings: TextSettings, characters: int) -> TextSettings:
    """The settings with windows no larger than a training split of this length can fill."""
    train = settings.train
    batch_size, seq_length = fit(characters, train.batch_size, train.seq_length)
    return replace(settings, train=replace(train, batch_size=batch_size, seq_length=seq_length))


def planned_for_time(
    settings: TextSettings, characters: int, device: torch.device, measure: Speed, tell: Tell
) -> TextSettings:
    """The settings with sizes planned for the `max_minutes` given by name, if sizes are open.

    For the preset's own time its width stays, and only the noise is planned.

    Args:
        measure: tells how fast a model trains on the device.
    """
    timed = settings.can_plan_sizes and settings.train.max_minutes is not None
    if not timed or for_small_text(settings, characters):
        return settings
    widths = () if "max_minutes" in settings.given else (settings.model.hidden_size,)
    planned, why = plan(settings, characters, measure, device.type != "cpu", widths)
    tell(why)
    check_training(planned.model, planned.train, device)
    return planned
