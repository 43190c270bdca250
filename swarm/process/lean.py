"""What a node that only forwards never uses, kept out of its process: codecs, and resolving mDNS names.

aiortc imports PyAV, and with it FFmpeg, for its encoders and decoders: 16 MB resident. aioice imports dnspython for
mDNS names in candidates, at which a node never looks: 3 MB. Both are replaced by modules of placeholders, so a process
that called `leave_out` could not decode a frame even by mistake. `swarmd run` does: it publishes and plays nothing
itself. A program that embeds a node does not.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

_left_out = ("av", "aioice.mdns")


def leave_out() -> None:
    """From now on the packages are importable in this process, and unusable. Call it before aiortc is imported."""
    assert "aiortc" not in sys.modules, "aiortc has its codecs already"
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not any(fullname == name or fullname.startswith(name + ".") for name in _left_out):
            return None
        return ModuleSpec(fullname, _Loader(), is_package=True)


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholders(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        return


class _Placeholders(ModuleType):
    """Any name of it is a class that cannot be used; it can stand in annotations and behind `except`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        placeholder = type(name, (_Placeholder,), {"__module__": self.__name__})
        setattr(self, name, placeholder)
        return placeholder


class _Placeholder(Exception):
    def __init__(self, *arguments: object) -> None:
        _refuse(type(self))


def _refuse(kind: type) -> NoReturn:
    raise AssertionError(f"{kind.__module__}.{kind.__name__} is used in a process that left it out")
