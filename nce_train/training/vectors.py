"""Vector instructions for the intrinsics of `tiles`, by name: loads, stores, shuffles, fused multiply-adds."""

from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target

# Numbers a vector: 16 where the machine has AVX-512, else 8 (LLVM splits these where registers are narrower still).
LANES = 16 if "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2] else 8
LOCALITY = 2  # prefetch into the second-level cache: rows of a whole block would crowd the first

I32 = ir.IntType(32)
I64 = ir.IntType(64)


class Array:
    """Addresses inside one of the arrays handed to an intrinsic."""

    def __init__(self, context, builder, array_type, value):
        self.builder = builder
        self.item = context.get_data_type(array_type.dtype)
        struct = cgutils.create_struct_proxy(array_type)(context, builder, value)
        self.data = struct.data
        if array_type.ndim == 2:
            self.width = builder.extract_value(struct.shape, 1)

    def at(self, index):
        return self.builder.gep(self.data, [index])

    def row(self, index):
        return self.at(self.builder.mul(index, self.width))

    def load(self, index):
        return self.builder.load(self.at(index))

    def vector(self, lanes=LANES):
        return ir.VectorType(self.item, lanes)


def load(builder, pointer, vector):
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)


def store(builder, value, pointer):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def splat(builder, scalar, lanes=LANES):
    vector = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(
        first, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
    )


def shuffle(builder, left, right, order):
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(I32, len(order)), order))


def multiply_add(builder, left, right, addend):
    # fmuladd: fused where the machine can, two instructions elsewhere (never a library call)
    vector = left.type
    letter = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [vector] * 3),
        f"llvm.fmuladd.v{vector.count}{letter}",
    )
    return builder.call(function, [left, right, addend])


def prefetch(builder, pointer):
    byte_pointer = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer, I32, I32, I32]), "llvm.prefetch.p0"
    )
    builder.call(function, [builder.bitcast(pointer, byte_pointer), I32(0), I32(LOCALITY), I32(1)])


def offset(builder, pointer, count):
    return builder.gep(pointer, [I64(count) if isinstance(count, int) else count])


def sum_of_lanes(builder, vector):
    lanes = vector.type.count
    while lanes > 1:
        lanes //= 2
        low = shuffle(builder, vector, vector, list(range(lanes)))
        high = shuffle(builder, vector, vector, list(range(lanes, 2 * lanes)))
        vector = builder.fadd(low, high)
    return builder.extract_element(vector, I32(0))
