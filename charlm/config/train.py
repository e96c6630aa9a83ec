"""How a model is trained."""

from dataclasses import dataclass

from charlm.config.fields import Config, setting
from charlm.errors import SettingError


@dataclass(frozen=True)
class TrainConfig(Config):
    """How a model is trained."""

    batch_size: int = setting(32, "Streams of text trained on side by side.", minimum=1)
    optimizer: str = setting("adamw", "adamw, adam or sgd.", choices=("adamw", "adam", "sgd"))
    learning_rate: float = setting(2e-3, "The highest learning rate.", above=0, maximum=1e30)
    schedule: str = setting(
        "constant",
        "constant; cosine down to a hundredth; or plateau: lowered when the held-out score stalls.",
        choices=("constant", "cosine", "plateau"),
    )
    plateau_patience: int = setting(
        1,
        "Lower the rate after this many evaluations without a better held-out score.",
        minimum=1,
    )
    plateau_factor: float = setting(
        0.5, "Lower the rate at a plateau to this share of it.", above=0, below=1
    )
    min_learning_rate: float = setting(
        0.0, "At a plateau, lower the rate no further than to this.", minimum=0
    )
    warmup_steps: int = setting(0, "Steps of linear warm-up.", minimum=0)
    weight_decay: float = setting(
        0.0,
        "Weight decay, on matrices only, character vectors among them; decoupled with adamw.",
        minimum=0,
    )
    momentum: float = setting(0.0, "Momentum of sgd.", minimum=0, below=1)
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
    patience: int | None = setting(
        None, "Stop after this many evaluations without a better held-out score.", minimum=1
    )
    precision: str = setting(
        "fp32",
        "Matrix products in fp32, tf32 (NVIDIA's GPUs), bf16 or fp16, weights in fp32; auto: where "
        "hardware has it tf32 on a GPU, bf16 on a CPU.",
        choices=("auto", "fp32", "tf32", "bf16", "fp16"),
    )
    cuda_graphs: bool = setting(
        True, "On CUDA, record the training step once and replay it, unless lengths are random."
    )
    seed: int = setting(0, "Seed of every random stream.", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs is self.max_steps is self.max_minutes is None:
            limits = ("epochs", "max_steps", "max_minutes")
            problem = "is missing: give epochs, max_steps or max_minutes."
            raise SettingError("epochs", problem, limits)
        if self.schedule != "plateau":
            return
        if self.patience is not None and self.plateau_patience >= self.patience:
            raise SettingError(
                "plateau_patience",
                f"must be below patience, which is {self.patience}: training would end before the "
                "rate falls.",
                ["patience"],
            )
        if self.min_learning_rate >= self.learning_rate:
            raise SettingError(
                "min_learning_rate",
                f"must be below learning_rate, which is {self.learning_rate:g}.",
                ["learning_rate"],
            )


@dataclass(frozen=True)
class TextTrainConfig(TrainConfig):
    """How a model is trained on windows of a text."""

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
    eval_characters: int = setting(
        30_000,
        "Score no more than this many held-out characters along the way; at the end, all of them.",
        minimum=2,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("random_lengths", "reset_probability"):
            if self.sampling == "random" and getattr(self, name):
                raise SettingError(
                    name, "is for sequential windows, not for sampling 'random'.", ["sampling"]
                )
