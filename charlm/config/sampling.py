"""How text is drawn from a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from charlm.config.fields import Config, setting
from charlm.errors import SettingError


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
        """The strings that end a text, as a tuple that may be empty."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
