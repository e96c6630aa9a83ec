"""Gate saturation and one unit's activity, of nets whose gates are known."""

import numpy as np
import pytest
from latch import UNIT, ids_of, latching, text_with_quotes

from charlm.config import ModelConfig
from charlm.errors import UsageError
from charlm.inspection.gates import GATES
from charlm.inspection.saturation import gate_saturation
from charlm.inspection.unit_activity import unit_activity
from charlm.language_model import LanguageModel


def test_shares_are_those_of_the_characters_that_open_and_close() -> None:
    text = text_with_quotes(0, 3_000)
    found = gate_saturation(latching(), ids_of(text))
    assert [(each.layer, each.gate) for each in found.gates] == [(0, "i"), (0, "f"), (0, "o")]
    opens, closes = text.count("“") / 3_000, text.count("”") / 3_000
    i, f, o = (each.shares[UNIT].tolist() for each in found.gates)
    assert i == pytest.approx([1 - opens, opens])
    assert f == pytest.approx([opens + closes, 1 - opens - closes])
    assert o == [0, 1]
    # The other units have small random weights, with gates about a half.
    others = [unit for unit in range(8) if unit != UNIT]
    assert all(each.shares[others].sum() == 0 for each in found.gates)


def test_what_z_near_one_does_is_what_the_cell_does() -> None:
    """Each cell with z of all units forced to 1: the gru keeps its state, the minGRU does not."""
    for cell, keeps in (("gru", True), ("mingru", False)):
        config = ModelConfig(vocabulary_size=5, hidden_size=4, cell=cell)
        model = LanguageModel(config, "scratch")
        model.initialize("uniform", 0)
        at = model.rnn.cell.gate_names.index("z")
        model.rnn.layer_weights(0).b.data[4 * at : 4 * at + 4] = 100
        found = unit_activity(model, "abcd", np.array([1, 2, 3, 4], np.uint8), 0, 0, "h")
        assert (np.abs(found.values).max() == 0) == keeps
        assert ("keeps" in GATES[cell]["z"].near_1) == keeps
        z = gate_saturation(model, np.array([1, 2, 3, 4], np.uint8)).gates
        shares = next(each.shares for each in z if each.gate == "z")
        assert shares.tolist() == [[0, 1]] * 4


def test_an_rnn_has_no_gates() -> None:
    model = LanguageModel(ModelConfig(vocabulary_size=5, hidden_size=4, cell="rnn"))
    with pytest.raises(UsageError, match="The cell rnn has no gates"):
        gate_saturation(model, np.zeros(3, np.uint8))


def test_json() -> None:
    text = text_with_quotes(0, 300)
    known = gate_saturation(latching(), ids_of(text)).to_json()
    assert known["thresholds"] == {"left": 0.1, "right": 0.9}
    assert known["gates"][1]["near_1"] == "keeps the memory C"
    assert len(known["gates"][1]["left"]) == len(known["gates"][1]["right"]) == 8


# One unit


def test_a_unit_by_its_number() -> None:
    text = "ab “cd” e“"
    found = unit_activity(latching(), text, ids_of(text), 0, UNIT)
    assert (found.what, found.low, found.high) == ("tanh(C)", -1, 1)
    inside = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1])
    np.testing.assert_allclose(found.values, np.tanh(inside), atol=1e-6)
    gate = unit_activity(latching(), text, ids_of(text), 0, UNIT, "f")
    assert (gate.low, gate.high) == (0, 1)
    np.testing.assert_allclose(gate.scaled, [1, 1, 1, -1, 1, 1, -1, 1, 1, -1], atol=1e-6)
    assert gate.to_json()["activity"] == gate.values.tolist()


def test_a_state_without_bounds_has_its_own() -> None:
    model = LanguageModel(ModelConfig(vocabulary_size=5, hidden_size=4, cell="mingru"))
    model.initialize("uniform", 0)
    model.rnn.layer_weights(0).b.data[4:] = -30
    found = unit_activity(model, "abc", np.array([1, 2, 3], np.uint8), 0, 1)
    assert found.low == -found.high == found.values.min() < -1
    assert found.scaled.min() == -1


@pytest.mark.parametrize(
    ("layer", "unit", "what", "message"),
    [
        (1, 0, None, "There is no layer 1. The only one is 0."),
        (-1, 0, None, "There is no layer -1."),
        (0, 8, None, "There is no unit 8. They are numbered from 0 to 7."),
        (0, 0, "z", "The cell lstm has no activity 'z'. It has tanh"),
    ],
)
def test_what_is_not_there(layer: int, unit: int, what: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        unit_activity(latching(), "ab", ids_of("ab"), layer, unit, what)
