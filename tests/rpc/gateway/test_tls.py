"""TLS: what is encrypted, who may connect, whom a certificate names, and that certificates change while the gateway runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from cryptography import x509

from dispatch.errors import ConfigurationError
from gateway.identity.options import IdentityOptions
from gateway.tls import TlsOptions
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.job_pb2 import Input
from tests.certificates import Authority, Pair

LIMIT_S = 20


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path / "certificates")


@pytest.fixture
def server(authority) -> Pair:
    return authority.issue("gateway")


@pytest.fixture
def tls(server) -> TlsOptions:
    return TlsOptions(certificate=server.certificate, key=server.key)


@pytest.fixture
def mutual(tls, authority) -> TlsOptions:
    return TlsOptions(certificate=tls.certificate, key=tls.key, client_ca=authority.ca)


@pytest.fixture
def trusting(authority) -> Callable[..., grpc.ChannelCredentials]:
    """Make the credentials of a client that trusts the test's CA."""

    def make(pair: Pair | None = None, ca: Authority = authority) -> grpc.ChannelCredentials:
        own = (pair.key.read_bytes(), pair.certificate.read_bytes()) if pair else (None, None)
        return grpc.ssl_channel_credentials(ca.ca.read_bytes(), *own)

    return make


async def ask(target: str, credentials: grpc.ChannelCredentials | None, *metadata: tuple[str, str]) -> str:
    """Submit over a connection of its own; give whose the job is."""
    make = grpc.aio.insecure_channel if credentials is None else lambda to: grpc.aio.secure_channel(to, credentials)
    async with make(target) as channel:
        request = pb.SubmitRequest(inputs=[Input(content=b"picture")])
        return (await DetectionServiceStub(channel).Submit(request, metadata=metadata, timeout=LIMIT_S)).job.principal


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


def serial_at(target: str) -> int:
    host, _, port = target.rpartition(":")
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host, int(port))).encode()).serial_number


def serial_of(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number


async def test_only_who_trusts_the_ca_and_speaks_tls_gets_through(start, tls, trusting, tmp_path):
    async with start(tls=tls, credentials=trusting()) as front:
        assert await ask(front.target, trusting()) == ""
        assert await code_of(ask(front.target, None)) is grpc.StatusCode.UNAVAILABLE
        assert await code_of(ask(front.target, trusting(ca=Authority(tmp_path / "other")))) is grpc.StatusCode.UNAVAILABLE


async def test_old_versions_of_tls_are_refused(start, tls, trusting):
    async with start(tls=tls, credentials=trusting()) as front:
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        host, _, port = front.target.rpartition(":")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(host, int(port), ssl=old)


async def test_a_certificate_names_its_caller(start, mutual, authority, trusting, tmp_path):
    identity = IdentityOptions(certificates=True, admins=("root",))
    ann, root, nameless = (authority.issue(name, alternative="host.test") for name in ("ann", "root", ""))
    stranger = Authority(tmp_path / "other").issue("ann")
    async with start(tls=mutual, identity=identity, credentials=trusting(ann)) as front:
        assert await ask(front.target, trusting(ann)) == "ann"
        assert await ask(front.target, trusting(nameless)) == "localhost", "without a common name the first alternative name is"
        assert await code_of(ask(front.target, trusting())) is grpc.StatusCode.UNAVAILABLE
        assert await code_of(ask(front.target, trusting(stranger))) is grpc.StatusCode.UNAVAILABLE
        async with grpc.aio.secure_channel(front.target, trusting(root)) as channel:
            listed = await DetectionServiceStub(channel).List(pb.ListRequest())
            assert {job.principal for job in listed.jobs} == {"ann", "localhost"}


async def test_a_proxy_passes_on_certificates_and_is_nobody_by_itself(start, mutual, authority, trusting):
    identity = IdentityOptions(certificates=True, proxies=("edge",))
    edge, ann, bob = (authority.issue(name) for name in ("edge", "ann", "bob"))

    def forwarded(*pairs: Pair) -> tuple[str, str]:
        certificates = (quote(pair.certificate.read_text(), safe="") for pair in pairs)
        return "x-forwarded-client-cert", ",".join(f'Hash=ab;Cert="{each}"' for each in certificates)

    async with start(tls=mutual, identity=identity, credentials=trusting(edge)) as front:
        assert await ask(front.target, trusting(edge), forwarded(ann)) == "ann"
        assert await ask(front.target, trusting(bob), forwarded(ann)) == "bob", "what he says of others means nothing"
        for metadata in ([], [forwarded(edge)], [forwarded(ann, bob)], [forwarded(ann)] * 2, [("x-forwarded-client-cert", "x")]):
            assert await code_of(ask(front.target, trusting(edge), *metadata)) is grpc.StatusCode.UNAUTHENTICATED


async def test_certificates_change_without_a_restart(start, tls, authority, trusting):
    async with start(tls=tls, credentials=trusting()) as front:
        before = await asyncio.to_thread(serial_at, front.target)
        renewed = authority.issue("gateway")
        assert await asyncio.to_thread(serial_at, front.target) == serial_of(renewed) != before
        await front.stub.List(pb.ListRequest()), "a connection goes on with the certificate that it began with"


async def test_certificates_that_do_not_belong_together_change_nothing(start, tls, authority, trusting, server, caplog):
    other = authority.issue("other")
    async with start(tls=tls, credentials=trusting()) as front:
        before, key = serial_of(server), server.key.read_bytes()
        server.key.write_bytes(other.key.read_bytes())
        assert await asyncio.to_thread(serial_at, front.target) == before
        assert "the key is not that of the certificate" in caplog.text
        server.key.write_bytes(key)
        assert await asyncio.to_thread(serial_at, front.target) == before


async def test_a_stream_ends_with_its_certificate(start, mutual, authority, trusting, refused):
    identity = IdentityOptions(certificates=True)
    brief = authority.issue("brief", lasting=timedelta(seconds=4))
    async with (
        start(tls=mutual, identity=identity, credentials=trusting(authority.issue("ann"))) as front,
        grpc.aio.secure_channel(front.target, trusting(brief)) as channel,
        asyncio.timeout(LIMIT_S),
    ):

        async def watch() -> None:
            async for _ in DetectionServiceStub(channel).WatchMany(pb.WatchManyRequest(labels=["x"])):
                pass

        await refused(watch(), grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_EXPIRED")


@pytest.mark.parametrize("broken", ["missing", "garbage", "anothers"])
async def test_a_gateway_does_not_start_with_what_it_cannot_use(start, tls, authority, server, broken):
    if broken == "missing":
        server.key.unlink()
    else:
        server.key.write_bytes(b"garbage" if broken == "garbage" else authority.issue("other").key.read_bytes())
    with pytest.raises(ConfigurationError, match="TLS"):
        async with start(tls=tls):
            pass
