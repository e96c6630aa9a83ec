"""What `run.inspect` reads for neurons, activity and saturation, and the net it compares with."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import charlm
from charlm.errors import UsageError
from charlm.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    return charlm.train(
        runs_dir=folder,
        normalize="none",
        cell="gru",
        hidden_size=6,
        num_layers=2,
        batch_size=8,
        seq_length=32,
        max_steps=3,
        initialization="orthogonal",
        precision="fp32",
    )


def test_the_held_out_text_is_read_unless_another_is_named(run: Run) -> None:
    held_out = run.inspect.activity(layer=1, unit=2)
    assert (held_out.corpus, held_out.split) == ("time-traveller", "val")
    assert len(held_out.text) == held_out.text_characters == run.language.spans.size("val")
    other = run.inspect.activity(charlm.Corpus.from_text("A b."), layer=1, unit=2, gate="z")
    assert (other.text, other.split, other.what) == ("A b.", "all", "z")


def test_the_untrained_net_has_the_shape_and_scheme_of_the_run(run: Run) -> None:
    model = run.inspect.make_model("cpu", "auto")
    nets = [run.inspect.initialized_model(seed, {}).weights() for seed in (0, 0, 1)]
    for name, weight in model.weights().items():
        assert nets[0][name].shape == weight.shape
        assert torch.equal(nets[0][name], nets[1][name])
    U = nets[0]["rnn.weight_hh_l0"][:6]
    torch.testing.assert_close(U @ U.T, torch.eye(6), atol=1e-5, rtol=0)
    assert not torch.equal(U, nets[2]["rnn.weight_hh_l0"][:6])


def test_saturation_rests_on_what_is_said(run: Run) -> None:
    found = run.inspect.saturation(split="train")
    assert (found.characters, found.split) == (20_000, "train")
    assert found.text_characters == run.language.spans.size("train")
    z = run.inspect.activity(split="train", layer=1, unit=4, gate="z").values
    shares = next(g.shares for g in found.gates if (g.layer, g.gate) == (1, "z"))
    assert_array_equal(shares[4], [(z < 0.1).mean(), (z > 0.9).mean()])


def test_the_search_says_what_it_read(run: Run) -> None:
    found = run.inspect.neurons(gate="h", patterns={"the": r"\bthe\b"}, characters=8_000)
    assert (found.corpus, found.split, found.characters) == ("time-traveller", "val", 8_000)
    assert "the" in {each.name for each in found.properties} | set(found.left_out)
    assert np.isfinite([each.mean for each in found.properties]).all()


def test_a_text_too_short_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="too short for 199 shifts"):
        run.inspect.neurons(charlm.Corpus.from_text("a few words"))
