"""Compressing texts with a run: its probabilities, made whole numbers, drive a range coder.

What comes in here computes the same on every machine: see `arithmetic.py`.
"""

__all__ = ["compress"]
