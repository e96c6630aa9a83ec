"""Scores of a text: exact, with weights that adapt to it, calibrated; baselines to compare with."""

__all__ = [
    "adjusted",
    "baselines",
    "block_bootstrap",
    "calibration",
    "comparison",
    "cross_entropy",
    "dynamic",
    "exact",
    "intervals",
    "large_results",
    "mixed",
    "report",
    "results",
    "score",
    "spelling",
]
