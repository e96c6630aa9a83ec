"""Benchmarks of training and generation, compared with the loops of tutorials."""

__all__ = ["generation", "measure", "neighbour", "training"]
