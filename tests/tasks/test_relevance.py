"""An option is used or refused, never ignored."""

from pathlib import Path
from typing import Any

import pytest

import charlm
from charlm.errors import SettingError
from charlm.presets import LIMITS, resolve, setting_names
from charlm.sessions.session import Chosen
from charlm.tasks.language_modeling.settings import RULES as TEXT_RULES
from charlm.tasks.relevance import RULES, applied_values, check_relevant

NAMES = setting_names()

# Of each setting that some situation makes useless: a value, and situations where it is and is not.
CASES: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("mogrifier_rounds", 3, {"cell": "lstm"}, {"cell": "mogrifier"}),
    ("mogrifier_rank", 3, {"cell": "gru"}, {"cell": "mogrifier"}),
    ("mogrifier_rounds", 0, {"cell": "gru"}, {"cell": "mogrifier"}),
    ("weight_drop", 0.5, {"cell": "mingru"}, {"cell": "gru"}),
    ("weight_drop", 0.5, {"cell": "minlstm"}, {"cell": "rnn"}),
    ("temporal_penalty", 2.0, {"seq_length": 1}, {"seq_length": 2}),
    ("random_lengths", True, {"seq_length": 1}, {"seq_length": 2}),
    ("reset_after", False, {"cell": "lstm"}, {"cell": "gru"}),
    ("reset_after", True, {"cell": "rnn"}, {"cell": "gru"}),
    ("capped_gate", True, {"cell": "gru"}, {"cell": "lstm"}),
    ("capped_gate", True, {"cell": "minlstm"}, {"cell": "mogrifier"}),
    ("dropout", 0.1, {"num_layers": 1}, {"num_layers": 2}),
    ("momentum", 0.9, {"optimizer": "adam"}, {"optimizer": "sgd"}),
    ("random_lengths", True, {"sampling": "random"}, {"sampling": "sequential"}),
    ("reset_probability", 0.1, {"sampling": "random"}, {"sampling": "sequential"}),
    ("patience", 2, {"val_fraction": 0.0}, {"val_fraction": 0.1}),
    ("average_after", 2, {"val_fraction": 0.0}, {"val_fraction": 0.1}),
    ("schedule", "plateau", {"val_fraction": 0.0}, {"val_fraction": 0.1}),
    ("plateau_patience", 3, {"schedule": "cosine"}, {"schedule": "plateau"}),
    ("plateau_factor", 0.1, {"schedule": "constant"}, {"schedule": "plateau"}),
    ("min_learning_rate", 1e-4, {"schedule": "cosine"}, {"schedule": "plateau"}),
    ("sampling", "random", {"documents": "lines"}, {}),
    ("random_lengths", True, {"documents": "lines"}, {}),
    ("reset_probability", 0.1, {"documents": "lines"}, {}),
    ("eval_characters", 20, {"val_fraction": 0.0}, {"val_fraction": 0.1}),
    ("val_characters", 20, {"val_fraction": 0.0}, {"val_fraction": 0.1}),
]


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == {
        name for rule in (*RULES, *TEXT_RULES) for name in rule.names
    }
    assert {name for rule in (*RULES, *TEXT_RULES) for name in rule.names} <= NAMES.keys()


@pytest.mark.parametrize(("name", "value", "useless", "useful"), CASES)
def test_what_does_nothing_is_refused_and_what_does_something_is_not(
    name: str, value: Any, useless: dict[str, Any], useful: dict[str, Any]
) -> None:
    with pytest.raises(SettingError) as caught:
        check_relevant(resolve("quick", **{name: value, **useless}), TEXT_RULES)
    assert caught.value.setting == name
    check_relevant(resolve("quick", **{name: value, **useful}), TEXT_RULES)


def test_a_presets_own_values_are_never_refused() -> None:
    check_relevant(resolve("d2l"), TEXT_RULES)
    check_relevant(resolve("quick", cell="rnn", dropout=0.0), TEXT_RULES)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    text = charlm.Corpus.from_text("it was the best of times. " * 40)
    charlm.train(text, run="parent", runs_dir=folder, hidden_size=8, max_steps=2)
    return folder


@pytest.mark.parametrize("setting", [{"min_count": 50}, {"initialization": "normal"}])
def test_what_the_parent_decides_is_refused(parent: Path, setting: dict[str, Any]) -> None:
    text = charlm.Corpus.from_text("it was the worst of times. " * 40)
    with pytest.raises(SettingError, match="leave it out"):
        charlm.train(text, init_from="parent", runs_dir=parent, max_steps=1, **setting)
    assert [each.name for each in parent.iterdir() if not each.name.startswith(".")] == ["parent"]


def test_the_presets_line_names_only_what_applies(parent: Path) -> None:
    heard: list[object] = []
    text = charlm.Corpus.from_text("it was the worst of times. " * 40)
    charlm.train(
        text, init_from="parent", runs_dir=parent, run="child", max_steps=1, listener=heard.append
    )
    words = next(each.text for each in heard if isinstance(each, Chosen))
    for option in ("--hidden-size", "--embedding-size", "--initialization", "--max-minutes"):
        assert option not in words
    assert "--learning-rate" in words
    applied = applied_values(resolve("quick", epochs=1, dropout=0.0), {}, TEXT_RULES)
    assert not {"epochs", "max_minutes", "dropout"} & applied.keys()
    assert applied["hidden_size"] == 384
    assert set(LIMITS) <= NAMES.keys()


@pytest.mark.parametrize("setting", [{"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.5}])
def test_filters_of_nothing_drawn_are_refused(parent: Path, setting: dict[str, Any]) -> None:
    run = charlm.load("parent", runs_dir=parent)
    with pytest.raises(SettingError, match="temperature 0"):
        run.generate(temperature=0.0, length=3, **setting)
    assert run.generate(temperature=0.5, length=3, **setting)
