"""The picture of what is copied shows what was counted."""

from charlm.inspection.copying import SIZES, Copying, compare
from charlm.plots import style
from charlm.plots.copying import draw_copied_shares

TRAINING = "the fox and the hound, " * 20


def test_points_are_the_shares_in_percent() -> None:
    text, held_out = compare([("a", TRAINING[:20]), ("b", "XYZ" * 30)], TRAINING)
    seen = []

    def draw(figure: style.Figure) -> None:
        axes = figure.add_subplot()
        assert draw_copied_shares(axes, Copying(text, held_out, TRAINING), "a $run$") is axes
        seen.append([(line.get_xdata(), line.get_ydata()) for line in axes.lines])
        assert "a $run$" in axes.get_title(loc="left")
        assert [each.get_text() for each in axes.get_xticklabels()] == [str(n) for n in SIZES]
        legend = axes.get_legend()
        assert legend is not None
        names = [each.get_text() for each in legend.get_texts()]
        assert names == ["this text, 20 characters", "held-out text, 90 characters"]

    for theme in style.THEMES:
        assert style.render(draw, theme=theme)[:4] == b"\x89PNG"
    for mine, others in seen:
        assert list(mine[0]) == [4, 6, 8, 12, 16]  # longer ones it has not
        assert list(mine[1]) == [100.0] * 5
        assert list(others[1]) == [0.0] * len(SIZES)


def test_without_held_out_text_there_is_one_line() -> None:
    (text,) = compare([("a", TRAINING)], TRAINING)

    def draw(figure: style.Figure) -> None:
        assert (
            len(draw_copied_shares(figure.add_subplot(), Copying(text, None, ""), "r").lines) == 1
        )

    assert style.render(draw)
