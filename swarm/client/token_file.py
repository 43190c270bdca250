"""An access token in a file, so that it stands in no command line."""

from pathlib import Path

from foundation import limits
from foundation.errors import ConfigError


def read_token(path: str) -> str:
    """The one line of a file. Raises `ConfigError`."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(limits.token_chars_max + 2).decode("ascii").strip()
    except OSError as exc:
        raise ConfigError(f"--token-file {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > limits.token_chars_max or len(text.split()) != 1:
        raise ConfigError(f"--token-file {path} is not one access token: 'swarmd token' makes one")
    return text
