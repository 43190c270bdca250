from media.interfaces import host_candidates


def test_a_bound_address_is_its_own_candidate() -> None:
    assert host_candidates(("127.0.0.1", 7400), ()) == (("127.0.0.1", 7400),)


def test_advertised_addresses_replace_all_others() -> None:
    assert host_candidates(("0.0.0.0", 7400), [("192.0.2.1", 99)]) == (("192.0.2.1", 99),)


def test_a_wildcard_stands_for_every_interface_with_loopback_last() -> None:
    candidates = host_candidates(("0.0.0.0", 7400), ())
    assert candidates[-1] == ("127.0.0.1", 7400)
    assert ("0.0.0.0", 7400) not in candidates
    assert not any(":" in host for host, _ in candidates)


def test_a_dual_stack_wildcard_ends_with_the_loopback_of_both_families() -> None:
    assert host_candidates(("::", 7400), ())[-2:] == (("127.0.0.1", 7400), ("::1", 7400))
    assert len(host_candidates(("::", 7400), ())) <= 8
