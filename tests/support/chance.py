"""How likely it is that a test which is right now and then says no."""

import math


def binomial_tail(n: int, p: float, k: int) -> float:
    """P(X ≥ k) for X of a binomial distribution."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
