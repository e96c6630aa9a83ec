"""The scatters of gate saturation."""

import pytest
from latch import UNIT, ids_of, latching, text_with_quotes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charlm.inspection.saturation import Saturation, gate_saturation
from charlm.plots.neurons import draw_gate, draw_saturation, size_of
from charlm.plots.style import render, styled


@pytest.fixture(scope="module")
def saturation() -> Saturation:
    return gate_saturation(latching(), ids_of(text_with_quotes(0, 500)))


def test_points_are_the_shares_and_axes_say_what_they_mean(saturation: Saturation) -> None:
    with styled():
        axes = Figure().subplots()
        assert draw_gate(axes, saturation.gates[1]) is axes
    (points,) = axes.collections
    assert points.get_offsets()[UNIT].tolist() == saturation.gates[1].shares[UNIT].tolist()
    assert axes.get_xlabel() == "share of time f < 0.1:\nit forgets the memory C"
    assert axes.get_ylabel() == "share of time f > 0.9:\nit keeps the memory C"
    assert axes.get_title(loc="left") == "layer 0, gate f"
    for low, high in (axes.get_xlim(), axes.get_ylim()):
        assert low <= 0
        assert high >= 1


def test_a_picture_has_one_scatter_a_gate_and_a_caption(saturation: Saturation) -> None:
    figure = Figure()
    with styled():
        draw_saturation(saturation, "a run")(figure)
    assert len(figure.axes) == 3
    assert figure.get_suptitle() == "Gate saturation: a run, lstm"
    caption = figure.get_supxlabel()
    for each in ("one of 8 units", "below 0.1", "above 0.9", "500 characters"):
        assert each in caption


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_off(saturation: Saturation, theme: str) -> None:
    """No text stands outside of the figure, nor over another."""
    with styled(theme):
        figure = Figure(figsize=size_of(saturation))
        draw_saturation(saturation, "a run")(figure)
        FigureCanvasAgg(figure).draw()
        texts = [*figure.texts]
        for axes in figure.axes:
            # The title on the left is not to be had otherwise.
            texts += [axes.xaxis.label, axes.yaxis.label, vars(axes)["_left_title"]]
        boxes = [each.get_window_extent() for each in texts]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
    assert render(draw_saturation(saturation, "a run"), theme=theme).startswith(b"\x89PNG")
