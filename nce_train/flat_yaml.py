"""Settings files: YAML that is one mapping of names to values, read strictly.

PyYAML's safe loader takes a name that stands twice for its last value, follows aliases, which can multiply a few bytes
to gigabytes, and lets other exceptions pass than its own. Here all of this is refused with the line.
"""

from typing import Any

import yaml

from nce_train.errors import InputError

# PyYAML takes a hundred times the file's size; ours are 2 KB long.
MOST_BYTES = 1 << 16


def parse_flat_yaml(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a mapping of names to values.

    Parameters
    ----------
    content : bytes
        The whole file, UTF-8.
    name : str
        What to call the file in messages.

    Returns
    -------
    values, lines : dict
        The value of each name and the line (from 1) where it stands; both empty for a file without settings.

    Raises
    ------
    InputError
        Naming file and line, when it is too large, no YAML, no mapping, has a name twice or an alias.
    """
    if len(content) > MOST_BYTES:
        # who reads a file does not read further than one byte too many
        length = f"more than {MOST_BYTES}" if len(content) == MOST_BYTES + 1 else str(len(content))
        raise InputError(f"The settings file {name} has {length} bytes; settings are at most {MOST_BYTES}.")
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
        line_told = f" (line {mark.line + 1})" if mark is not None else ""
        raise InputError(f"The settings file {name} is not valid YAML{line_told}.") from None
    # what PyYAML's constructors let pass for values such as `!!bool x` or 2001-99-99, and very deep nesting
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"The settings file {name} is not valid YAML ({type(error).__name__}).") from None
    return values, lines


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias", self.peek_event().start_mark)
        return super().compose_node(parent, index)
