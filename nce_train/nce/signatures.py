"""One signature for several public functions, written once.

In: a function with its parameters spelled out. Out: a decorator that gives another function the same parameters.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def same_arguments_as(model: Callable[P, R], **defaults: Any) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Decorate a function of ``**arguments`` to be called exactly like `model`.

    The decorated function receives every argument of the call by name, the missing ones with their defaults.
    `inspect.signature`, `help` and type checkers show the parameters of `model`.

    Parameters
    ----------
    model : function
        Its parameters and its return type are taken over.
    **defaults
        Defaults that differ from those of `model`, by parameter name. Type checkers show the model's default.
    """
    signature = inspect.signature(model)
    signature = signature.replace(
        parameters=[
            parameter.replace(default=defaults.get(name, parameter.default))
            for name, parameter in signature.parameters.items()
        ]
    )

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            bound.apply_defaults()
            return function(**bound.arguments)

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate
