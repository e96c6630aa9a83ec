"""What a text costs a model: exactly, with weights that follow it, calibrated, beside baselines."""

__all__ = ["baselines", "calibration", "cross_entropy", "dynamic", "exact", "results", "score"]
