"""The keyword arguments of the Python interface are the fields of the configurations."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from charlm.config import (
    Config,
    EncoderConfig,
    ModelConfig,
    SamplingConfig,
    TextConfig,
    TextTrainConfig,
)
from charlm.keywords import LimitKeywords, SamplingKeywords, SettingsKeywords
from charlm.tasks.classification.settings import ClassificationConfig
from charlm.tasks.regression.settings import RegressionConfig
from charlm.tasks.supervised.settings import EncoderTrainConfig


def types(*configs: type[Config]) -> dict[str, object]:
    every = {each.name: each.type for config in configs for each in fields(config)}
    decided_by_data = ("vocabulary_size", "document_id", "input_size", "output_size")
    return {name: kind for name, kind in every.items() if name not in decided_by_data}


SETTINGS = (
    *(TextConfig, ClassificationConfig, RegressionConfig),
    *(ModelConfig, EncoderConfig, TextTrainConfig, EncoderTrainConfig),
)


@pytest.mark.parametrize(
    ("keywords", "configs"),
    [
        (SettingsKeywords, SETTINGS),
        (SamplingKeywords, (SamplingConfig,)),
    ],
)
def test_keywords_are_the_fields(keywords: type, configs: tuple[type[Config], ...]) -> None:
    assert get_type_hints(keywords) == types(*configs)


def test_limits_are_training_settings() -> None:
    hints, theirs = get_type_hints(LimitKeywords), types(TextTrainConfig)
    assert hints == {name: theirs[name] for name in hints}
