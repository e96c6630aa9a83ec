"""Running compiled functions in torch's own threads.

A time step's arithmetic takes some ten microseconds, so only threads that are already waiting for
torch's next product can start in time. Numba's threads would compete with them, two for every core.
Torch's threads belong to OpenMP, and GNU's OpenMP, which torch's wheels for Linux bundle, can run
any function in them.
"""

import ctypes
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charlm.kernels.jit import jit_inline


@cache
def address_of(name: str) -> int:
    """The address of a function of the OpenMP library in this process; 0 if none is loaded."""
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0


def gomp_parallel() -> int:
    """The address of GOMP_parallel(function, argument, threads, flags); 0 if there is none.

    Torch, which loads the library, must be imported before.
    """
    return address_of("GOMP_parallel")


def gomp_barrier(n_threads: int) -> int:
    """The address of GOMP_barrier, if a team is sure to get so many threads; else 0."""
    if not (gomp_parallel() and address_of("GOMP_barrier")):
        return 0
    openmp = ctypes.CDLL(None)
    limited = openmp.omp_get_thread_limit() < n_threads
    unsure = openmp.omp_get_dynamic() or openmp.omp_in_parallel() or limited
    return 0 if unsure else address_of("GOMP_barrier")


@jit_inline
def rows_of(part: int, n_parts: int, rows: int) -> Any:
    """The range of the rows that belong to a part."""
    return range(rows * part // n_parts, rows * (part + 1) // n_parts)


def wait_for_team_typed(typing: Any, barrier: Any) -> Any:
    """Intrinsic that waits for the whole team at `gomp_barrier`'s address; 0: does nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wait = ir.FunctionType(ir.VoidType(), [])
        several = builder.icmp_signed("!=", values[0], values[0].type(0))
        with builder.if_then(several):
            builder.call(builder.inttoptr(values[0], wait.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(barrier), generate


def run_in_team_typed(
    typing: Any, team: Any, threads: Any, parts: Any, function: Any, arguments: Any
) -> Any:
    """Intrinsic that calls function(part, n_parts, *arguments) for every part, in several threads.

    Args:
        team: `gomp_parallel`'s address; 0: one thread does all parts.
        threads: how many to ask for.
        parts: how many there are.
        function: compiled by `jit`; it must not raise.
        arguments: a tuple.
    """
    argument_types = (parts, parts, *arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        team, threads, parts, _, arguments = values
        function.get_call_type(typing, argument_types, {})
        compiled = function.dispatcher.overloads[argument_types]
        context.active_code_library.add_linking_library(compiled.library)
        callee = context.declare_function(builder.module, compiled.fndesc)

        # Shared by the threads: the next part to take, the number of parts, and the arguments.
        arguments = uncounted(context, builder, signature.args[4], arguments)
        fields = cgutils.make_anonymous_struct(builder, [parts.type(0), parts, arguments])
        shared = cgutils.alloca_once_value(builder, fields)
        pointer, i32 = cgutils.voidptr_t, ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        work = ir.Function(builder.module, kind, builder.module.get_unique_name("work"))
        work.linkage = "internal"

        # Each thread takes parts until none is left, since there may be fewer threads than asked.
        start, take, do, end = (work.append_basic_block() for _ in range(4))
        inside = ir.IRBuilder(start)
        mine = inside.bitcast(work.args[0], shared.type)
        _, known_parts, tuple_ = cgutils.unpack_tuple(inside, inside.load(mine))
        items = cgutils.unpack_tuple(inside, tuple_)
        inside.branch(take)
        inside.position_at_end(take)
        first_left = cgutils.gep_inbounds(inside, mine, 0, 0)
        part = inside.atomic_rmw("add", first_left, parts.type(1), "monotonic")
        inside.cbranch(inside.icmp_signed("<", part, known_parts), do, end)
        inside.position_at_end(do)
        context.call_conv.call_function(
            inside,
            callee,
            compiled.fndesc.restype,
            compiled.fndesc.argtypes,
            [part, known_parts, *items],
        )
        inside.branch(take)
        inside.position_at_end(end)
        inside.ret_void()

        argument = builder.bitcast(shared, pointer)
        one_thread = builder.icmp_signed("==", team, team.type(0))
        with builder.if_else(one_thread) as (then, otherwise):
            with then:
                builder.call(work, [argument])
            with otherwise:
                gomp = ir.FunctionType(ir.VoidType(), [kind.as_pointer(), pointer, i32, i32])
                call = builder.inttoptr(team, gomp.as_pointer())
                builder.call(call, [work, argument, builder.trunc(threads, i32), i32(0)])
        return context.get_dummy_value()

    return types.void(team, threads, parts, function, arguments), generate


def uncounted(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    """A tuple of arguments whose arrays are not reference-counted.

    Numba counts a reference for each view, and threads that count the same array slow each other.
    """
    items = []
    for kind, value in zip(kinds, cgutils.unpack_tuple(builder, values), strict=True):
        if hasattr(kind, "types"):  # a tuple
            value = uncounted(context, builder, kind, value)
        elif isinstance(kind, types.Array):
            array = context.make_array(kind)(context, builder, value=value)
            array.meminfo = cgutils.get_null_value(array.meminfo.type)
            value = array._getvalue()
        items.append(value)
    return context.make_tuple(builder, kinds, items)


wait_for_team: Any = intrinsic(wait_for_team_typed)
run_in_team: Any = intrinsic(run_in_team_typed)
