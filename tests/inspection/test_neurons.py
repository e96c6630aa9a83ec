"""A unit that is known to be inside quotes is found; on an independent text nothing is."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from chance import binomial_tail
from latch import LETTERS, UNIT, ids_of, latching, text_with_quotes

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.activity import activity_names, activity_of, record_activity
from charlm.inspection.excerpts import Excerpt
from charlm.inspection.neurons import search_neurons
from charlm.inspection.properties import Property, text_properties
from charlm.inspection.search_results import NeuronSearch
from charlm.inspection.selection import SIGNIFICANCE, Block, Selection, select_units
from charlm.inspection.shift_test import LEAST_CHARACTERS
from charlm.language_model import LanguageModel
from charlm.text.vocabulary import Ids, Vocabulary

SHORT = 2 * LEAST_CHARACTERS
NOVELLA = Path(__file__).resolve().parents[2] / "data" / "time-traveller.txt"


@pytest.fixture(scope="module")
def text() -> str:
    return text_with_quotes(0, 2 * SHORT)


@pytest.fixture(scope="module")
def found(text: str) -> NeuronSearch:
    return search_neurons(
        latching(), latching_nowhere(), text, ids_of(text), patterns={"bcd": "[bcd]{2,}"}, units=3
    )


def latching_nowhere() -> LanguageModel:
    model = latching()
    model.initialize("uniform", 1)
    return model


def blocks_of(model: LanguageModel, ids: Ids) -> list[Block]:
    names = activity_names(model.config)
    return [
        Block(layer, name, activity_of(recorded, name))
        for layer, recorded in enumerate(record_activity(model, ids))
        for name in names
    ]


def on_another_text(blocks: Sequence[Block], ids: Ids, other: str) -> Selection:
    """Activity on one text against the properties of another of the same length."""
    cut = len(ids) // 2
    properties = [each for each in text_properties(other) if not each.problem(cut)]
    assert len(properties) > 8
    return select_units(blocks, ids.astype(np.int64), properties)


def test_the_unit_inside_quotes_is_found(found: NeuronSearch) -> None:
    best = found.properties[0]
    assert best.name == "inside quotes"
    assert best.measure == "AUC"
    unit = best.units[0]
    assert (unit.layer, unit.unit, unit.what) == (0, UNIT, "tanh(C)")
    assert unit.effect == 1.0
    assert unit.p == 0.01
    assert unit.correlation > 0.9
    assert (unit.low, unit.high) == (-1, 1)
    # Of the untrained net no unit follows them nearly as well.
    assert best.untrained_effect < 0.8
    assert best.untrained_number == 0


def test_excerpts_are_held_out_and_apart(found: NeuronSearch, text: str) -> None:
    excerpts = found.properties[0].units[0].excerpts.by_kind()
    quotes = next(each for each in text_properties(text) if each.name == "inside quotes").values
    every = [each for kind in excerpts.values() for each in kind]
    assert [len(kind) for kind in excerpts.values()] == [5, 5, 5]
    spans = sorted((each.start, each.start + len(each.text)) for each in every)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    for each in every:
        assert each.start >= found.characters // 2
        assert text[each.start :].startswith(each.text)
        assert len(each.values) == len(each.text)
        assert "".join(each.around) == each.text
        assert each.around[1] == text[each.position]
        # tanh 1 inside, tanh 0 outside.
        wanted = np.tanh(quotes[each.start : each.start + len(each.text)])
        np.testing.assert_allclose(each.values, wanted, atol=1e-6)
    assert all(quotes[each.position] for each in excerpts["highest"])
    assert not any(quotes[each.position] for each in excerpts["lowest"])


def test_the_character_just_read_is_told_apart(found: NeuronSearch) -> None:
    own = [each for each in found.properties if each.of_character]
    assert {each.name for each in own} >= {"vowel", "just read: space"}
    assert all(each.name.startswith("just read") or each.name == "vowel" for each in own)
    assert sum(each.number for each in own) > 0 < sum(each.untrained_number for each in own)


def test_what_the_text_has_not_is_said(found: NeuronSearch) -> None:
    assert set(found.left_out) == {"inside brackets", "upper case", "digit"}
    assert "bcd" in {each.name for each in found.properties}


def test_the_result_is_json(found: NeuronSearch) -> None:
    known = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert known["found"] == sum(each["found"] for each in known["properties"])
    assert known["held_out"] == [SHORT, 2 * SHORT]
    assert known["thresholds"] == {"p": 0.05, "AUC": 0.8, "R²": 0.2}
    assert known["properties"][0]["units"][0]["unit"] == UNIT


def test_one_activity_can_be_searched_alone(text: str) -> None:
    model, said, text = latching(), list[tuple[int, int]](), text[:SHORT]
    result = search_neurons(
        model, model, text, ids_of(text), what="f", report=lambda *each: said.append(each)
    )
    assert result.searched == model.config.hidden_size
    assert {unit.what for each in result.properties for unit in each.units} == {"f"}
    assert said == sorted(said)
    assert said[-1] == (400, 400)
    # The same net twice: chance is as good.
    assert result.found == result.untrained_found


def test_errors(text: str) -> None:
    model = latching()
    with pytest.raises(UsageError, match="The cell lstm has no activity 'z'"):
        search_neurons(model, model, text, ids_of(text), what="z")
    with pytest.raises(UsageError, match="too short"):
        search_neurons(model, model, text[: SHORT - 1], ids_of(text[: SHORT - 1]))
    with pytest.raises(UsageError, match="nothing that a unit could follow"):
        search_neurons(model, model, " " * SHORT, ids_of(" " * SHORT))


def test_only_the_beginning_of_a_long_text_is_read(
    text: str,
) -> None:
    model = latching(hidden_size=4)
    result = search_neurons(model, model, text, ids_of(text), what="h", characters=SHORT + 81)
    assert (result.characters, result.text_characters) == (SHORT + 80, 2 * SHORT)


# What is not there is not found


def test_an_independent_text_has_nothing(text: str) -> None:
    """At p ≤ 0.05: of ten draws five or more have a probability below 1 in 10,000."""
    assert binomial_tail(10, SIGNIFICANCE, 5) < 1e-4
    ids = ids_of(text[:SHORT])
    blocks = blocks_of(latching(), ids)
    draws = [on_another_text(blocks, ids, text_with_quotes(1 + n, SHORT)) for n in range(10)]
    assert sum(each.p.min() <= SIGNIFICANCE for each in draws) <= 4
    assert not any(each.found.any() for each in draws)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1000])
def test_of_a_hundred_independent_texts_at_most_ten_have_anything(seed: int) -> None:
    """Not even by p alone, whatever the effect."""
    ids = ids_of(text_with_quotes(seed, SHORT))
    blocks = blocks_of(latching(seed), ids)
    draws = [on_another_text(blocks, ids, text_with_quotes(seed + n, SHORT)) for n in range(1, 101)]
    assert sum(each.p.min() <= SIGNIFICANCE for each in draws) <= 10


@pytest.mark.slow
def test_of_a_hundred_pairs_of_passages_at_most_ten_have_anything() -> None:
    """Passages of a novella, read by a random gru, against the properties of other passages."""
    whole = NOVELLA.read_text(encoding="utf-8")
    vocabulary = Vocabulary.build(whole)
    passages = [whole[at : at + SHORT] for at in range(0, len(whole) - SHORT, SHORT)]
    config = ModelConfig(vocabulary_size=len(vocabulary), cell="gru", hidden_size=16, num_layers=2)
    model, alarms, draws = LanguageModel(config), 0, 0
    for number, passage in enumerate(passages[:20]):
        model.initialize("orthogonal", number)
        ids = vocabulary.encode(passage, "error")
        blocks = blocks_of(model, ids)
        for step in range(1, 6):
            other = passages[(number + 4 * step) % len(passages)]
            draws += 1
            alarms += on_another_text(blocks, ids, other).p.min() <= SIGNIFICANCE
    assert draws == 100
    assert alarms <= 10


def test_a_property_of_the_text_itself_is_found_by_the_same_means(text: str) -> None:
    """So that the tests above do not pass for want of power."""
    ids = ids_of(text[:SHORT])
    own = on_another_text(blocks_of(latching(), ids), ids, text[:SHORT])
    column = [each.name for each in own.properties].index("inside quotes")
    assert own.p[:, column].min() == 0.01
    assert own.found[:, column].any()


def test_the_current_character_does_not_make_a_finding() -> None:
    """A property that the letter decides but for chance, and units that know only the letter."""
    generator = np.random.default_rng(0)
    text = "".join(generator.choice(list(LETTERS), SHORT))
    ids = ids_of(text).astype(np.int64)
    follows = (generator.random(SHORT) < np.where(ids % 2, 0.95, 0.05)).astype(np.float32)
    block = Block(0, "h", np.stack([ids % 2, ids], axis=1).astype(np.float32))
    raw = select_units([block], ids, [Property("it", follows, of_character=True)])
    assert raw.found[0, 0]
    within = select_units([block], ids, [Property("it", follows)])
    assert not within.found.any()
    assert within.p.min() == 1


@pytest.mark.parametrize(("position", "values"), [(9, (0.1, 0.2)), (2, (0.1, 0.2)), (4, (0.1,))])
def test_an_excerpt_without_its_position_or_values_is_none(
    position: int, values: tuple[float, ...]
) -> None:
    assert Excerpt(4, 3, "ab", (0.1, 0.2)).value == 0.2
    with pytest.raises(ValueError, match="no excerpt"):
        Excerpt(position, 3, "ab", values)
