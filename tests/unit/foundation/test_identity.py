from foundation.identity import NODE_ID_BYTES, NodeKey, node_id, signature_valid, swarm_id


def test_a_key_comes_back_from_its_seed() -> None:
    key = NodeKey.generate()
    assert NodeKey.from_seed(key.seed()).public == key.public


def test_a_signature_holds_for_its_key_tag_and_body_only() -> None:
    key, other = NodeKey.from_seed(b"a" * 32), NodeKey.from_seed(b"b" * 32)
    signature = key.sign(b"lease", b"body")
    assert signature_valid(key.public, b"lease", b"body", signature)
    assert not signature_valid(other.public, b"lease", b"body", signature)
    assert not signature_valid(key.public, b"node", b"body", signature)
    assert not signature_valid(key.public, b"lease", b"bodY", signature)
    assert not signature_valid(key.public, b"lease", b"body", signature[:-1])
    assert not signature_valid(key.public[:-1], b"lease", b"body", signature)


def test_tag_and_body_do_not_run_into_each_other() -> None:
    key = NodeKey.from_seed(b"a" * 32)
    assert not signature_valid(key.public, b"le", b"ase\0body", key.sign(b"lease", b"body"))


def test_a_node_id_depends_on_the_swarm_and_the_key() -> None:
    one, two = swarm_id("one"), swarm_id("two")
    ids = {node_id(swarm, key) for swarm in (one, two) for key in (b"a" * 32, b"b" * 32)}
    assert len(ids) == 4
    assert {len(each) for each in ids} == {NODE_ID_BYTES}


def test_a_swarm_key_makes_another_swarm_of_the_same_name() -> None:
    assert swarm_id("one") != swarm_id("one", b"k" * 32)
