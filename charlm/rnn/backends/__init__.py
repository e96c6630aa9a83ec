"""Implementations of a layer (scratch, builtin, fused) and the choice among them."""
