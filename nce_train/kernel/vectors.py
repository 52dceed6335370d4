"""Vector instructions for the intrinsics of `tiles`, by name: loads, stores, shuffles, fused multiply-adds."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target

# Numbers a vector: 16 where the machine has AVX-512, else 8 (LLVM splits these where registers are narrower still).
LANES = 16 if "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2] else 8
LOCALITY = 2  # prefetch into the second-level cache: rows of a whole block would crowd the first

I32 = ir.IntType(32)
I64 = ir.IntType(64)


class Array:
    """Addresses inside an array. `width` is the length of its rows, where it has two dimensions."""

    def __init__(self, builder, item, data, width=None):
        self.builder = builder
        self.item = item
        self.data = data
        self.width = width

    @property
    def item_size(self):
        """In bytes."""
        return 4 if isinstance(self.item, ir.FloatType) else 8

    def at(self, index):
        return self.builder.gep(self.data, [index])

    def row(self, index):
        return self.at(self.builder.mul(index, self.width))

    def load(self, index):
        return self.builder.load(self.at(index))

    def vector(self, lanes=LANES):
        return ir.VectorType(self.item, lanes)


def inlined(write):
    """The second half of an intrinsic: code that `write` puts where the intrinsic is called.

    Parameters
    ----------
    write : callable
        Takes a builder and the intrinsic's arguments, arrays as `Array`; returns the result, if there is one.
    """

    def generate(context, builder, signature, arguments):
        result = write(
            builder, *_as_arrays(builder, _described(context, signature), _flat(context, builder, signature, arguments))
        )
        return context.get_dummy_value() if result is None else result

    return generate


def outlined(write):
    """As `inlined`, but the code is a function of its own.

    It takes no more than addresses, widths of rows and numbers. Inside a kernel of thousands of instructions, loops of
    vector instructions share the registers with hundreds of numbers that are needed elsewhere and read their own
    addresses from the stack at every turn; and the kernel takes a sixth longer to compile.
    """

    def generate(context, builder, signature, arguments):
        flat = _flat(context, builder, signature, arguments)
        nothing = signature.return_type == types.none
        result_type = ir.VoidType() if nothing else context.get_value_type(signature.return_type)
        function = ir.Function(
            builder.module,
            ir.FunctionType(result_type, [value.type for value in flat]),
            builder.module.get_unique_name(f"{__name__}.{write.__name__}"),
        )
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        inside = ir.IRBuilder(function.append_basic_block("entry"))
        result = write(inside, *_as_arrays(inside, _described(context, signature), function.args))
        if nothing:
            inside.ret_void()
        else:
            inside.ret(result)
        call = builder.call(function, flat)
        return context.get_dummy_value() if nothing else call

    return generate


def _described(context, signature):
    """For each argument the type of its items and how many dimensions it has; None for numbers."""
    return [
        (context.get_data_type(kind.dtype), kind.ndim) if isinstance(kind, types.Array) else None
        for kind in signature.args
    ]


def _flat(context, builder, signature, arguments):
    """The arguments with each array replaced by its address, and the length of its rows where it has two dimensions."""
    flat = []
    for kind, argument in zip(signature.args, arguments, strict=True):
        if isinstance(kind, types.Array):
            struct = cgutils.create_struct_proxy(kind)(context, builder, argument)
            flat.append(struct.data)
            if kind.ndim == 2:
                flat.append(builder.extract_value(struct.shape, 1))
        else:
            flat.append(argument)
    return flat


def _as_arrays(builder, described, flat):
    """What `_flat` took apart, with an `Array` for each array."""
    values = iter(flat)
    for kind in described:
        if kind is None:
            yield next(values)
        else:
            item, dimensions = kind
            data = next(values)
            yield Array(builder, item, data, next(values) if dimensions == 2 else None)


def load(builder, pointer, vector):
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)


def store(builder, value, pointer):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def load_first(builder, pointer, integers, count):
    """Load the first `count` of a vector of int32, zeros behind them; memory behind them is not read."""
    pointer = builder.bitcast(pointer, integers.as_pointer())
    masks = ir.VectorType(ir.IntType(1), integers.count)
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(integers, [pointer.type, I32, masks, integers]),
        f"llvm.masked.load.v{integers.count}i32.p0",
    )
    zeros = ir.Constant(integers, [0] * integers.count)
    return builder.call(function, [pointer, I32(4), _first_lanes(builder, integers, count), zeros])


def store_first(builder, value, pointer, count):
    """Store the first `count` of a vector of int32."""
    integers = value.type
    pointer = builder.bitcast(pointer, integers.as_pointer())
    masks = ir.VectorType(ir.IntType(1), integers.count)
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [integers, pointer.type, I32, masks]),
        f"llvm.masked.store.v{integers.count}i32.p0",
    )
    builder.call(function, [value, pointer, I32(4), _first_lanes(builder, integers, count)])


def _first_lanes(builder, integers, count):
    lanes = ir.Constant(integers, list(range(integers.count)))
    return builder.icmp_signed("<", lanes, splat(builder, builder.trunc(count, I32), integers.count))


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
