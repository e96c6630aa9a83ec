"""Scores of a text: exact, with weights that adapt to it, calibrated; baselines to compare with."""

__all__ = [
    "baselines",
    "calibration",
    "cross_entropy",
    "dynamic",
    "exact",
    "report",
    "results",
    "score",
]
