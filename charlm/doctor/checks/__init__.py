"""Checks: each a function from facts to findings. A fact that is unknown is no finding."""
