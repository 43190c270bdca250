"""TLS for the HTTP server: a certificate and a key in PEM files, read again when they change (as certbot does)."""

import logging
import ssl
from pathlib import Path

from foundation.errors import ConfigError

logger = logging.getLogger(__name__)


class ServerTls:
    """`context` stays the same; connections made after a change get the new certificate."""

    def __init__(self, certificate: str, key: str) -> None:
        """Raises `ConfigError` when the files cannot be used."""
        self._paths = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._stamp = self._load(self.context)

    def reload_if_changed(self) -> bool:
        """Whether there was a new certificate. One that is half written or does not fit its key is left for the next
        look: the old one stays in use.
        """
        try:
            if self._stamp == _stamp(self._paths):
                return False
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # A failed load would leave the context in pieces.
            self._stamp = self._load(self.context)
        except (ConfigError, OSError) as exc:
            logger.warning("the new TLS certificate is not used: %s", exc)
            return False
        logger.info("the TLS certificate was read anew")
        return True

    def _load(self, context: ssl.SSLContext) -> tuple[tuple[int, int], ...]:
        certificate, key = self._paths
        try:
            stamp = _stamp(self._paths)
            context.load_cert_chain(certificate, key, password=_no_password)
        except OSError as exc:  # ssl.SSLError is one
            why = exc.strerror or exc.reason if isinstance(exc, ssl.SSLError) else exc.strerror
            raise ConfigError(f"--tls-cert {certificate}, --tls-key {key}: {why or exc}") from exc
        except ValueError:
            raise ConfigError(f"--tls-key {key}: the key is encrypted; give one without a passphrase") from None
        return stamp


def _stamp(paths: tuple[str, str]) -> tuple[tuple[int, int], ...]:
    stats = [Path(path).stat() for path in paths]
    return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)


def _no_password() -> str:
    """OpenSSL would ask on the terminal."""
    raise ValueError
