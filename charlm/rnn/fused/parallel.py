"""Compiled functions that share their work among the threads with which torch multiplies.

A step's arithmetic takes some ten microseconds: only threads that already wait for torch's next
product are there in time. They are OpenMP's, and GNU's OpenMP, which torch's wheels for Linux
bring, has them call any function (see `charlm.rnn.fused.machine.TEAM`).
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from charlm.rnn import amx, tiles
from charlm.rnn.compilation import OPTIONS, fast, inlined, joined
from charlm.rnn.fused.machine import TEAM


def parallel(function: Callable[..., None]) -> Callable[..., None]:
    """Compile function(part, parts, *arguments), which does one part of the work.

    The result is called as (parts, *arguments) and calls it for every part, one in each thread. The
    function must raise nothing.
    """
    return launcher(function, function.__name__, joined(function), arguments_of(function))


class Step:
    """A step of a recurrence, function(part, parts, t, product, *arguments), as `parallel` has it.

    A sweep is all steps and their products at a stretch. The product of a step, (B, N), is that of
    x[t] with the panels' matrix; see `charlm.rnn.tiles` and `charlm.rnn.amx`.

    Attributes:
        apart: a sweep in which each part makes the products of its own rows, and no part waits for
            another. It is called as (parts, x, panels, product, *arguments).
        together: a sweep in which each part makes some columns of all products, reads as little of
            the matrix, and waits twice a step. It is called as (threads, parts, barrier, x, …),
            with an address: each thread does some of the parts, and all must be there at once.
    """

    def __init__(self, function: Callable[..., None], steps: str, *order: str) -> None:
        step, names = joined(function), arguments_of(function)
        others = names.removeprefix("t, product, ")

        def sweep(name: str, source: str, multiply: Any, arguments: str) -> Callable[..., None]:
            first, second = (WORK[each].format(arguments=others) for each in order)
            lines = source.format(steps=steps, first=first, second=second, arguments=arguments)
            works = {"multiply": joined(multiply), "step": step, "meet": meet}
            whole = joined(defined(function, lines, **works))
            return launcher(function, f"{function.__name__}_{name}", whole, arguments)

        arguments = f"x, panels, product, {others}"
        self.step = launcher(function, function.__name__, step, names)
        self.apart = sweep("apart", APART, multiply_rows, arguments)
        self.together = sweep(
            "together", TOGETHER, multiply_columns, f"parts, barrier, {arguments}"
        )

    def __call__(self, parts: int, *arguments: Any) -> None:
        self.step(parts, *arguments)


WORK = {
    "product": "multiply(part, parts, x[t], panels, product)",
    "step": "step(part, parts, t, product, {arguments})",
}
APART = """def sweep(part, parts, {arguments}):
    for t in {steps}:
        {first}
        {second}
"""
TOGETHER = """def sweep(thread, threads, {arguments}):
    for t in {steps}:
        for part in range(thread, parts, threads):
            {first}
        meet(barrier)
        for part in range(thread, parts, threads):
            {second}
        meet(barrier)
"""


def forward(function: Callable[..., None]) -> Step:
    """A step that takes the product of the state before it."""
    return Step(function, "range(x.shape[0] - 1)", "product", "step")


def backward(function: Callable[..., None]) -> Step:
    """A step, from the last to the first, that takes the product of what the one before it made."""
    return Step(function, "range(x.shape[0] - 1, -1, -1)", "step", "product")


def multiply(x: Any, first: int, end: int, panels: Any, product: Any) -> None:
    """Make rows of a product, in the type of x; see `charlm.rnn.tiles` and `charlm.rnn.amx`."""


@overload(multiply, jit_options=OPTIONS)
def multiply_typed(
    x: Any, first: Any, end: Any, panels: Any, product: Any
) -> Callable[[Any, Any, Any, Any, Any], None]:
    def wide(x: Any, first: Any, end: Any, panels: Any, product: Any) -> None:
        tiles.multiply(x, first, end, panels, product)

    def narrow(x: Any, first: Any, end: Any, panels: Any, product: Any) -> None:
        amx.multiply(x, first, end, panels, product)

    return narrow if x.dtype == types.uint16 else wide


@inlined
def rows_of(part: int, parts: int, rows: int) -> Any:
    """A part's share of so many rows."""
    return range(rows * part // parts, rows * (part + 1) // parts)


def multiply_rows(part: int, parts: int, x: Any, panels: Any, product: Any) -> None:
    """Make a part of the product's rows."""
    mine = rows_of(part, parts, product.shape[0])
    multiply(x, mine.start, mine.stop, panels, product)


def multiply_columns(part: int, parts: int, x: Any, panels: Any, product: Any) -> None:
    """Make a part of the product's columns, those of some of the panels."""
    mine, width = rows_of(part, parts, panels.shape[0]), product.shape[1] // panels.shape[0]
    columns = product[:, mine.start * width : mine.stop * width]
    multiply(x, 0, product.shape[0], panels[mine.start : mine.stop], columns)


def arguments_of(function: Callable[..., None]) -> str:
    """Those after part and parts."""
    return ", ".join(list(signature(function).parameters)[2:])


def defined(like: Callable[..., None], source: str, **names: Any) -> Any:
    """A function from its source, in another's place: numba keeps its results by file and line."""
    place = like.__code__
    code = compile("\n" * (place.co_firstlineno - 1) + source, place.co_filename, "exec")
    names["__name__"] = like.__module__
    exec(code, names)
    return names[source.removeprefix("def ").partition("(")[0]]


def launcher(
    like: Callable[..., None], name: str, function: Any, arguments: str
) -> Callable[..., None]:
    """What calls a compiled function for every part."""
    source = (
        f"def {name}(team, threads, units, {arguments}): "
        f"call(team, threads, units, function, ({arguments},))"
    )
    return partial(launch, fast(defined(like, source, call=call_parts, function=function)))


def launch(function: Callable[..., None], parts: int, *arguments: Any) -> None:
    """Call what `launcher` compiled, with the threads that torch has at the moment."""
    threads = min(parts, torch.get_num_threads())
    function(TEAM if threads > 1 else 0, threads, parts, *arguments)


@intrinsic
def meet(typing: Any, barrier: Any) -> Any:
    """Wait for all threads of the team."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wait = ir.FunctionType(ir.VoidType(), [])
        builder.call(builder.inttoptr(values[0], wait.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(barrier), generate


@intrinsic
def call_parts(
    typing: Any, team: Any, threads: Any, parts: Any, function: Any, arguments: Any
) -> Any:
    """function(part, parts, *arguments) for every part, by a team of so many threads."""
    of_each = (parts, parts, *arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        team, threads, parts, _, arguments = values
        function.get_call_type(typing, of_each, {})
        compiled = function.dispatcher.overloads[of_each]
        context.active_code_library.add_linking_library(compiled.library)
        callee = context.declare_function(builder.module, compiled.fndesc)

        # What the threads share: the first part that none has taken, the others' number, and so on.
        arguments = borrowed(context, builder, signature.args[4], arguments)
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
                builder.call(call, [work, argument, builder.trunc(threads, i32), i32(0)])
        return context.get_dummy_value()

    return types.void(team, threads, parts, function, arguments), generate


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
