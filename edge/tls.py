"""The edge's TLS, on both sides: which files, and what Envoy is told of them.

Envoy reads certificates from a folder of ours (its secret discovery service, from files), which `Secrets` keeps like the files
that were named. So they can be replaced in whatever way, one after the other: what does not belong together is never passed on.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.address import Address
from edge.errors import ConfigurationError

log = logging.getLogger(__name__)

LOOK_S = 1.0
TRANSPORT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
PARAMETERS = {"tls_minimum_protocol_version": "TLSv1_2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side's PEM files: what is shown, and the CA of those that the others must show.

    Raises:
        ConfigurationError: on construction, when half of a pair is missing.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            raise ConfigurationError("a certificate and its key go together")

    def read(self) -> Mapping[str, bytes]:
        """Read what there is.

        Raises:
            ConfigurationError: some cannot be read, or a key is not that of its certificate.
        """
        paths = {"certificate": self.certificate, "key": self.key, "ca": self.ca}
        try:
            if self.certificate and self.key:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
            if self.ca:
                ssl.create_default_context(cafile=self.ca)
            return {name: path.read_bytes() for name, path in paths.items() if path}
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            named = ", ".join(str(path) for path in paths.values() if path)
            raise ConfigurationError(f"the files of TLS cannot be used ({named}): {error}") from error


class Secrets:
    """Copies of the files of the sides, in a folder that Envoy follows. Only this user may look into it."""

    def __init__(self, folder: Path, sides: Mapping[str, Side], names: Mapping[str, Iterable[Address]]) -> None:
        """Write them.

        Args:
            folder: where; it is there already.
            sides: by their names.
            names: of a side, the hosts that the others' certificates may be of; without, any that the CA has signed will do.

        Raises:
            ConfigurationError: as `Side.read`.
        """
        self._folder = folder
        self._sides = sides
        self._names = names
        self._read = {name: side.read() for name, side in sides.items()}
        for name, read in self._read.items():
            self._write(name, read)

    async def follow(self) -> None:
        """Keep the copies like the files, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take what has changed. What cannot be used changes nothing: the second of two files may be about to be replaced."""
        for name, side in self._sides.items():
            try:
                read = side.read()
            except ConfigurationError as error:
                log.error("the certificates stay as they were: %s", error)
                continue
            if read != self._read[name]:
                self._read[name] = read
                self._write(name, read)
                log.info("the certificates (%s) have been read again", name)

    def _write(self, side: str, read: Mapping[str, bytes]) -> None:
        inline = {name: {"inline_bytes": base64.b64encode(body).decode()} for name, body in read.items()}
        for name, secret in _secrets(side, inline, self._names.get(side, ())).items():
            told = {"resources": [{"@type": f"{TRANSPORT}.Secret", "name": name, **secret}]}
            new = self._folder / f"{name}.new"
            new.touch(mode=0o600)
            new.write_text(json.dumps(told), encoding="utf-8")
            new.rename(self._folder / f"{name}.yaml")  # Envoy looks when a file is moved there


def _secrets(side: str, sources: Mapping[str, Any], names: Iterable[Address]) -> dict[str, Any]:
    """Give Envoy's secrets of a side: "<side>-pair" and "<side>-ca", as far as there are sources for them."""
    secrets: dict[str, Any] = {}
    if "certificate" in sources:
        secrets[f"{side}-pair"] = {
            "tls_certificate": {"certificate_chain": sources["certificate"], "private_key": sources["key"]}
        }
    if "ca" in sources:
        context: dict[str, Any] = {"trusted_ca": sources["ca"]}
        if names:
            context["match_typed_subject_alt_names"] = [
                {"san_type": "DNS" if address.name else "IP_ADDRESS", "matcher": {"exact": address.host}} for address in names
            ]
        secrets[f"{side}-ca"] = {"validation_context": context}
    return secrets


def common_context(name: str, side: Side, folder: Path | None, names: Iterable[Address] = ()) -> dict[str, Any]:
    """Give Envoy's CommonTlsContext of a side.

    With the `folder` of its `Secrets` it follows them; without, for an Envoy elsewhere, it names the files themselves.
    """
    context: dict[str, Any] = {"tls_params": PARAMETERS, "alpn_protocols": ["h2", "http/1.1"] if name == "callers" else ["h2"]}
    paths = {"certificate": side.certificate, "key": side.key, "ca": side.ca}
    sources = {source: {"filename": str(path)} for source, path in paths.items() if path}
    for secret, told in _secrets(name, sources, names).items():
        if folder is None:
            pair = told.get("tls_certificate")
            context |= {"tls_certificates": [pair]} if pair else told
        else:
            kind = "tls_certificate_sds_secret_configs" if "tls_certificate" in told else "validation_context_sds_secret_config"
            config = {"name": secret, "sds_config": {"path_config_source": {"path": str(folder / f"{secret}.yaml")}}}
            context[kind] = [config] if "tls_certificate" in told else config
    return context


def downstream(side: Side, folder: Path | None) -> dict[str, Any] | None:
    """Give the transport socket of the edge's own port; None: it speaks plain text."""
    if side.certificate is None:
        return None
    context = {"common_tls_context": common_context("callers", side, folder), "require_client_certificate": side.ca is not None}
    return {"name": "tls", "typed_config": {"@type": f"{TRANSPORT}.DownstreamTlsContext", **context}}


def upstream(side: Side, folder: Path | None, gateways: Iterable[Address]) -> dict[str, Any] | None:
    """Give the transport socket of the connections to the gateways; None: they speak plain text."""
    if side.ca is None:
        return None
    gateways = tuple(dict.fromkeys(gateways))
    context: dict[str, Any] = {"common_tls_context": common_context("gateways", side, folder, gateways)}
    if name := next((address.host for address in gateways if address.name), None):
        context["sni"] = name
    return {"name": "tls", "typed_config": {"@type": f"{TRANSPORT}.UpstreamTlsContext", **context}}
