"""The settings as keyword arguments, for editors and type checkers.

They repeat the fields of `charlm.config`, where each is described; a test compares the two.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict


class SettingsKeywords(TypedDict, total=False):
    """The settings of all tasks together; a setting that a task has not is an error."""

    normalize: str | None
    encoding: str
    min_count: int
    val_fraction: float
    test_fraction: float
    documents: str | None
    grow_vocabulary: bool
    val_characters: int
    train_characters: int | None
    cell: str
    hidden_size: int
    num_layers: int
    embedding_size: int
    tie_weights: bool
    reset_after: bool
    capped_gate: bool
    layer_norm: bool
    mogrifier_rounds: int
    mogrifier_rank: int
    input_dropout: float
    dropout: float
    output_dropout: float
    weight_drop: float
    zoneout: float
    batch_size: int
    seq_length: int
    sampling: str
    random_lengths: bool
    reset_probability: float
    optimizer: str
    learning_rate: float
    schedule: str
    plateau_patience: int
    plateau_factor: float
    min_learning_rate: float
    warmup_steps: int
    weight_decay: float
    momentum: float
    activation_penalty: float
    temporal_penalty: float
    ema_decay: float
    average_after: int | None
    clip_norm: float
    initialization: str
    epochs: int | None
    max_steps: int | None
    max_minutes: float | None
    eval_every: int | None
    eval_characters: int
    patience: int | None
    precision: str
    cuda_graphs: bool
    seed: int
    text_column: str | None
    units: str
    lower: bool
    max_vocabulary: int | None
    max_length: int | None
    test: str | None
    val: str | None
    split_column: str | None
    group_column: str | None
    folds: int | None
    fold: int
    drop_duplicates: bool
    label_column: str | None
    pretrained_vectors: str | None
    class_weights: str
    threshold: float | None
    choose_threshold: bool
    target_column: str | None
    input_columns: str | None
    window: int | None
    horizon: int
    time_column: str | None
    standardize: str
    missing: str
    bidirectional: bool
    encoder_pooling: str
    adversarial: float
    freeze: bool


class LimitKeywords(TypedDict, total=False):
    """Settings that may change when a run is resumed."""

    epochs: int | None
    max_steps: int | None
    max_minutes: float | None
    patience: int | None
    eval_every: int | None
    learning_rate: float


class SamplingKeywords(TypedDict, total=False):
    """Fields of SamplingConfig."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    repetition_window: int
    ban: str | Sequence[str] | None
    length: int
    num_samples: int
    best_of: int
    novel: bool
    mix: bool
    unique: bool
    beams: int
    stop: str | Sequence[str] | None
    until_sentence_end: bool
    seed: int | None


class WritingKeywords(SamplingKeywords, total=False):
    """How `charlm.Run` writes: where it goes on from, where it computes, and fields of
    SamplingConfig."""

    from_state: str | None
    unknown: str | None
    device: str
    notify: Callable[[str], object]


class ReadingKeywords(TypedDict, total=False):
    """Which part of a text `charlm.Run.inspect` reads, how, and where it computes."""

    split: str | None
    unknown: str
    encoding: str | None
    device: str
    backend: str
