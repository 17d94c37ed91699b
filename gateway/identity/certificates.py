"""From the certificate of a connection to whose it is. gRPC has verified it against the CA before anything comes here."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.errors import Unauthenticated
from gateway.identity.caller import Context
from gateway.identity.grant import Grant
from gateway.identity.name import is_name
from gateway.identity.principal import Principal

FORWARDED = "x-forwarded-client-cert"
_CERT = re.compile(r'(?:^|;)Cert="([^"]*)"(?:;|$)')
CACHED = 1024


@dataclass(frozen=True, slots=True)
class Certificate:
    """What counts of a certificate: its common name, or else the first of its alternative names, and its last moment."""

    name: str
    until: datetime

    def check(self) -> None:
        """Raise Unauthenticated when its time is up; a connection may outlive it."""
        if datetime.now(UTC) >= self.until:
            raise Unauthenticated("CERTIFICATE_EXPIRED", "the client certificate has expired")


class Certificates:
    """Names callers by their certificates.

    One whose certificate has a name of `proxies` is nobody by itself: it passes on, as Envoy does, the certificate of whoever
    has called it. From anybody else such a header means nothing.
    """

    def __init__(self, *, admins: Collection[str], proxies: Collection[str]) -> None:
        self._admins = frozenset(admins)
        self._proxies = frozenset(proxies)
        self._read = lru_cache(CACHED)(read_certificate)

    def grant(self, context: Context) -> Grant:
        """Give what the certificate of a call's connection is good for.

        Raises:
            Unauthenticated: nothing, or no more.
        """
        certificate = self._read(_presented(context))
        certificate.check()
        if certificate.name in self._proxies:
            certificate = self._read(_forwarded(context))
            certificate.check()
            if certificate.name in self._proxies:
                raise Unauthenticated("CERTIFICATE_INVALID", "a proxy is nobody by itself")
        return Grant(Principal(certificate.name, admin=certificate.name in self._admins), certificate.check)


def _presented(context: Context) -> bytes:
    found = context.auth_context().get("x509_pem_cert", ())
    for pem in found:
        return pem if isinstance(pem, bytes) else str(pem).encode()
    raise Unauthenticated("CERTIFICATE_MISSING", "a client certificate is needed")


def _forwarded(context: Context) -> bytes:
    values = [value for key, value in context.invocation_metadata() or () if key == FORWARDED]
    match = _CERT.search(str(values[0])) if len(values) == 1 else None
    if match is None or "," in _CERT.sub("", str(values[0])):
        raise Unauthenticated("CERTIFICATE_MISSING", "a client certificate is needed")
    return unquote_to_bytes(match[1])


def read_certificate(pem: bytes) -> Certificate:
    """Read a certificate.

    Raises:
        Unauthenticated: it cannot be read, or names nobody.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        name = _name(certificate)
    except ValueError as error:
        raise Unauthenticated("CERTIFICATE_INVALID", "the client certificate cannot be read") from error
    if not is_name(name):
        raise Unauthenticated("CERTIFICATE_INVALID", "the client certificate names nobody")
    return Certificate(name, certificate.not_valid_after_utc)


def _name(certificate: x509.Certificate) -> str:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        if attribute.value:
            return str(attribute.value)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    kinds = (x509.UniformResourceIdentifier, x509.DNSName, x509.RFC822Name)
    return next((str(name.value) for name in names if isinstance(name, kinds)), "")
