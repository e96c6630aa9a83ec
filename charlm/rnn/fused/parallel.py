"""Compiled functions that share their rows among the threads with which torch multiplies.

A step's arithmetic takes some ten microseconds: only threads that already wait for torch's next
product are there in time. They are OpenMP's, and GNU's OpenMP, which torch's wheels for Linux
bring, has them call any function. Where it is absent, one thread does it all.
"""

import ctypes
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from charlm.rnn.compilation import RULES, fast, inlined


def team_address() -> int:
    """Of `GOMP_parallel(function, argument, threads, flags)`, if torch has loaded it; else 0."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0


TEAM = team_address()


def parallel(function: Callable[..., None]) -> Callable[..., None]:
    """Compile function(part, parts, *arguments), which does one part of the work.

    The result is called as (parts, *arguments) and calls it for every part, one in each thread. The
    function must raise nothing.
    """
    names = ", ".join(list(signature(function).parameters)[2:])
    source = f"def launch(team, parts, {names}): call(team, parts, function, ({names},))"
    # Numba keeps its results by file, line and name: these are the function's.
    place = function.__code__
    code = compile("\n" * (place.co_firstlineno - 1) + source, place.co_filename, "exec")
    scope: dict[str, Any] = {"call": call_parts, "function": njit(**RULES)(function)}
    exec(code, scope)
    launch = scope["launch"]
    launch.__name__, launch.__qualname__ = function.__name__, function.__qualname__
    launch.__module__ = function.__module__
    return partial(fast(launch), TEAM)


@inlined
def rows_of(part: int, parts: int, rows: int) -> Any:
    """A part's share of so many rows."""
    return range(rows * part // parts, rows * (part + 1) // parts)


@intrinsic
def call_parts(typing: Any, team: Any, parts: Any, function: Any, arguments: Any) -> Any:
    """function(part, parts, *arguments) for every part, by a team of that many threads."""
    of_each = (parts, parts, *arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        team, parts, _, arguments = values
        function.get_call_type(typing, of_each, {})
        compiled = function.dispatcher.overloads[of_each]
        context.active_code_library.add_linking_library(compiled.library)
        callee = context.declare_function(builder.module, compiled.fndesc)

        # What the threads share: the first part that none has taken, the others' number, and so on.
        arguments = borrowed(context, builder, signature.args[3], arguments)
        fields = cgutils.make_anonymous_struct(builder, [parts.type(0), parts, arguments])
        shared = cgutils.alloca_once_value(builder, fields)
        pointer, i32 = cgutils.voidptr_t, ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        work = ir.Function(builder.module, kind, builder.module.get_unique_name("work"))
        work.linkage = "internal"

        # The function of each thread. A team may come with fewer threads than it is asked for.
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
                builder.call(call, [work, argument, builder.trunc(parts, i32), i32(0)])
        return context.get_dummy_value()

    return types.void(team, parts, function, arguments), generate


def borrowed(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    """A tuple of arguments, to whose arrays nobody counts the references.

    Numba counts at each view, and threads that count the same array wait for each other.
    """
    items = []
    for kind, value in zip(kinds, cgutils.unpack_tuple(builder, values), strict=True):
        if isinstance(kind, types.Array):
            array = context.make_array(kind)(context, builder, value=value)
            array.meminfo = cgutils.get_null_value(array.meminfo.type)
            value = array._getvalue()
        items.append(value)
    return context.make_tuple(builder, kinds, items)
