"""The arithmetic of a block step as vector instructions: three small matrix products and the logistic.

A *panel* is PANEL = 8 centres. Against a list of rows of the output table it needs

    logits[r, g] = row_r · centre_g + offset_r + log m_g       `panel_logits`
    step[r, g]   = −rate · ∂loss/∂logit, and the loss          `logits_to_steps`
    centre_g    += Σ_r step[r, g] · row_r                      `add_to_centres`
    row_r       += Σ_g step[r, g] · centre_g                   `add_to_rows`

LLVM finds neither the register tiling of the products nor the vector form of the logistic by itself (loops in
Python syntax ran 3 to 10 times slower, measured), so each is an intrinsic that writes the vector instructions out. The
loops around them are ordinary compiled functions. `tests/training/test_training_tiles.py` holds the NumPy twins.

Tables have rows of `width` numbers, a multiple of LANES; everything is C-contiguous; nothing depends on alignment.
"""

import math

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

PANEL = 8  # centres worked on together; block_size is cut into panels of this many
LANES = 16  # numbers a vector: the width of AVX-512; LLVM splits it on narrower machines
ROW_TILE = 8  # rows a tile of logits
LOCALITY = 2  # prefetch into the second-level cache: rows of a whole block would crowd the first

# How the functions below a kernel are compiled. Without NRT no array is reference-counted (atomic operations in
# the innermost loops, measured at a quarter of the time); without wrappers they compile in two thirds of the time.
inner = njit(nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)

in_place = njit(inline="always", nogil=True, error_model="numpy", _nrt=False)

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


@in_place
def panel_logits(table, rows, count, packed, offsets, log_ratio, logits):
    """logits[r, g] = table[rows[r]] · centre_g + offsets[r] + log_ratio[g], for r < count rounded up to whole tiles.

    Parameters
    ----------
    table : float [classes, width]
    rows : int32 [>= count + ROW_TILE - 1]; the entries from `count` on must be valid ids
    packed : float [width * PANEL]: the centres as `pack_centres` lays them
    offsets : float [>= count + ROW_TILE - 1]
    log_ratio : float [PANEL]
    logits : float [>= count + ROW_TILE - 1, PANEL], written
    """
    row = 0
    while row + ROW_TILE // 2 < count:
        _logits_tile_8(table, rows, row, packed, offsets, log_ratio, logits)
        row += ROW_TILE
    if row < count:
        _logits_tile_4(table, rows, row, packed, offsets, log_ratio, logits)


@in_place
def context_weights(count, offset, radius, weights):
    """weights[r, g] = 1 where row r < count is a context of centre g: 0 < |offset + r − g| <= radius[g]; else 0."""
    _context_weights(count, offset, radius, weights)


def logits_to_steps(logits, weights, count, rate):
    """Turn logits into steps in place and return the loss, over the first `count` rows.

    With n = |weight|, and z = 1 where the weight is positive (data) and 0 where it is negative (noise):
    loss = Σ n · (softplus(logit) − z · logit), step = rate · n · (z − σ(logit)).

    Parameters
    ----------
    logits : float [>= count + 1, PANEL]
    weights : float, same shape; a row of zeros follows when `count` is odd
    rate : float

    Returns
    -------
    float64
    """
    raise NotImplementedError("compiled code only")


@overload(logits_to_steps)
def _logits_to_steps(logits, weights, count, rate):
    if logits.dtype == types.float32:
        return lambda logits, weights, count, rate: _steps_float32(logits, weights, count, rate)
    return lambda logits, weights, count, rate: _steps_exact(logits, weights, count, rate)


@inner
def _steps_exact(logits, weights, count, rate):
    loss = 0.0
    for r in range(count):
        for g in range(PANEL):
            logit, weight = logits[r, g], weights[r, g]
            small = math.exp(-abs(logit))
            sigma = 1.0 / (1.0 + small) if logit >= 0 else small / (1.0 + small)
            data = max(weight, 0.0)
            loss += abs(weight) * (max(logit, 0.0) + math.log1p(small)) - data * logit
            logits[r, g] = rate * (data - abs(weight) * sigma)
    return loss


@in_place
def add_to_centres(table, rows, ahead, count, steps, centre_table, centre_ids, first_centre):
    """centre_table[centre_ids[first_centre + g]] += Σ_r steps[r, g] · table[rows[r]] over r < count, g < PANEL.

    On the way the even vectors of the rows `ahead` are fetched, which the next block needs.
    """
    width = table.shape[1]
    column = 0
    while column + 2 * LANES <= width:
        _centres_tile_2(table, rows, ahead, count, steps, centre_table, centre_ids, first_centre, column)
        column += 2 * LANES
    if column < width:
        _centres_tile_1(table, rows, ahead, count, steps, centre_table, centre_ids, first_centre, column)


@in_place
def add_to_rows(table, bias, rows, ahead, count, steps, centres, first_centre):
    """table[rows[r]] += Σ_g steps[r, g] · centres[first_centre + g] and bias[rows[r]] += Σ_g steps[r, g], r < count.

    Row after row: a row may occur twice. On the way the odd vectors of the rows `ahead` are fetched.
    """
    _add_to_bias(bias, rows, count, steps)
    width = table.shape[1]
    column = 0
    while column + 2 * LANES <= width:
        _rows_tile_2(table, rows, ahead, count, steps, centres, first_centre, column)
        column += 2 * LANES
    if column < width:
        _rows_tile_1(table, rows, ahead, count, steps, centres, first_centre, column)


@in_place
def pack_centres(centres, first_centre, packed):
    """Lay PANEL rows of `centres` as pairs: packed[d // 2, g, d % 2] = centres[first_centre + g, d]."""
    for column in range(0, centres.shape[1], LANES):
        _pack_tile(centres, first_centre, column, packed)


@in_place
def prefetch_row(table, row):
    """Ask for a table row to be brought into the cache; changes nothing."""
    _prefetch_row(table, row)


# --- the intrinsics -------------------------------------------------------------------------------------------


class _Array:
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


def _load(builder, pointer, vector):
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)


def _store(builder, value, pointer):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def _splat(builder, scalar, lanes=LANES):
    vector = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, _I32(0))
    return builder.shuffle_vector(
        first, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
    )


def _shuffle(builder, left, right, order):
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_I32, len(order)), order))


def _multiply_add(builder, left, right, addend):
    # fmuladd: fused where the machine can, two instructions elsewhere (never a library call)
    vector = left.type
    letter = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [vector] * 3),
        f"llvm.fmuladd.v{vector.count}{letter}",
    )
    return builder.call(function, [left, right, addend])


def _prefetch(builder, pointer):
    byte_pointer = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer, _I32, _I32, _I32]), "llvm.prefetch.p0"
    )
    builder.call(function, [builder.bitcast(pointer, byte_pointer), _I32(0), _I32(LOCALITY), _I32(1)])


def _offset(builder, pointer, count):
    return builder.gep(pointer, [_I64(count) if isinstance(count, int) else count])


def _logits_tile(tile):
    """`tile` rows against a packed panel: lane 2g + (d & 1) of a row's sum holds centre g's part of column parity."""

    @intrinsic
    def logits_tile(typing, table, rows, first, packed, offsets, log_ratio, logits):
        def generate(context, builder, signature, arguments):
            kinds = signature.args
            table_, rows_, packed_, offsets_, log_ratio_, logits_ = (
                _Array(context, builder, kinds[i], arguments[i]) for i in (0, 1, 3, 4, 5, 6)
            )
            first_ = arguments[2]
            vector = table_.vector()
            row_pointers = [
                table_.row(builder.sext(rows_.load(builder.add(first_, _I64(r))), _I64)) for r in range(tile)
            ]
            # two sums a row (even and odd pairs): eight rows alone would leave the multipliers waiting
            zero = ir.Constant(vector, [0.0] * LANES)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(2)] for _ in range(tile)]
            with cgutils.for_range_slice(builder, _I64(0), table_.width, _I64(4), _I64) as (column, _):
                panel = packed_.at(builder.mul(column, _I64(PANEL)))
                for half in range(2):
                    centres = _load(builder, _offset(builder, panel, half * LANES), vector)
                    for r in range(tile):
                        pair_pointer = _offset(builder, _offset(builder, row_pointers[r], column), 2 * half)
                        pair = _load(builder, pair_pointer, table_.vector(2))
                        pair = _shuffle(builder, pair, pair, [0, 1] * (LANES // 2))
                        total = _multiply_add(builder, pair, centres, builder.load(sums[r][half]))
                        builder.store(total, sums[r][half])
            even, odd = list(range(0, LANES, 2)), list(range(1, LANES, 2))
            ratio = _load(builder, log_ratio_.data, table_.vector(PANEL))
            for r in range(tile):
                both = builder.fadd(builder.load(sums[r][0]), builder.load(sums[r][1]))
                total = builder.fadd(_shuffle(builder, both, both, even), _shuffle(builder, both, both, odd))
                row = builder.add(first_, _I64(r))
                constant = builder.fadd(_splat(builder, offsets_.load(row), PANEL), ratio)
                _store(builder, builder.fadd(total, constant), logits_.at(builder.mul(row, _I64(PANEL))))
            return context.get_dummy_value()

        return types.none(table, rows, types.int64, packed, offsets, log_ratio, logits), generate

    return logits_tile


def _centres_tile(vectors):
    """2 * LANES or LANES columns of all PANEL centres stay in registers while the rows pass by."""

    @intrinsic
    def centres_tile(typing, table, rows, ahead, count, steps, centre_table, centre_ids, first_centre, column):
        def generate(context, builder, signature, arguments):
            kinds = signature.args
            table_, rows_, ahead_, steps_, centre_table_, centre_ids_ = (
                _Array(context, builder, kinds[i], arguments[i]) for i in (0, 1, 2, 4, 5, 6)
            )
            count_, first_centre_, column_ = (arguments[i] for i in (3, 7, 8))
            vector = table_.vector()
            zero = ir.Constant(vector, [0.0] * LANES)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)] for _ in range(PANEL)]
            with cgutils.for_range_slice(builder, _I64(0), count_, _I64(1), _I64) as (row, _):
                pointer = _offset(builder, table_.row(builder.sext(rows_.load(row), _I64)), column_)
                values = [_load(builder, _offset(builder, pointer, v * LANES), vector) for v in range(vectors)]
                next_row = _offset(builder, table_.row(builder.sext(ahead_.load(row), _I64)), column_)
                _prefetch(builder, next_row)
                row_steps = steps_.at(builder.mul(row, _I64(PANEL)))
                for g in range(PANEL):
                    factor = _splat(builder, builder.load(_offset(builder, row_steps, g)))
                    for v in range(vectors):
                        total = _multiply_add(builder, factor, values[v], builder.load(sums[g][v]))
                        builder.store(total, sums[g][v])
            for g in range(PANEL):
                centre = builder.sext(centre_ids_.load(builder.add(first_centre_, _I64(g))), _I64)
                pointer = _offset(builder, centre_table_.row(centre), column_)
                for v in range(vectors):
                    place = _offset(builder, pointer, v * LANES)
                    total = builder.fadd(_load(builder, place, vector), builder.load(sums[g][v]))
                    _store(builder, total, place)
            return context.get_dummy_value()

        index = types.int64
        return types.none(table, rows, ahead, index, steps, centre_table, centre_ids, index, index), generate

    return centres_tile


def _rows_tile(vectors):
    """2 * LANES or LANES columns of all PANEL centres stay in registers while the rows are updated in turn."""

    @intrinsic
    def rows_tile(typing, table, rows, ahead, count, steps, centres, first_centre, column):
        def generate(context, builder, signature, arguments):
            kinds = signature.args
            table_, rows_, ahead_, steps_, centres_ = (
                _Array(context, builder, kinds[i], arguments[i]) for i in (0, 1, 2, 4, 5)
            )
            count_, first_centre_, column_ = (arguments[i] for i in (3, 6, 7))
            vector = table_.vector()
            panel = []
            for g in range(PANEL):
                pointer = _offset(builder, centres_.row(builder.add(first_centre_, _I64(g))), column_)
                panel.append([_load(builder, _offset(builder, pointer, v * LANES), vector) for v in range(vectors)])
            with cgutils.for_range_slice(builder, _I64(0), count_, _I64(1), _I64) as (row, _):
                pointer = _offset(builder, table_.row(builder.sext(rows_.load(row), _I64)), column_)
                places = [_offset(builder, pointer, v * LANES) for v in range(vectors)]
                totals = [_load(builder, place, vector) for place in places]
                next_row = _offset(builder, table_.row(builder.sext(ahead_.load(row), _I64)), column_)
                for v in range(1, vectors):
                    _prefetch(builder, _offset(builder, next_row, v * LANES))
                row_steps = steps_.at(builder.mul(row, _I64(PANEL)))
                for g in range(PANEL):
                    factor = _splat(builder, builder.load(_offset(builder, row_steps, g)))
                    totals = [_multiply_add(builder, factor, panel[g][v], totals[v]) for v in range(vectors)]
                for total, place in zip(totals, places, strict=True):
                    _store(builder, total, place)
            return context.get_dummy_value()

        index = types.int64
        return types.none(table, rows, ahead, index, steps, centres, index, index), generate

    return rows_tile


@intrinsic
def _pack_tile(typing, centres, first_centre, column, packed):
    """Transpose LANES columns of PANEL rows, two columns at a time as one item of twice the size."""

    def generate(context, builder, signature, arguments):
        centres_ = _Array(context, builder, signature.args[0], arguments[0])
        packed_ = _Array(context, builder, signature.args[3], arguments[3])
        first_centre_, column_ = arguments[1], arguments[2]
        vector = centres_.vector()
        rows = []
        for g in range(PANEL):
            pointer = _offset(builder, centres_.row(builder.add(first_centre_, _I64(g))), column_)
            rows.append(_load(builder, pointer, vector))
        target = packed_.at(builder.mul(column_, _I64(PANEL)))
        # interleaving each row with the one half a panel on, three times over, transposes the 8 × 8 pairs
        half = PANEL // 2
        for _ in range(3):
            rows = [
                part
                for left, right in zip(rows[:half], rows[half:], strict=True)
                for part in _interleave_pairs(builder, left, right)
            ]
        for pair, row in enumerate(rows):
            _store(builder, row, _offset(builder, target, pair * LANES))
        return context.get_dummy_value()

    return types.none(centres, types.int64, types.int64, packed), generate


def _interleave_pairs(builder, left, right):
    pairs = LANES // 2
    low: list[int] = []
    high: list[int] = []
    for pair in range(pairs):
        order = low if pair < pairs // 2 else high
        order += [2 * pair, 2 * pair + 1, LANES + 2 * pair, LANES + 2 * pair + 1]
    return _shuffle(builder, left, right, low), _shuffle(builder, left, right, high)


@intrinsic
def _prefetch_row(typing, table, row):
    def generate(context, builder, signature, arguments):
        table_ = _Array(context, builder, signature.args[0], arguments[0])
        pointer = table_.row(arguments[1])
        line = 64 // context.get_abi_sizeof(table_.item)
        with cgutils.for_range_slice(builder, _I64(0), table_.width, _I64(line), _I64) as (column, _):
            _prefetch(builder, _offset(builder, pointer, column))
        return context.get_dummy_value()

    return types.none(table, types.int64), generate


@intrinsic
def _context_weights(typing, count, offset, radius, weights):
    def generate(context, builder, signature, arguments):
        radius_ = _Array(context, builder, signature.args[2], arguments[2])
        weights_ = _Array(context, builder, signature.args[3], arguments[3])
        count_, offset_ = arguments[0], arguments[1]
        integers = ir.VectorType(_I32, PANEL)
        radii = _load(builder, radius_.data, integers)
        zeros = ir.Constant(integers, [0] * PANEL)
        centre_places = ir.Constant(integers, list(range(PANEL)))
        ones = ir.Constant(weights_.vector(PANEL), [1.0] * PANEL)
        nones = ir.Constant(weights_.vector(PANEL), [0.0] * PANEL)
        with cgutils.for_range_slice(builder, _I64(0), count_, _I64(1), _I64) as (row, _):
            place = builder.trunc(builder.add(row, offset_), _I32)
            distance = builder.sub(_splat(builder, place, PANEL), centre_places)
            behind = builder.icmp_signed("<", distance, zeros)
            distance = builder.select(behind, builder.sub(zeros, distance), distance)
            inside = builder.and_(
                builder.icmp_signed("<=", distance, radii), builder.icmp_signed("!=", distance, zeros)
            )
            weight = builder.select(inside, ones, nones)
            _store(builder, weight, weights_.at(builder.mul(row, _I64(PANEL))))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, radius, weights), generate


# exp(x) for |x| <= log(2)/2 and log1p(x)/x for 0 <= x <= 1: Chebyshev fits, errors 2e-9 and 3e-8
_EXP = [0.00139485808, 0.00837512889, 0.0416662183, 0.166664155, 0.500000011, 1.00000004, 1.0]
_LOG1P = [
    0.0052534578, -0.0295885074, 0.078361668, -0.136747697, 0.191114311, -0.248443699, 0.333192713, -0.499995015,
    0.999999971,
]  # fmt: skip


@intrinsic
def _steps_float32(typing, logits, weights, count, rate):
    def generate(context, builder, signature, arguments):
        logits_ = _Array(context, builder, signature.args[0], arguments[0])
        weights_ = _Array(context, builder, signature.args[1], arguments[1])
        vector = logits_.vector()
        integers = ir.VectorType(_I32, LANES)
        rate_ = _splat(builder, builder.fptrunc(arguments[3], logits_.item))

        def constant(number):
            return ir.Constant(vector, [number] * LANES)

        def larger(left, right):
            # false for NaN on the left, which then comes through
            return builder.select(builder.fcmp_ordered("<", left, right), right, left)

        def polynomial(coefficients, x):
            total = constant(coefficients[0])
            for coefficient in coefficients[1:]:
                total = _multiply_add(builder, total, x, constant(coefficient))
            return total

        loss = cgutils.alloca_once_value(builder, constant(0.0))
        numbers = builder.mul(arguments[2], _I64(PANEL))
        with cgutils.for_range_slice(builder, _I64(0), numbers, _I64(LANES), _I64) as (place, _):
            logit = _load(builder, logits_.at(place), vector)
            weight = _load(builder, weights_.at(place), vector)
            size = larger(weight, builder.fneg(weight))
            data = larger(weight, constant(0.0))
            negative = builder.fneg(larger(logit, builder.fneg(logit)))
            # e = exp(−|logit|) = 2^n · exp(rest), n the nearest whole number; not so small that steps get denormal
            clamped = larger(negative, constant(-50.0))
            scaled = _multiply_add(builder, clamped, constant(1.44269504), constant(-0.5))
            n = builder.fptosi(scaled, integers)
            rest = _multiply_add(builder, builder.sitofp(n, vector), constant(-0.693147181), clamped)
            bits = builder.shl(
                builder.add(n, ir.Constant(integers, [127] * LANES)), ir.Constant(integers, [23] * LANES)
            )
            e = builder.fmul(polynomial(_EXP, rest), builder.bitcast(bits, vector))
            share = builder.fdiv(constant(1.0), builder.fadd(constant(1.0), e))
            positive = builder.fcmp_ordered(">=", logit, constant(0.0))
            sigma = builder.select(positive, share, builder.fmul(e, share))
            softplus = _multiply_add(builder, e, polynomial(_LOG1P, e), larger(logit, constant(0.0)))
            term = builder.fsub(builder.fmul(size, softplus), builder.fmul(data, logit))
            builder.store(builder.fadd(builder.load(loss), term), loss)
            step = builder.fmul(rate_, builder.fsub(data, builder.fmul(size, sigma)))
            _store(builder, step, logits_.at(place))
        return builder.fpext(_sum(builder, builder.load(loss), LANES), ir.DoubleType())

    return types.float64(logits, weights, types.int64, types.float64), generate


def _sum(builder, vector, lanes):
    while lanes > 1:
        lanes //= 2
        low = _shuffle(builder, vector, vector, list(range(lanes)))
        high = _shuffle(builder, vector, vector, list(range(lanes, 2 * lanes)))
        vector = builder.fadd(low, high)
    return builder.extract_element(vector, _I32(0))


@intrinsic
def _add_to_bias(typing, bias, rows, count, steps):
    def generate(context, builder, signature, arguments):
        bias_, rows_, steps_ = (_Array(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 3))
        with cgutils.for_range_slice(builder, _I64(0), arguments[2], _I64(1), _I64) as (row, _):
            total = _sum(builder, _load(builder, steps_.at(builder.mul(row, _I64(PANEL))), steps_.vector(PANEL)), PANEL)
            place = bias_.at(builder.sext(rows_.load(row), _I64))
            builder.store(builder.fadd(builder.load(place), total), place)
        return context.get_dummy_value()

    return types.none(bias, rows, types.int64, steps), generate


_logits_tile_8 = _logits_tile(ROW_TILE)
_logits_tile_4 = _logits_tile(ROW_TILE // 2)
_centres_tile_2 = _centres_tile(2)
_centres_tile_1 = _centres_tile(1)
_rows_tile_2 = _rows_tile(2)
_rows_tile_1 = _rows_tile(1)
