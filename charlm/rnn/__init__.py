"""Recurrent layers: cells (the equations) and backends (who computes them)."""
