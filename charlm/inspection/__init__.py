"""What a language model does, as numbers: arrays and dataclasses, nothing drawn.

What comes in is a model and ids, or the outputs of a model; what to inspect of a run is found by
`charlm.Run.inspect`.
"""

__all__ = [
    "context",
    "copying",
    "curves",
    "excerpts",
    "memory",
    "neurons",
    "saturation",
    "search_results",
    "sensitivity",
    "surprise",
    "unit_activity",
]
