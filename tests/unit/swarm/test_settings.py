"""The configuration file is checked key by key."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import ConfigError
from swarm.config import Config
from swarm.settings import read_settings, setting_types


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "swarmd.toml"
    path.write_text(text)
    return str(path)


def test_each_field_of_the_configuration_is_a_key() -> None:
    assert set(setting_types()) == set(Config.__dataclass_fields__) | {"log_level", "workers"}


def test_values_are_read_by_type(tmp_path: Path) -> None:
    path = written(tmp_path, 'listen = "127.0.0.1:1"\njoin = ["a", "b:2"]\nmax_consumers = 5\nopen_swarm = true\n')
    assert read_settings(path) == {
        "listen": "127.0.0.1:1",
        "join": ["a", "b:2"],
        "max_consumers": 5,
        "open_swarm": True,
    }


def test_keys_may_be_spelled_as_the_options_are(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "max-consumers = 5\n")) == {"max_consumers": 5}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("lissten = 1", "lissten"),
        ("listen = 7400", "listen"),
        ("max_consumers = '5'", "max_consumers"),
        ("max_consumers = true", "max_consumers"),
        ("max_consumers = 1.5", "max_consumers"),
        ("open_swarm = 1", "open_swarm"),
        ("join = 'a:1'", "join"),
        ("join = [1]", "join"),
        ("[listen]", "listen"),
        ("max_consumers = 1\nmax-consumers = 2", "max-consumers"),
        ("listen =", "not TOML"),
        ("listen = 'a'\nlisten = 'b'", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, word: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    assert word in str(caught.value)
    assert path in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "swarmd.toml"
    path.write_bytes(b"listen = '\xff\xfe'")
    with pytest.raises(ConfigError, match="not TOML"):
        read_settings(str(path))


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(str(tmp_path / name))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=100))
def test_random_bytes_raise_nothing_but_config_errors(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.toml"
    path.write_bytes(data)
    try:
        read_settings(str(path))
    except ConfigError:
        return
