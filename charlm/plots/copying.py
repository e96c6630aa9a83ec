"""How much of a text is copied, drawn over the length of what counts as copied."""

from matplotlib.axes import Axes

from charlm.inspection.copying import SIZES, ComparedText, Copying
from charlm.plots.style import drawable


def draw_copied_shares(axes: Axes, copying: Copying, run: str) -> Axes:
    """Draw the share of n-grams that stand in the training text over n.

    Args:
        axes: to draw on; they are given back.
        run: name of the run, for the title.
    """
    texts = [("this text", copying.text, "o-")]
    if copying.held_out:
        texts.append(("held-out text", copying.held_out, "s--"))
    for name, text, marks in texts:
        axes.plot(*points(text), marks, label=f"{name}, {len(text.text):,} characters")
    axes.set_xscale("log", base=2)
    axes.set_xticks(SIZES, [str(n) for n in SIZES])
    axes.minorticks_off()
    axes.set_ylim(-3, 103)
    axes.set_xlabel("n (characters)")
    axes.set_ylabel("n-grams that stand in the training text (%)")
    axes.set_title(f"Copied from the training text of {drawable(run)}")
    axes.legend()
    return axes


def points(text: ComparedText) -> tuple[list[int], list[float]]:
    """Lengths of n-grams, and their shares in percent."""
    shares = [(n, share) for n in SIZES if (share := text.share(n)) is not None]
    return [n for n, _ in shares], [100 * share for _, share in shares]
