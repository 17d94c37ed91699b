"""Through the edge with TLS on both sides: who is let in, as whom, and by which name the edge may be called."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

import myeye
from gateway import tokens as tokens_command
from harness.mesh import Mesh
from tests.certificates import Authority, Pair

LIMIT_S = 60.0
OURS = ("localhost", "127.0.0.1", "[::1]", "LOCALHOST:1", "eye.example", "eye.example:8080", "a.localhost")
OTHERS = ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xeye.example", "eye.example.evil", "2130706433")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


def ask(
    target: str,
    path: str,
    *,
    context: ssl.SSLContext | None = None,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, dict[str, str]]:
    """Call over HTTP/1.1; give the status, what the body says, and the headers."""
    kind = http.client.HTTPSConnection(target, context=context, timeout=LIMIT_S) if context else None
    connection = kind or http.client.HTTPConnection(target, timeout=LIMIT_S)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        read = answer.read()
        told = json.loads(read) if answer.headers.get("content-type") == "application/json" else read
        return answer.status, told, dict(answer.headers)
    finally:
        connection.close()


def reason(told: Any) -> str:
    return str(told["details"][0]["reason"])


def trusting(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.ca)
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def tls_flags(pair: Pair, ca: Path | None = None) -> tuple[str, ...]:
    flags = ("--tls-certificate", str(pair.certificate), "--tls-key", str(pair.key))
    return (*flags, "--client-ca", str(ca)) if ca else flags


def behind_flags(authority: Authority, edge: Pair) -> tuple[str, ...]:
    shown = ("--gateway-certificate", str(edge.certificate), "--gateway-key", str(edge.key))
    return ("--gateway-ca", str(authority.ca), *shown)


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    file = folder / "tokens"
    with redirect_stdout(StringIO()) as told:
        assert tokens_command.main(["ann", "--file", str(file)]) == 0
    return told.getvalue().strip()


@pytest.fixture(scope="module")
def edge_pair(authority: Authority) -> Pair:
    return authority.issue("edge")


@pytest.fixture(scope="module")
def guarded(folder: Path, authority: Authority, token: str, edge_pair: Pair) -> Iterator[Mesh]:
    server = authority.issue("gateway")
    with Mesh(
        folder / "mesh",
        workers=0,
        gateway_flags=(*tls_flags(server, authority.ca), "--tokens", str(folder / "tokens")),
        edge=True,
        edge_flags=("--require-token", *tls_flags(edge_pair), *behind_flags(authority, authority.issue("edge-behind"))),
    ) as mesh:
        yield mesh


def test_a_token_is_passed_on_and_named_callers_get_through(guarded, authority, token):
    headers = {"authorization": f"Bearer {token}"}
    context = trusting(authority)
    status, told, _ = ask(
        guarded.edge_target, "/v1/images?name=p", context=context, method="POST", body=b"picture", headers=headers
    )
    assert status == 200
    assert told["job"]["principal"] == "ann"
    path = f"/v1/jobs/{told['job']['id']}/items/0/input"
    assert ask(guarded.edge_target, path, context=context, headers=headers)[1] == b"picture"
    with myeye.Client(guarded.edge_target, ca=authority.ca, token=token) as client:
        assert [job.principal for job in client.list()] == ["ann"]


def test_without_a_good_token_nothing_but_the_page_is_told(guarded, authority):
    context = trusting(authority)
    assert ask(guarded.edge_target, "/", context=context)[0] == 200
    status, told, headers = ask(guarded.edge_target, "/v1/capabilities", context=context)
    assert (status, told["code"], reason(told)) == (401, 16, "TOKEN_MISSING")
    assert headers["www-authenticate"] == "Bearer"
    status, told, _ = ask(guarded.edge_target, "/v1/capabilities", context=context, headers={"authorization": "Bearer x"})
    assert (status, told["code"], reason(told)) == (401, 16, "TOKEN_INVALID")
    with myeye.Client(guarded.edge_target, ca=authority.ca) as stranger, pytest.raises(myeye.Unauthenticated) as caught:
        stranger.capabilities()
    assert caught.value.reason == "TOKEN_MISSING"


def test_a_body_without_a_token_is_not_waited_for(guarded, authority):
    host, port = guarded.edge_target.split(":")
    with (
        socket.create_connection((host, int(port)), LIMIT_S) as raw,
        trusting(authority).wrap_socket(raw, server_hostname=host) as connection,
    ):
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40000000\r\n\r\n{")
        assert connection.recv(64).startswith(b"HTTP/1.1 401")


def test_plain_text_to_the_port_of_tls_is_not_answered(guarded):
    host, port = guarded.edge_target.split(":")
    with socket.create_connection((host, int(port)), LIMIT_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(64) == b""
    with grpc.insecure_channel(guarded.target) as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(2)


def test_who_has_no_certificate_does_not_reach_the_gateway_past_the_edge(guarded, authority, token):
    with myeye.Client(guarded.target, ca=authority.ca, token=token, timeout_s=1) as client, pytest.raises(myeye.Unavailable):
        client.capabilities()


def test_the_edges_certificate_changes_without_a_restart(guarded, authority, edge_pair):
    host, port = guarded.edge_target.split(":")

    def serial() -> int:
        pem = ssl.get_server_certificate((host, int(port)))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    before = serial()
    authority.issue("edge")
    guarded.edges[0].wait_for(r"the certificates \(callers\) have been read again", LIMIT_S)
    wanted = x509.load_pem_x509_certificate(edge_pair.certificate.read_bytes()).serial_number
    while serial() != wanted:  # Envoy takes a moment; each look is a handshake, and the test has its limit
        pass
    assert wanted != before


@pytest.fixture(scope="module")
def mutual(folder: Path, authority: Authority) -> Iterator[Mesh]:
    server, edge = authority.issue("gateway-2"), authority.issue("the-edge")
    with Mesh(
        folder / "mesh-2",
        workers=0,
        gateway_flags=(*tls_flags(server, authority.ca), "--proxies", "the-edge", "--certificate-admins", "root"),
        edge=True,
        edge_flags=(*tls_flags(edge, authority.ca), *behind_flags(authority, edge)),
        metrics=True,
    ) as mesh:
        yield mesh


def probed(*flags: str) -> tuple[int, str]:
    """Run the edge's health check; give its status and what it said."""
    command = [sys.executable, "-m", "edge.probe", *flags]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return run.returncode, (run.stdout + run.stderr).strip()


def test_a_health_check_needs_neither_token_nor_certificate(guarded, mutual, edge_pair, authority):
    assert probed("--listen", guarded.edge_target, *tls_flags(edge_pair)) == (0, "200")
    flags = ("--listen", mutual.edge_target, *tls_flags(edge_pair, authority.ca))
    assert probed(*flags, "--metrics", mutual.metrics["edge"]) == (0, "200"), "where metrics are, no certificate is asked for"
    status, told = probed(*flags)
    assert (status, "--metrics" in told) == (2, True)


def test_a_callers_certificate_names_it_and_no_header_does(mutual, authority, folder):
    ann, root = authority.issue("ann"), authority.issue("root")
    forged = {"x-forwarded-client-cert": f'Cert="{root.certificate.read_text()!r}"'}
    where = {"target": mutual.edge_target, "method": "POST", "body": b"picture"}
    for headers in ({}, forged):
        status, told, _ = ask(path="/v1/images", context=trusting(authority, ann), headers=headers, **where)
        assert (status, told["job"]["principal"]) == (200, "ann")
    status, told, _ = ask(mutual.edge_target, "/v1/jobs", context=trusting(authority, root))
    assert {job["principal"] for job in told["jobs"]} == {"ann"}, "an admin sees them"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(mutual.edge_target, "/v1/jobs", context=trusting(authority))
    stranger = Authority(folder / "other").issue("ann")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(mutual.edge_target, "/v1/jobs", context=trusting(authority, stranger))


@pytest.fixture(scope="module")
def open_edge(folder: Path) -> Iterator[Mesh]:
    flags = ("--hosts", "eye.example", "--idle", "2")
    with Mesh(folder / "mesh-3", workers=0, edge=True, edge_flags=flags) as mesh:
        yield mesh


@pytest.mark.parametrize("name", OURS)
def test_names_that_cannot_be_led_elsewhere_are_answered(open_edge, name):
    assert ask(open_edge.edge_target, "/v1/capabilities", headers={"host": name})[0] == 200


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("path", ["/", "/v1/capabilities", "/openapi.json"])
def test_a_page_that_leads_its_own_name_here_is_refused(open_edge, name, path):
    status, told, _ = ask(open_edge.edge_target, path, headers={"host": name})
    assert (status, reason(told)) == (421, "HOST_NOT_ALLOWED")


def test_who_is_slow_with_headers_is_cut_off_and_the_others_are_served_meanwhile(open_edge):
    host, port = open_edge.edge_target.split(":")
    slow = [socket.create_connection((host, int(port)), LIMIT_S) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")
    assert ask(open_edge.edge_target, "/v1/capabilities")[0] == 200
    for connection in slow:
        with connection:
            answer = b"".join(iter(lambda: connection.recv(4096), b""))  # noqa: B023 - called at once
        assert b"408" in answer


def test_many_and_large_headers_are_refused(open_edge):
    for headers in ({"x": "y" * 70_000}, {f"x{number}": "y" for number in range(200)}):
        status, told, _ = ask(open_edge.edge_target, "/v1/capabilities", headers=headers)
        assert (status, reason(told)) == (431, "HEADERS_TOO_LARGE")
