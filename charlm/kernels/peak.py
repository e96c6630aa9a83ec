"""The processor's multiply-add rate: what no matrix product can exceed.

Sums, factors and weights stay in the registers, so that nothing but multiplying is timed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from charlm.kernels import amx
from charlm.kernels.jit import jit, jit_cached
from charlm.kernels.team import run_in_team
from charlm.kernels.tiles import FLOAT, INT, PAIR, multiply_add, registers


@cache
def sums_at_once() -> int:
    """Vectors that are summed side by side, so that none waits for its last product."""
    return registers()[0] * 3 // 4


def multiply_in_registers(team: int, n_threads: int, products: int, bfloat16: bool) -> None:
    """Compute so many products of numbers, and forget them.

    Args:
        bfloat16: in place of float32, in tile registers or in pairs.
    """
    lanes, share = registers()[1], products / n_threads
    if bfloat16 and amx.available():
        a_round = len(amx.SUMS) * amx.EDGE**2 * amx.DEPTH
        multiply, factors = multiply_tiles, np.zeros((amx.EDGE, amx.DEPTH), np.uint16)
    elif bfloat16:
        a_round = sums_at_once() * lanes * 2
        multiply, factors = multiply_pairs, np.zeros((2, lanes), np.int32)
    else:
        a_round = sums_at_once() * lanes
        multiply, factors = multiply_numbers, np.zeros((2, lanes), np.float32)
    sums = np.zeros((n_threads, sums_at_once() * lanes), np.float32)
    multiply(team, n_threads, max(1, round(share / a_round)), factors, sums)


def rounds_of(factor: Any) -> Callable[[Any, Any, Any], Any]:
    """An intrinsic that adds the same product to vectors of sums, so many rounds.

    Args:
        factor: the LLVM type of the factors, FLOAT or PAIR.
    """

    def typed(typing: Any, rounds: Any, factors: Any, sums: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            factors, sums = (
                context.make_array(signature.args[place])(context, builder, value=values[place])
                for place in (1, 2)
            )
            lanes = registers()[1]
            vector = ir.VectorType(FLOAT, lanes)
            starts = [builder.gep(sums.data, [INT(i * lanes)]) for i in range(sums_at_once())]
            places = [builder.bitcast(start, vector.as_pointer()) for start in starts]
            kind = ir.VectorType(factor, lanes).as_pointer()
            both = (builder.gep(factors.data, [INT(at)]) for at in (0, lanes))
            left, right = (builder.load(builder.bitcast(at, kind), align=4) for at in both)
            firsts = [builder.load(place, align=4) for place in places]
            entry, loop, done = builder.block, *(builder.append_basic_block() for _ in range(2))
            builder.branch(loop)
            builder.position_at_end(loop)
            number, added = builder.phi(INT), [builder.phi(vector) for _ in firsts]
            nexts = [multiply_add(builder, left, right, each) for each in added]
            next_number = builder.add(number, INT(1))
            number.add_incoming(INT(0), entry)
            number.add_incoming(next_number, loop)
            for sum_, first, after in zip(added, firsts, nexts, strict=True):
                sum_.add_incoming(first, entry)
                sum_.add_incoming(after, loop)
            builder.cbranch(builder.icmp_signed("<", next_number, values[0]), loop, done)
            builder.position_at_end(done)
            for after, place in zip(nexts, places, strict=True):
                builder.store(after, place, align=4)
            return context.get_dummy_value()

        return types.void(rounds, factors, sums), generate

    return intrinsic(typed)


add_products, add_pairs = rounds_of(FLOAT), rounds_of(PAIR)


@jit
def numbers_part(part: int, n_parts: int, rounds: int, factors: Any, sums: Any) -> None:
    add_products(rounds, factors, sums[part])


@jit
def pairs_part(part: int, n_parts: int, rounds: int, factors: Any, sums: Any) -> None:
    add_pairs(rounds, factors, sums[part])


@jit
def tiles_part(part: int, n_parts: int, rounds: int, factors: Any, sums: Any) -> None:
    amx.configure(amx.EDGE)
    amx.multiply_tiles(rounds, factors)
    amx.release()


@jit_cached
def multiply_numbers(team: int, n_threads: int, rounds: int, factors: Any, sums: Any) -> None:
    """Multiply float32 in each thread, for so many rounds.

    Args:
        factors: (2, lanes).
        sums: (n_threads, sums_at_once() · lanes), to be added to.
    """
    run_in_team(team, n_threads, n_threads, numbers_part, (rounds, factors, sums))


@jit_cached
def multiply_pairs(team: int, n_threads: int, rounds: int, factors: Any, sums: Any) -> None:
    """Multiply pairs of bfloat16, int32 (2, lanes); the rest as in `multiply_numbers`."""
    run_in_team(team, n_threads, n_threads, pairs_part, (rounds, factors, sums))


@jit_cached
def multiply_tiles(team: int, n_threads: int, rounds: int, factors: Any, sums: Any) -> None:
    """Multiply tiles of bfloat16, uint16 (16, 32), in the tile registers."""
    run_in_team(team, n_threads, n_threads, tiles_part, (rounds, factors, sums))
