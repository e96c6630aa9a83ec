"""How text is drawn from a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from charlm.config.fields import Config, setting
from charlm.errors import SettingError

# The last characters of what was read that are kept beside the model's state.
CONTEXT = 4096


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
    repetition_penalty: float = setting(
        1.0,
        "Multiply the log-probability of characters that came lately by this; 1: do not.",
        minimum=1,
    )
    repetition_window: int = setting(
        64, "How many of the last characters came lately.", minimum=1, maximum=CONTEXT
    )
    ban: str | Sequence[str] | None = setting(
        None, "A character or string that is never written; may be given again.", several=True
    )
    length: int = setting(400, "Characters to generate.", minimum=0)
    num_samples: int = setting(1, "Texts to generate.", minimum=1)
    best_of: int = setting(
        0,
        "Draw this many texts, and give the most probable, by log-probability a character; 0: all.",
        minimum=0,
    )
    beams: int = setting(
        0,
        "Draw nothing: look for the most probable text, this many at a time; 0: draw.",
        minimum=0,
    )
    stop: str | Sequence[str] | None = setting(
        None,
        "End a text where this string would begin; given again, where the first of several does.",
        several=True,
    )
    until_sentence_end: bool = setting(
        False, "End a text after the first sentence that ends at the length or beyond."
    )
    novel: bool = setting(False, "Of documents: leave out those that stand in the training text.")
    unique: bool = setting(False, "Of documents: leave out repeats.")
    mix: bool = setting(
        False,
        "Mix in n-gram models of the training text and of the text so far, and the longest match.",
    )
    seed: int | None = setting(None, "Seed of the draw; by default a new one each time.", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, strings in (("stop", self.stops), ("ban", self.bans)):
            for each in strings:
                if not isinstance(each, str):
                    raise SettingError(name, f"cannot be {each!r}.")
                if not each:
                    raise SettingError(name, "cannot be empty: leave it out.")

    @property
    def stops(self) -> tuple[str, ...]:
        """The strings that end a text, as a tuple that may be empty."""
        return as_tuple(self.stop)

    @property
    def bans(self) -> tuple[str, ...]:
        """The strings that are never written, as a tuple that may be empty."""
        return as_tuple(self.ban)

    @property
    def is_drawn(self) -> bool:
        """Whether there is chance in it."""
        return bool(self.temperature) and not self.beams

    @property
    def side_by_side(self) -> int:
        """How many texts are written at a time after one prefix."""
        return max(self.num_samples, self.best_of, self.beams)


def as_tuple(strings: str | Sequence[str] | None) -> tuple[str, ...]:
    """One string, several or none."""
    return (strings,) if isinstance(strings, str) else tuple(strings or ())
