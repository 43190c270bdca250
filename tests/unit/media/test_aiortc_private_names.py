"""What `media.dtls` and `media.srtp` use of aiortc and pylibsrtp without those having promised it.

When one of these fails after an upgrade, read the new code of that name before the test is changed.
"""

import ast
import asyncio
import inspect
from pathlib import Path

import pylibsrtp
import pytest
from aiortc import RTCCertificate, RTCDataChannel, RTCDataChannelParameters
from aiortc import rtcdtlstransport as aiortc_dtls
from aiortc import rtcsctptransport as aiortc_sctp
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import RTCSctpTransport
from pylibsrtp import _binding

MEDIA = Path(__file__).parents[3] / "media"


class Wire:
    role = "controlled"

    async def _recv(self) -> bytes:
        raise ConnectionError

    async def _send(self, data: bytes) -> None: ...


def arguments(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


@pytest.fixture
async def transport():
    return RTCDtlsTransport(Wire(), [RTCCertificate.generateCertificate()])


@pytest.fixture
async def sctp(transport):
    return RTCSctpTransport(transport, 5000)


def test_the_certificate_makes_its_context_from_the_profiles_alone():
    assert arguments(RTCCertificate._create_ssl_context) == ["self", "srtp_profiles"]
    assert "_create_ssl_context" in inspect.getsource(RTCDtlsTransport.start)


def test_a_protection_profile_has_four_fields_in_this_order():
    assert arguments(aiortc_dtls.SRTPProtectionProfile) == [
        "libsrtp_profile",
        "openssl_profile",
        "key_length",
        "salt_length",
    ]


def test_the_digest_of_a_certificate_takes_the_name_of_its_algorithm():
    assert arguments(aiortc_dtls.certificate_digest) == ["certificate", "algorithm"]


def test_a_dtls_transport_has_the_states_we_know():
    assert [state.name for state in aiortc_dtls.State] == ["NEW", "CONNECTING", "CONNECTED", "CLOSED", "FAILED"]


@pytest.mark.parametrize("name", ["_role", "_srtp_profiles", "_ssl", "_state", "_task", "_transport"])
async def test_a_dtls_transport_has_the_attribute(transport, name):
    assert hasattr(transport, name)


@pytest.mark.parametrize(
    ("name", "expected", "asynchronous"),
    [
        ("_recv_next", ["self"], True),
        ("_validate_peer_identity", ["self", "remoteParameters"], False),
        ("_setup_srtp", ["self"], False),
        ("_set_role", ["self", "role"], False),
        ("_set_state", ["self", "state"], False),
        ("_send_data", ["self", "data"], True),
    ],
)
def test_a_dtls_transport_has_the_method(name, expected, asynchronous):
    method = getattr(RTCDtlsTransport, name)
    assert arguments(method) == expected
    assert asyncio.iscoroutinefunction(method) is asynchronous


def test_the_handshake_calls_what_is_overridden():
    source = inspect.getsource(RTCDtlsTransport.start)
    for name in ("self._validate_peer_identity(", "self._setup_srtp()", "self._task = "):
        assert name in source
    assert "self._recv_next()" in inspect.getsource(RTCDtlsTransport._do_handshake)


def test_the_wire_is_read_and_written_by_these_two_methods():
    source = inspect.getsource(RTCDtlsTransport)
    assert "self.transport._recv()" in source
    assert "self.transport._send(data)" in source


@pytest.mark.parametrize(
    "name", ["_association_state", "_advertised_rwnd", "_rto", "_sack_misordered", "_inbound_streams", "State"]
)
async def test_an_sctp_transport_has_the_attribute(sctp, name):
    assert hasattr(sctp, name)


@pytest.mark.parametrize(
    ("name", "expected", "asynchronous"),
    [
        ("_handle_data", ["self", "data"], True),
        ("_receive_chunk", ["self", "chunk"], True),
        ("_receive", ["self", "stream_id", "pp_id", "data"], True),
        ("_send_chunk", ["self", "chunk"], True),
        ("_set_state", ["self", "state"], False),
    ],
)
def test_an_sctp_transport_has_the_method(name, expected, asynchronous):
    method = getattr(RTCSctpTransport, name)
    assert arguments(method) == expected
    assert asyncio.iscoroutinefunction(method) is asynchronous


def test_sctp_calls_what_is_overridden():
    source = inspect.getsource(RTCSctpTransport)
    for name in ("self._receive_chunk(chunk)", "self._receive(*message)", "self._send_chunk(", "_handle_data("):
        assert name in source


def test_the_chunks_have_the_fields_that_are_checked():
    chunk = aiortc_sctp.DataChunk()
    assert (chunk.stream_id, chunk.user_data) == (0, b"")
    assert aiortc_sctp.SackChunk().gaps == []
    assert aiortc_sctp.InboundStream().reassembly == []
    assert aiortc_sctp.ForwardTsnChunk
    assert aiortc_sctp.InitChunk
    assert aiortc_sctp.RTCSctpTransport.State.ESTABLISHED
    assert (aiortc_sctp.WEBRTC_BINARY, aiortc_sctp.WEBRTC_BINARY_EMPTY) == (53, 57)
    assert aiortc_sctp.SCTP_RTO_MIN == 1


async def test_a_closed_association_closes_its_channels_without_waiting(sctp):
    channel = RTCDataChannel(sctp, RTCDataChannelParameters(negotiated=True, id=0))
    sctp._set_state(sctp.State.CLOSED)
    assert channel.readyState == "closed"


def test_a_libsrtp_session_shows_its_handle():
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)
    assert _binding.ffi.typeof(pylibsrtp.Session(policy)._srtp[0]) is _binding.ffi.typeof("srtp_t")


@pytest.mark.parametrize("name", ["srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp"])
def test_libsrtp_works_in_place_on_a_buffer_and_its_length(name):
    signature = _binding.ffi.typeof(getattr(_binding.lib, name))
    assert [argument.cname for argument in signature.args] == ["struct srtp_ctx_t_ *", "void *", "int *"]


def test_no_other_module_imports_what_aiortc_keeps_to_itself():
    for path in sorted(MEDIA.glob("*.py")):
        if path.name == "dtls.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiortc"):
                assert not any(alias.name.startswith("_") for alias in node.names), path.name
                assert node.module not in ("aiortc.rtcdtlstransport", "aiortc.rtcsctptransport"), path.name
