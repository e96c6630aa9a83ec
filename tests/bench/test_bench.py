"""What the bench measures is what it says it measures; no test asserts a time."""

from collections.abc import Callable
from itertools import count

import pytest
import torch
from cli_runner import charlm
from needs import compiles
from tolerances import alike

from charlm.bench import generation, measure, neighbour, training
from charlm.bench.textbook import TextbookModel, TorchModel, prediction, training_step
from charlm.bench.training import Shape, charlm_step, measure_training, products
from charlm.config import ModelConfig
from charlm.language_model import LanguageModel

FUSED = {"fused"} if compiles() else set()

CELLS = ("rnn", "gru", "lstm")
GATES = {"rnn": "h", "gru": "rzn", "lstm": "ifgo"}
HAS_SWITCHES = pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"),
    reason="older versions of torch have other switches for TF32, which test_device.py looks at",
)


def textbook_weights(model: TextbookModel) -> dict[str, torch.Tensor]:
    """The tutorial's matrices in charlm's names and layout."""
    gates = GATES[model.cell]
    return {
        "rnn.weight_ih_l0": torch.cat([model.W_x[gate].t() for gate in gates]),
        "rnn.weight_hh_l0": torch.cat([model.W_h[gate].t() for gate in gates]),
        "rnn.bias_ih_l0": torch.cat([model.b[gate] for gate in gates]),
        "rnn.bias_hh_l0": torch.zeros(len(gates) * model.hidden_size),
        "output.weight": model.W_q.t(),
        "output.bias": model.b_q,
    }


@pytest.mark.parametrize("cell", CELLS)
def test_the_textbook_loop_computes_the_same_model(cell: str) -> None:
    torch.manual_seed(0)
    textbook = TextbookModel(cell, 7, 5)
    with torch.no_grad():
        for each in textbook.parameters():
            each.normal_()
    config = ModelConfig(vocabulary_size=7, cell=cell, hidden_size=5, reset_after=False)
    model = LanguageModel(config, "scratch")
    model.load_weights({name: each.detach() for name, each in textbook_weights(textbook).items()})
    ids = torch.randint(7, (6, 3))
    expected, _ = model(ids, model.initial_state(3))
    logits, _ = textbook(ids, textbook.initial_state(3))
    torch.testing.assert_close(logits, expected.flatten(0, 1), **alike(6, 12))


@pytest.mark.parametrize("cell", CELLS)
def test_the_loop_around_torch_computes_the_same_model(cell: str) -> None:
    torch.manual_seed(0)
    other = TorchModel(cell, 7, 5)
    model = LanguageModel(ModelConfig(vocabulary_size=7, cell=cell, hidden_size=5), "scratch")
    names = {name: name.replace("output.", "linear.") for name in model.weights()}
    theirs = other.state_dict()
    model.load_weights({name: theirs[names[name]] for name in names})
    ids = torch.randint(7, (6, 3))
    expected, _ = model(ids, model.initial_state(3))
    logits, _ = other(ids, other.initial_state(3))
    torch.testing.assert_close(logits, expected.flatten(0, 1), **alike(6, 12))


@pytest.mark.parametrize("kind", [TextbookModel, TorchModel])
@pytest.mark.parametrize("cell", CELLS)
def test_the_tutorials_step_learns(cell: str, kind: type[TextbookModel | TorchModel]) -> None:
    torch.manual_seed(0)
    model = kind(cell, 7, 16)
    ids = torch.arange(30).remainder(6).view(10, 3)
    step = training_step(model, ids[:-1], ids[1:])
    before = model(ids, model.initial_state(3))[0].log_softmax(-1).max(-1).values.mean()
    for _ in range(60):
        step()
    after = model(ids, model.initial_state(3))[0].log_softmax(-1).max(-1).values.mean()
    assert after > before + 0.5


def test_prediction_writes_and_products_multiply() -> None:
    prediction(TorchModel("gru", 28, 4), 3)()
    for cell in CELLS:
        products(cell, Shape(3, 4, 5), "fp32")()
        charlm_step(cell, Shape(3, 4, 5), "scratch", "fp32")()
        generation.matrix_vector(cell, 4, 2)()


def test_contenders_are_called_in_turns_and_medians_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    clock = count()
    monkeypatch.setattr(measure.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(measure, "TURN_SECONDS", 2.0)
    calls = {name: lambda name=name: called.append(name) for name in ("a", "b")}
    seconds = measure.in_turns(calls, rounds=3)
    # Two calls to warm up and one that says how many make a turn; then three turns of two calls.
    assert called == ["a"] * 3 + ["b"] * 3 + ["a", "a", "b", "b"] * 3
    assert seconds == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize("cell", CELLS)
def test_rows_are_ratios_of_the_same_round(cell: str) -> None:
    rows = {(r.backend, r.precision): r for r in measure_training(cell, Shape(2, 3, 4), rounds=1)}
    assert {"textbook", "torch", "limit", "scratch", "builtin", *FUSED} <= {b for b, _ in rows}
    textbook, limit = rows["textbook", "fp32"], rows["limit", "fp32"]
    assert textbook.ratio_to_textbook == limit.share_of_limit == 1
    for (_, precision), row in rows.items():
        rate = row.characters_per_second
        assert row.ratio_to_textbook == pytest.approx(rate / textbook.characters_per_second)
        assert row.share_of_limit == pytest.approx(
            rate / rows["limit", precision].characters_per_second
        )


@HAS_SWITCHES
def test_on_a_gpu_each_precision_is_compared_with_torch_in_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch's own default there is TF32 in recurrent layers: no match for exact products."""
    matmul, rnn = torch.backends.cuda.matmul, torch.backends.cudnn.rnn
    seen: dict[str, set[tuple[str, str]]] = {}

    def watch(
        calls: dict[str, Callable[[], None]], rounds: int, wait: Callable[[], None]
    ) -> dict[str, float]:
        plain = torch.nn.functional.linear

        for name, call in calls.items():
            found = seen.setdefault(name, set())

            def watched(*given: torch.Tensor, found: set[tuple[str, str]] = found) -> torch.Tensor:
                found.add((matmul.fp32_precision, rnn.fp32_precision))
                return plain(*given)

            monkeypatch.setattr(torch.nn.functional, "linear", watched)
            call()
        monkeypatch.setattr(torch.nn.functional, "linear", plain)
        return {name: 1.0 + number for number, name in enumerate(calls)}

    monkeypatch.setattr(training, "precisions_of", lambda device: ["fp32", "tf32", "bf16"])
    monkeypatch.setattr(training, "in_turns", watch)
    rows = {(r.backend, r.precision): r for r in measure_training("gru", Shape(2, 3, 4), rounds=1)}
    peers = [key for key in rows if key[0] in ("textbook", "torch")]
    assert peers == [(name, p) for p in ("fp32", "tf32") for name in ("textbook", "torch")]
    for (backend, precision), row in rows.items():
        peer = "fp32" if precision == "fp32" else "tf32"
        own = row.characters_per_second
        for ratio, other in [
            (row.ratio_to_torch, rows["torch", peer]),
            (row.ratio_to_textbook, rows["textbook", peer]),
            (row.share_of_limit, rows["limit", precision]),
        ]:
            assert ratio == pytest.approx(own / other.characters_per_second)
        if backend not in ("textbook", "limit"):
            wanted = "ieee" if precision == "fp32" else "tf32"
            assert seen[f"{backend} {precision}"] == {(wanted, wanted)}


@pytest.mark.parametrize(
    ("device", "native", "wanted"),
    [
        ("cpu", "fp32", ["fp32"]),
        ("cpu", "bf16", ["fp32", "bf16"]),
        ("cuda", "fp32", ["fp32"]),
        ("cuda", "tf32", ["fp32", "tf32", "bf16"]),
    ],
)
def test_what_is_measured_is_what_the_device_multiplies(
    device: str, native: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "choose_precision", lambda name, where: native)
    assert training.precisions_of(torch.device(device)) == wanted


@HAS_SWITCHES
def test_writing_is_compared_in_exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def watch(model: TorchModel, characters: int) -> Callable[[], None]:
        matmul, rnn = torch.backends.cuda.matmul, torch.backends.cudnn.rnn
        return lambda: seen.append((matmul.fp32_precision, rnn.fp32_precision))

    monkeypatch.setattr(generation, "prediction", watch)
    monkeypatch.setattr(generation, "CHARACTERS", 2)
    monkeypatch.setattr(measure, "TURN_SECONDS", 0.0)
    generation.measure_generation("gru", 4, 1)
    assert seen and set(seen) == {("ieee", "ieee")}


def test_no_peer_is_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the tutorials' loop was fastest, there is no --backend textbook."""

    def instant(calls: dict[str, object], *_: object) -> dict[str, float]:
        return {name: 1e-9 if name.startswith("t") else 1.0 for name in calls}

    monkeypatch.setattr(training, "in_turns", instant)
    monkeypatch.setattr(training, "training_plan", lambda quick, device: [("gru", Shape(2, 3, 4))])
    monkeypatch.setattr(generation, "CHARACTERS", 2)
    monkeypatch.setattr(measure, "TURN_SECONDS", 0.0)
    advice = charlm("bench", "--quick", "--device", "cpu").out.splitlines()[-1]
    assert any(f"--backend {each} " in advice for each in ("scratch", "builtin", *FUSED)), advice


def test_the_command_prints_tables_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(training, "training_plan", lambda quick, device: [("gru", Shape(2, 3, 4))])
    monkeypatch.setattr(generation, "CHARACTERS", 2)
    table = charlm("bench", "--quick")
    assert table.code == 0, table.err
    for word in (
        *(f"gru {each} fp32" for each in FUSED),
        "gru textbook",
        "of limit",
        "Fastest here: --backend",
    ):
        assert word in table.out
    content = charlm("bench", "--quick", "--json").json
    wanted = {"cell", "precision", "batch_size", "seq_length", "hidden_size"}
    wanted |= {"characters_per_second", "ratio_to_textbook", "ratio_to_torch", "share_of_limit"}
    assert all(wanted | {"backend"} == set(row) for row in content["training"])
    assert all(wanted | {"engine"} == set(row) for row in content["generation"])


def test_the_speed_beside_other_work_is_measured_for_all_kinds_of_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbour, "SHAPE", Shape(2, 3, 8))
    before = torch.get_num_threads()
    rows = list(neighbour.measure_beside_neighbours(0.01))
    assert [row.work for row in rows if row.threads == "one"] == [
        row.work for row in rows if row.threads == "adapted"
    ]
    assert {row.work for row in rows} >= {"training, fp32", "scoring", "writing 64 texts"}
    for row in rows:
        assert list(row.rates) == list(neighbour.NEIGHBOURS)
        assert all(rate > 0 for rate in row.rates.values())
    assert torch.get_num_threads() == before


def test_bench_neighbour_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    row = neighbour.NeighbourRow("scoring", "one", dict.fromkeys(neighbour.NEIGHBOURS, 1234.0))
    monkeypatch.setattr(neighbour, "measure_beside_neighbours", lambda seconds: [row])
    assert "1,234" in charlm("bench", "--neighbour").out
