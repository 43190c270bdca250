"""The configuration file: TOML whose keys are the options of `swarmd run`, checked key by key.

Options given on the command line win over `SWARMD_*` environment variables, those over the file, the file over the
defaults of `Config`.
"""

import tomllib
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

from foundation.errors import ConfigError
from swarm.config import Config

_type_names = {str: "a string", int: "an integer", bool: "true or false", list: "a list of strings"}


def read_settings(path: str) -> dict[str, Any]:
    """The settings in a file, keys with underscores, arrays as lists.

    Raises `ConfigError` with the file, and the key where it is one, for whatever is not as it should be.
    """
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as exc:
        raise ConfigError(f"--config {path} cannot be read: {exc.strerror or exc}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not TOML: {exc}") from exc
    known = setting_types()
    settings: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            raise ConfigError(f"{path}: unknown key {key!r}; known are {', '.join(sorted(known))}")
        if name in settings:
            raise ConfigError(f"{path}: {key!r} is there twice")
        if not _fits(value, known[name]):
            raise ConfigError(f"{path}: {key!r} must be {_type_names[known[name]]}")
        settings[name] = value
    return settings


def setting_types() -> dict[str, type]:
    """Each key and its TOML type: the fields of `Config`, and what `run` keeps to itself."""
    hints = get_type_hints(Config)
    return {name: _toml_type(hint) for name, hint in hints.items() if name in Config.__dataclass_fields__} | {
        "log_level": str,
        "workers": int,
    }


def _toml_type(hint: Any) -> type:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not types.NoneType)
    if get_origin(hint) is tuple:
        return list
    assert hint in _type_names, f"a field of Config has a type the file cannot hold: {hint}"
    return hint if isinstance(hint, type) else str


def _fits(value: Any, wanted: type) -> bool:
    if wanted is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return type(value) is wanted
