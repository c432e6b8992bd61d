"""What compiled search needs of the processor: inner products of rows, fetching ahead, keys that order as distances."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 64  # components a step

_I1, _I8, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
_F32, _F16 = ir.FloatType(), ir.HalfType()


@intrinsic
def inner_product(typingctx: Any, vectors: Any, row: Any, query: Any, width: Any) -> Any:
    """float32 inner product of two rows at the addresses `row` and `query`, both of the type of `vectors`.

    float32, uint16 (the bits of a float16) and int8; other widths than multiples of 64 are finished one by one.
    """
    kind = vectors.dtype
    element = {types.float32: _F32, types.uint16: _F16, types.int8: _I8}[kind]
    whole = kind == types.int8

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, row, query, width = args
        wide = _I32 if whole else _F32
        loaded, widened = ir.VectorType(element, LANES), ir.VectorType(wide, LANES)
        sums = ir.VectorType(wide, LANES // 2 if whole else LANES)
        one = builder.inttoptr(row, element.as_pointer())
        other = builder.inttoptr(query, element.as_pointer())
        steps = builder.sdiv(width, _I64(LANES))
        total = cgutils.alloca_once_value(builder, ir.Constant(sums, [0.0 if not whole else 0] * sums.count))

        def widen(value: Any, to: Any) -> Any:
            if whole:
                return builder.sext(value, to)
            return value if element == _F32 else builder.fpext(value, to)

        def load(start: Any, at: Any) -> Any:
            place = builder.bitcast(builder.gep(start, [at]), loaded.as_pointer())
            return widen(builder.load(place, align=1), widened)

        with cgutils.for_range(builder, steps) as loop:
            at = builder.mul(loop.index, _I64(LANES))
            left, right = load(one, at), load(other, at)
            if whole:  # neighbours are added first: this is the form in which processors multiply and add in one step
                product = builder.mul(left, right)
                none = ir.Constant(widened, ir.Undefined)
                pick = ir.VectorType(_I32, LANES // 2)
                even = builder.shuffle_vector(product, none, ir.Constant(pick, list(range(0, LANES, 2))))
                odd = builder.shuffle_vector(product, none, ir.Constant(pick, list(range(1, LANES, 2))))
                builder.store(builder.add(builder.load(total), builder.add(even, odd)), total)
            else:
                product = builder.fmul(left, right, flags=["fast"])
                builder.store(builder.fadd(builder.load(total), product, flags=["fast"]), total)
        module = builder.module
        if whole:
            summing = ir.FunctionType(wide, [sums])
            add = cgutils.get_or_insert_function(module, summing, f"llvm.vector.reduce.add.v{sums.count}i32")
            first = builder.call(add, [builder.load(total)])
        else:
            summing = ir.FunctionType(wide, [wide, sums])
            add = cgutils.get_or_insert_function(module, summing, f"llvm.vector.reduce.fadd.v{sums.count}f32")
            first = builder.call(add, [ir.Constant(wide, 0.0), builder.load(total)], fastmath=["fast"])
        result = cgutils.alloca_once_value(builder, first)
        with cgutils.for_range_slice(builder, builder.mul(steps, _I64(LANES)), width, _I64(1), _I64) as (at, _):
            left = widen(builder.load(builder.gep(one, [at])), wide)
            right = widen(builder.load(builder.gep(other, [at])), wide)
            if whole:
                builder.store(builder.add(builder.load(result), builder.mul(left, right)), result)
            else:
                builder.store(
                    builder.fadd(builder.load(result), builder.fmul(left, right, flags=["fast"]), flags=["fast"]), result
                )
        found = builder.load(result)
        return builder.sitofp(found, _F32) if whole else found

    return types.float32(vectors, types.intp, types.intp, types.intp), codegen


@intrinsic
def fetch_ahead(typingctx: Any, address: Any) -> Any:
    """Ask the processor to bring the cache line at an address nearer."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _I8.as_pointer()
        function = ir.FunctionType(ir.VoidType(), [pointer, _I32, _I32, _I32])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], function)
        builder.call(fetch, [builder.inttoptr(args[0], pointer), _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(types.intp), codegen


@intrinsic
def move(typingctx: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy `size` bytes between addresses whose stretches may overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _I8.as_pointer()
        function = builder.module.declare_intrinsic("llvm.memmove", [pointer, pointer, _I64])
        builder.call(function, [builder.inttoptr(args[0], pointer), builder.inttoptr(args[1], pointer), args[2], _I1(0)])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@intrinsic
def as_key(typingctx: Any, distance: Any, low: Any) -> Any:
    """uint64 whose upper half orders as a float32 distance and whose lower half is `low`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _I32)
        flip = builder.or_(builder.ashr(bits, _I32(31)), _I32(0x80000000))
        upper = builder.shl(builder.zext(builder.xor(bits, flip), _I64), _I64(32))
        return builder.or_(upper, builder.zext(args[1], _I64))

    return types.uint64(types.float32, types.uint32), codegen


@intrinsic
def as_distance(typingctx: Any, key: Any) -> Any:
    """The distance that a key was made of."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.trunc(builder.lshr(args[0], _I64(32)), _I32)
        flip = builder.or_(builder.not_(builder.ashr(bits, _I32(31))), _I32(0x80000000))
        return builder.bitcast(builder.xor(bits, flip), _F32)

    return types.float32(types.uint64), codegen
