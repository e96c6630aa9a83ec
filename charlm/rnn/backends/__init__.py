"""Who computes a layer: scratch, builtin (torch's own) or fused, and which of them is chosen."""
