"""Every setting, once: its name, default, range and the help that the command line shows.

The defaults here are neutral. What `charlm train` uses unless told otherwise is the preset `quick`
(`charlm.presets`).
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, Self, get_args, get_origin

from charlm.errors import SettingError


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    several: bool = False,
) -> Any:
    """A dataclass field that carries its help and its range, which `Config` checks.

    Args:
        several: the command line takes more than one value.
    """
    ranges = {"minimum": minimum, "above": above, "maximum": maximum, "below": below}
    metadata = {"help": help, "choices": choices, "several": several, **ranges}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Settings that check themselves: a value out of range raises SettingError."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.metadata:
                check(each.name, each.type, getattr(self, each.name), each.metadata)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(each.name for each in fields(cls))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            SettingError: a name that this version does not know, or a value out of range.
        """
        for name in values:
            if name not in cls.names():
                raise SettingError(name, "is a setting that this version of charlm does not know.")
        return cls(**values)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a field's type.

    A whole number is a float too; True and False, which Python calls numbers, are none; and
    dict[str, Any] asks only for a dict.
    """
    if isinstance(kind, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    plain = get_origin(kind) or kind
    if isinstance(value, bool):
        return plain is bool
    return isinstance(value, plain | int if plain is float else plain)


def check(name: str, kind: Any, value: Any, metadata: Any) -> None:
    """Raise SettingError unless `value` is of type `kind` and within the ranges of `metadata`."""
    if not fits(value, kind):
        raise SettingError(name, f"cannot be {value!r}.")
    choices = metadata["choices"]
    if choices and value not in choices:
        raise SettingError(name, f"must be {' or '.join(choices)}, not '{value}'.")
    if kind is bool or not isinstance(value, int | float):
        return
    holds = {
        "at least": (metadata["minimum"], operator.ge),
        "above": (metadata["above"], operator.gt),
        "at most": (metadata["maximum"], operator.le),
        "below": (metadata["below"], operator.lt),
    }
    limits = {words: (limit, test) for words, (limit, test) in holds.items() if limit is not None}
    infinite = isinstance(value, float) and not math.isfinite(value)
    within = all(test(value, at) for at, test in limits.values())
    if infinite or not within:
        wanted = [f"{words} {limit}" for words, (limit, _) in limits.items()]
        wanted += ["finite"] if within else []
        raise SettingError(name, f"must be {' and '.join(wanted)}, not {value}.")


@dataclass(frozen=True)
class DataConfig(Config):
    """How a text becomes ids and splits."""

    normalize: str | None = setting(
        None, "letters, letters-by-line, lower or none; by default what the corpus asks for."
    )
    encoding: str = setting("utf-8", "How the text's bytes spell characters, as Python names it.")
    min_count: int = setting(
        1, "Characters rarer than this in the training split become <unk>.", minimum=1
    )
    val_fraction: float = setting(
        0.1, "Share of the text held out for scoring while training.", minimum=0, below=1
    )
    test_fraction: float = setting(
        0.0, "Share at the text's end that is scored once, after training.", minimum=0, below=1
    )
    val_characters: int = setting(
        1_000_000, "Hold out no more than this many characters for validation.", minimum=2
    )
    train_characters: int | None = setting(
        None, "Train on no more than this many characters, the first ones.", minimum=2
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_fraction + self.test_fraction >= 1:
            raise SettingError(
                "val_fraction", "and test_fraction leave nothing to train on.", ["test_fraction"]
            )


@dataclass(frozen=True)
class ModelConfig(Config):
    """What a model is, whatever backend computes it."""

    vocabulary_size: int = setting(2, "Entries of the vocabulary, <unk> included.", minimum=2)
    cell: str = setting("gru", "Recurrent cell: rnn, gru, lstm, mogrifier, mingru or minlstm.")
    hidden_size: int = setting(256, "Units in each recurrent layer.", minimum=1)
    num_layers: int = setting(1, "Recurrent layers, each reading the one below.", minimum=1)
    embedding_size: int = setting(0, "Size of the character vectors; 0 feeds one-hot.", minimum=0)
    tie_weights: bool = setting(False, "Use the character vectors for the output layer too.")
    reset_after: bool = setting(
        True, "GRU: reset gate after the recurrent product (torch, cuDNN) or before it (textbook)."
    )
    layer_norm: bool = setting(
        False, "Normalize the cell's two products over its units (Ba et al. 2016)."
    )
    mogrifier_rounds: int = setting(
        5, "Mogrifier: rounds in which input and state gate each other.", minimum=0
    )
    mogrifier_rank: int = setting(40, "Mogrifier: rank of the gating matrices.", minimum=1)
    input_dropout: float = setting(
        0.0,
        "Dropout on the character vectors. Like those below it is locked: one mask a window, the "
        "same at all steps (Gal & Ghahramani 2016).",
        minimum=0,
        below=1,
    )
    dropout: float = setting(0.0, "Locked dropout between recurrent layers.", minimum=0, below=1)
    output_dropout: float = setting(
        0.0, "Locked dropout before the output layer.", minimum=0, below=1
    )
    weight_drop: float = setting(
        0.0,
        "DropConnect on the recurrent matrices, one mask a window (Merity et al. 2018).",
        minimum=0,
        below=1,
    )

    zoneout: float = setting(
        0.0,
        "Probability that a unit holds its state for a step (Krueger et al. 2017); scratch only.",
        minimum=0,
        below=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tie_weights and not self.embedding_size:
            raise SettingError(
                "tie_weights", "needs character vectors: give embedding_size.", ["embedding_size"]
            )


@dataclass(frozen=True)
class TrainConfig(Config):
    """How a model is trained."""

    batch_size: int = setting(32, "Streams of text trained on side by side.", minimum=1)
    seq_length: int = setting(64, "Steps of backpropagation through time.", minimum=1)
    sampling: str = setting(
        "sequential",
        "sequential: windows follow one another, the state is carried; random: shuffled windows, "
        "each from a zero state.",
        choices=("sequential", "random"),
    )
    random_lengths: bool = setting(
        False,
        "Sequential windows of about seq_length steps, the learning rate in proportion to each "
        "one's length (Merity et al. 2018).",
    )
    reset_probability: float = setting(
        0.0,
        "Probability that a stream's state is not carried into a sequential window.",
        minimum=0,
        maximum=1,
    )
    optimizer: str = setting("adamw", "adamw, adam or sgd.", choices=("adamw", "adam", "sgd"))
    learning_rate: float = setting(2e-3, "The highest learning rate.", above=0, maximum=1e30)
    schedule: str = setting(
        "constant", "constant, or cosine down to a hundredth.", choices=("constant", "cosine")
    )
    warmup_steps: int = setting(0, "Steps of linear warm-up.", minimum=0)
    weight_decay: float = setting(
        0.0,
        "Weight decay, on matrices only, character vectors among them; decoupled with adamw.",
        minimum=0,
    )
    momentum: float = setting(0.0, "Momentum of sgd.", minimum=0, below=1)
    activation_penalty: float = setting(
        0.0,
        "Weight of the mean square of the last layer's outputs, after dropout, in what is "
        "minimized (Merity et al. 2017).",
        minimum=0,
    )
    temporal_penalty: float = setting(
        0.0,
        "The same of their change from step to step, before dropout.",
        minimum=0,
    )
    ema_decay: float = setting(
        0.0,
        "Keep an exponential moving average of the weights, such as 0.999, score it too, and "
        "keep the better; 0: none.",
        minimum=0,
        below=1,
    )
    average_after: int | None = setting(
        None,
        "After this many evaluations without a better held-out score keep a plain average of the "
        "weights from then on, score it too, and keep the better (NT-ASGD; Merity et al. 2018).",
        minimum=1,
    )
    clip_norm: float = setting(1.0, "Clip the gradient's global norm to this; 0: never.", minimum=0)
    initialization: str = setting(
        "uniform",
        "uniform (torch's), normal (0.01), orthogonal, or d2l: normal from scratch, else uniform.",
        choices=("uniform", "normal", "orthogonal", "d2l"),
    )
    epochs: int | None = setting(None, "Stop after this many passes over the text.", minimum=1)
    max_steps: int | None = setting(None, "Stop after this many optimizer steps.", minimum=1)
    max_minutes: float | None = setting(None, "Stop after this many minutes.", above=0)
    eval_every: int | None = setting(
        None, "Steps between evaluations; by default ten in a run.", minimum=1
    )
    eval_characters: int = setting(
        30_000,
        "Score no more than this many held-out characters along the way; at the end, all of them.",
        minimum=2,
    )
    patience: int | None = setting(
        None, "Stop after this many evaluations without a better held-out score.", minimum=1
    )
    precision: str = setting(
        "fp32",
        "Matrix products in fp32, tf32 (NVIDIA's GPUs), bf16 or fp16, weights in fp32; auto: bf16 "
        "where hardware has it.",
        choices=("auto", "fp32", "tf32", "bf16", "fp16"),
    )
    cuda_graphs: bool = setting(
        True, "On CUDA, record the training step once and replay it, unless lengths are random."
    )
    seed: int = setting(0, "Seed of every random stream.", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("random_lengths", "reset_probability"):
            if self.sampling == "random" and getattr(self, name):
                raise SettingError(
                    name, "is for sequential windows, not for sampling 'random'.", ["sampling"]
                )
        if self.epochs is self.max_steps is self.max_minutes is None:
            limits = ("epochs", "max_steps", "max_minutes")
            problem = "is missing: give epochs, max_steps or max_minutes."
            raise SettingError("epochs", problem, limits)


@dataclass(frozen=True)
class SamplingConfig(Config):
    """How text is drawn from a model."""

    temperature: float = setting(
        1.0, "Flattens (above 1) or sharpens (below 1) the distribution; 0 is greedy.", minimum=0
    )
    top_k: int = setting(0, "Draw from the k most probable characters; 0: from all.", minimum=0)
    top_p: float = setting(
        1.0, "Draw from the smallest set that holds this much probability.", above=0, maximum=1
    )
    min_p: float = setting(
        0.0,
        "Leave out characters below this share of the best one's probability.",
        minimum=0,
        maximum=1,
    )
    length: int = setting(400, "Characters to generate.", minimum=0)
    num_samples: int = setting(1, "Texts to generate.", minimum=1)
    stop: str | Sequence[str] | None = setting(
        None,
        "End a text where this string would begin; given again, where the first of several does.",
        several=True,
    )
    seed: int | None = setting(None, "Seed of the draw; by default a new one each time.", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in self.stops:
            if not isinstance(each, str):
                raise SettingError("stop", f"cannot be {each!r}.")
            if not each:
                raise SettingError("stop", "cannot be empty: leave it out.")

    @property
    def stops(self) -> tuple[str, ...]:
        """The strings that end a text, be there none, one or several."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
