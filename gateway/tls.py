"""TLS of the gateway's port. Certificates are read again whenever their files have changed, for the connections from then on."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dispatch.errors import ConfigurationError

log = logging.getLogger(__name__)

Version = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Paths of PEM files. With `client_ca` nobody connects without a certificate that it, or one of several in it, has signed.

    Raises:
        ConfigurationError: on construction, when some are missing.
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            raise ConfigurationError("--tls-certificate and --tls-key go together")
        if self.client_ca and not self.certificate:
            raise ConfigurationError("--client-ca needs TLS: say --tls-certificate and --tls-key")

    @property
    def on(self) -> bool:
        return self.certificate is not None


def add_tls_flags(parser: ArgumentParser, fallback: Callable[[str, str], str]) -> None:
    """Declare the flags; `fallback` gives the environment's value of a name, or what is given."""
    group = parser.add_argument_group("TLS", "PEM files, read again when they change")
    add = group.add_argument
    certificate, key, client_ca = (fallback(name, "") for name in ("TLS_CERTIFICATE", "TLS_KEY", "CLIENT_CA"))
    add("--tls-certificate", metavar="FILE", default=certificate, help="the certificate, and those that sign it")
    add("--tls-key", metavar="FILE", default=key, help="its key, without a password")
    add("--client-ca", metavar="FILE", default=client_ca, help="callers must have a certificate signed by it")


def read_tls(given: Namespace) -> TlsOptions:
    """Read what was given."""
    paths = (Path(text) if text else None for text in (given.tls_certificate, given.tls_key, given.client_ca))
    certificate, key, client_ca = paths
    return TlsOptions(certificate=certificate, key=key, client_ca=client_ca)


def server_credentials(options: TlsOptions) -> grpc.ServerCredentials:
    """Make the credentials of a port, which follow the files.

    Raises:
        ConfigurationError: the files cannot be read, or do not belong together.
    """
    files = _Files(options)
    return grpc.dynamic_ssl_server_credentials(
        files.read(),
        files.changed,  # type: ignore[arg-type]  # None means that nothing has changed
        require_client_authentication=options.client_ca is not None,
    )


class _Files:
    def __init__(self, options: TlsOptions) -> None:
        assert options.certificate is not None
        assert options.key is not None
        self._certificate, self._key, self._client_ca = options.certificate, options.key, options.client_ca
        self._version = self._stat()

    def read(self) -> grpc.ServerCertificateConfiguration:
        try:
            chain, key = self._certificate.read_bytes(), self._key.read_bytes()
            client_ca = self._client_ca.read_bytes() if self._client_ca else None
            _check(chain, key, client_ca)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError(f"the files of TLS cannot be used: {error}") from error
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=client_ca)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Give what the files hold if that is news: gRPC asks at every new connection.

        What cannot be used changes nothing: somebody may be about to replace the second of two files.
        """
        version = self._stat()
        if version == self._version:
            return None
        try:
            read = self.read()
        except ConfigurationError as error:
            log.error("the certificates stay as they were: %s", error)
            return None
        self._version = version
        log.info("the certificates have been read again")
        return read

    def _stat(self) -> Version:
        return tuple(map(_stat, filter(None, (self._certificate, self._key, self._client_ca))))


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def _check(chain: bytes, key: bytes, client_ca: bytes | None) -> None:
    certificate = x509.load_pem_x509_certificates(chain)[0]
    if certificate.public_key() != load_pem_private_key(key, password=None).public_key():
        raise ValueError("the key is not that of the certificate")
    if client_ca is not None:
        x509.load_pem_x509_certificates(client_ca)
