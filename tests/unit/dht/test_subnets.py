import pytest

from dht.subnets import subnet_of


@pytest.mark.parametrize(
    ("ip", "subnet"),
    [
        ("8.8.8.8", "8.8.8.0/24"),
        ("8.8.8.200", "8.8.8.0/24"),
        ("8.8.9.8", "8.8.9.0/24"),
        ("2600:1:2:3::4", "2600:1:2::/48"),
        ("2600:1:2:ffff::4", "2600:1:2::/48"),
    ],
)
def test_a_public_address_is_of_its_customer_s_network(ip: str, subnet: str) -> None:
    assert subnet_of(ip) == subnet


@pytest.mark.parametrize("ip", ["10.0.0.1", "192.168.1.1", "127.0.0.1", "::1", "fd00::1", "fe80::1", "169.254.1.1"])
def test_a_private_address_is_of_none(ip: str) -> None:
    assert subnet_of(ip) is None
