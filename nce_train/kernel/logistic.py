"""From logits to the loss and the deltas, a vector at a time: LLVM does not vectorise the logistic by itself.

The NumPy twin is in `tests/kernel/test_kernel_tiles.py`; `_deltas_exact` is the form to read, which float64 tables use.
"""

import math

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from nce_train.kernel.inlining import inner
from nce_train.kernel.sizes import PANEL
from nce_train.kernel.vectors import I32, I64, LANES, load, multiply_add, outlined, splat, store, sum_of_lanes


def logits_to_deltas(logits, weights, count, rate):
    """Turn logits into deltas in place and return the loss, over the first `count` rows.

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


@overload(logits_to_deltas)
def _logits_to_deltas(logits, weights, count, rate):
    if logits.dtype == types.float32:
        return lambda logits, weights, count, rate: _deltas_float32(logits, weights, count, rate)
    return lambda logits, weights, count, rate: _deltas_exact(logits, weights, count, rate)


@inner
def _deltas_exact(logits, weights, count, rate):
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


# exp(x) for |x| <= log(2)/2 and log1p(x)/x for 0 <= x <= 1: minimax fits, relative errors 8e-8 and 1.3e-6. The second
# counts only in the loss that is shown.
_EXP = [0.00829765201, 0.0419153832, 0.166675746, 0.499988943, 0.999999702, 1.00000012]
_LOG1P = [0.0141408568, -0.0664013195, 0.149223364, -0.23503836, 0.331094441, -0.499869654, 0.999998732]
_TO_WHOLE = 1.5 * 2.0**23  # added to a float32, leaves its nearest whole number in the lowest bits


@intrinsic
def _deltas_float32(typing, logits, weights, count, rate):
    def deltas_float32(builder, logits, weights, count, rate):
        vector = logits.vector()
        integers = ir.VectorType(I32, LANES)
        rates = splat(builder, builder.fptrunc(rate, logits.item))

        def constant(number):
            return ir.Constant(vector, [number] * LANES)

        def bits_of(number):
            return ir.Constant(integers, [number] * LANES)

        def larger(left, right):
            # false for NaN on the left, which then comes through
            return builder.select(builder.fcmp_ordered("<", left, right), right, left)

        def polynomial(coefficients, x):
            total = constant(coefficients[0])
            for coefficient in coefficients[1:]:
                total = multiply_add(builder, total, x, constant(coefficient))
            return total

        loss = cgutils.alloca_once_value(builder, constant(0.0))
        numbers = builder.mul(count, I64(PANEL))
        with cgutils.for_range_slice(builder, I64(0), numbers, I64(LANES), I64) as (place, _):
            logit = load(builder, logits.at(place), vector)
            weight = load(builder, weights.at(place), vector)
            size = builder.bitcast(builder.and_(builder.bitcast(weight, integers), bits_of(0x7FFFFFFF)), vector)
            data = larger(weight, constant(0.0))
            # e = exp(−|logit|) = 2^n · exp(rest), n the nearest whole number; not so small that deltas get denormal
            negative = builder.bitcast(builder.or_(builder.bitcast(logit, integers), bits_of(-(2**31))), vector)
            clamped = larger(negative, constant(-50.0))
            shifted = multiply_add(builder, clamped, constant(1.44269504), constant(_TO_WHOLE))
            n = builder.fsub(shifted, constant(_TO_WHOLE))
            rest = multiply_add(builder, n, constant(-0.693147181), clamped)
            exponent = builder.shl(builder.bitcast(shifted, integers), bits_of(23))
            e = builder.add(builder.bitcast(polynomial(_EXP, rest), integers), exponent)
            e = builder.bitcast(e, vector)
            share = builder.fdiv(constant(1.0), builder.fadd(constant(1.0), e))
            positive = builder.fcmp_ordered(">=", logit, constant(0.0))
            sigma = builder.select(positive, share, builder.fmul(e, share))
            softplus = multiply_add(builder, e, polynomial(_LOG1P, e), larger(logit, constant(0.0)))
            term = multiply_add(builder, size, softplus, builder.fneg(builder.fmul(data, logit)))
            builder.store(builder.fadd(builder.load(loss), term), loss)
            step = builder.fmul(rates, multiply_add(builder, builder.fneg(size), sigma, data))
            store(builder, step, logits.at(place))
        return builder.fpext(sum_of_lanes(builder, builder.load(loss)), ir.DoubleType())

    return types.float64(logits, weights, types.int64, types.float64), outlined(deltas_float32)
