"""What docs/handing-on.md shows in plain torch and with onnxruntime writes what the run writes."""

import re
from pathlib import Path

import pytest

import charlm

PAGE = Path(__file__).resolve().parents[2] / "docs" / "handing-on.md"


def test_the_examples_write_what_the_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARLM_RUNS_DIR", raising=False)
    Path("book.txt").write_text("time and again the clock struck, and nobody heard it.\n" * 60)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
    assert len(blocks) == 2
    # The page's run with fewer steps.
    short = "hidden_size=24, max_steps=40, batch_size=8, seq_length=16, precision='fp32', run="
    for block in blocks:
        exec(compile(block.replace("run=", short), str(PAGE), "exec"), {})
    written = capsys.readouterr().out
    expected = charlm.load("mine").generate("time", temperature=0, length=100)
    assert written == f"{expected[:101]}\n{expected}\n"  # one writes from the first on
    assert len(expected) == 104
