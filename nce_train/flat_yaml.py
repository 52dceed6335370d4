"""Settings files: YAML with one mapping of names to values, parsed strictly.

PyYAML's safe loader silently takes the last value of a repeated name, follows aliases, which can expand a few bytes to
gigabytes, and raises exceptions of many types. Here all of this raises `InputError` with the line.
"""

from typing import Any

import yaml

from nce_train.errors import InputError

# PyYAML needs a hundred times the file's size in memory; our settings files have about 2 KB.
MAX_BYTES = 1 << 16


def parse_flat_yaml(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a mapping of names to values.

    Parameters
    ----------
    content : bytes
        The whole file, UTF-8.
    name : str
        Name of the file in messages.

    Returns
    -------
    values, lines : dict
        The value and the line (from 1) of each name; both empty for a file without settings.

    Raises
    ------
    InputError
        When the content is too large, not YAML, or not a mapping, or has a repeated name or an alias. The message names
        file and line.
    """
    if len(content) > MAX_BYTES:
        # callers read at most one byte more than the limit
        length = f"more than {MAX_BYTES}" if len(content) == MAX_BYTES + 1 else str(len(content))
        raise InputError(f"The settings file {name} has {length} bytes; settings are at most {MAX_BYTES}.")
    try:
        loader = _Loader(content.decode("utf-8-sig"))
        root = loader.get_single_node()
        if root is None:
            return {}, {}
        if not isinstance(root, yaml.MappingNode):
            raise InputError(f"The settings file {name} holds no settings: write one `name: value` a line.")
        lines: dict[str, int] = {}
        for key, _ in root.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"The settings file {name} is wrong in line {line}: a name is one word.")
            if key.value in lines:
                raise InputError(
                    f"The settings file {name} sets {key.value!r} in line {lines[key.value]} and again in line {line}: "
                    "keep one."
                )
            lines[key.value] = line
        values = {key.value: loader.construct_object(value, deep=True) for key, value in root.value}
    except UnicodeDecodeError as error:
        raise InputError(f"The settings file {name} is not UTF-8 text (byte {error.start}).") from None
    except InputError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise InputError(f"The settings file {name} is not valid YAML{where}.") from None
    # exceptions of PyYAML's constructors for values such as `!!bool x` or 2001-99-99, and for very deep nesting
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"The settings file {name} is not valid YAML ({type(error).__name__}).") from None
    return values, lines


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias", self.peek_event().start_mark)
        return super().compose_node(parent, index)
