"""Architecture and regularization of a model."""

from dataclasses import dataclass

from charlm.config.fields import Config, setting
from charlm.errors import SettingError


@dataclass(frozen=True)
class ModelConfig(Config):
    """Architecture and regularization of a model, whichever backend computes it."""

    vocabulary_size: int = setting(2, "Entries of the vocabulary, <unk> included.", minimum=2)
    cell: str = setting(
        "gru", "Recurrent cell: rnn, gru, lstm, mogrifier, mingru or minlstm.", identity=True
    )
    hidden_size: int = setting(256, "Units in each recurrent layer.", minimum=1, identity=True)
    num_layers: int = setting(
        1, "Recurrent layers, each reading the one below.", minimum=1, identity=True
    )
    embedding_size: int = setting(
        0, "Size of the character vectors; 0 feeds one-hot.", minimum=0, identity=True
    )
    tie_weights: bool = setting(
        False, "Use the character vectors for the output layer too.", identity=True
    )
    reset_after: bool = setting(
        True,
        "GRU: reset gate after the recurrent product (torch, cuDNN) or before it (textbook).",
        identity=True,
    )
    capped_gate: bool = setting(
        False,
        "LSTM: the input gate lets in at most what the forget gate forgets (Melis et al. 2018).",
        identity=True,
    )
    layer_norm: bool = setting(
        False, "Normalize the cell's two products over its units (Ba et al. 2016).", identity=True
    )
    mogrifier_rounds: int = setting(
        5, "Mogrifier: rounds in which input and state gate each other.", minimum=0, identity=True
    )
    mogrifier_rank: int = setting(
        40, "Mogrifier: rank of the gating matrices.", minimum=1, identity=True
    )
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
    document_id: int = setting(
        0,
        "Id of the mark that begins and ends a document, before which the state is zero; 0: none.",
        minimum=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.document_id >= self.vocabulary_size:
            raise SettingError("document_id", "is beyond the vocabulary.")
        if self.tie_weights and not self.embedding_size:
            raise SettingError(
                "tie_weights", "needs character vectors: give embedding_size.", ["embedding_size"]
            )
