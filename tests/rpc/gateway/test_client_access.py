"""The Python client and the command line, at a gateway that asks who they are."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import myeye
from gateway.identity.options import IdentityOptions
from gateway.tls import TlsOptions
from myeye.access import is_loopback
from tests.certificates import Authority
from tests.rpc.gateway.callers import Tokens

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def tokens(tmp_path) -> Tokens:
    return Tokens(tmp_path / "tokens")


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path / "certificates")


@pytest.fixture
def run() -> Run:
    """Run `myeye list`; give its exit code and what it wrote."""

    async def run(*options: str, **variables: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "myeye", *options, "list"),
            env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            told, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, told.decode()

    return run


async def test_a_client_brings_its_token_with_every_kind_of_call(start, tokens, tmp_path):
    token = tokens.add("ann")
    async with start(identity=IdentityOptions(tokens=tokens.path)) as front:
        async with myeye.AsyncClient(front.target, token=token) as client:
            upload = await client.upload(b"picture")
            job = await client.submit([("p", upload)])
            assert job.principal == "ann"
            assert await client.download(job.id, annotated=False) == b"picture"
            await client.cancel(job.id)
            assert [update.WhichOneof("message") async for update in client.watch(job.id)] == ["snapshot"]
        async with myeye.AsyncClient(front.target) as stranger:
            with pytest.raises(myeye.Unauthenticated) as caught:
                await stranger.get(job.id)
            assert caught.value.reason == "TOKEN_MISSING"
            with pytest.raises(myeye.Unauthenticated):
                await stranger.upload(b"picture")
            with pytest.raises(myeye.Unauthenticated):
                await anext(stranger.watch(job.id))


async def test_the_file_of_a_token_may_change(start, tokens, tmp_path):
    old, new = tokens.add("ann"), tokens.add("ann")
    file = tmp_path / "token"
    file.write_text(f"{old}\n")
    async with (
        start(identity=IdentityOptions(tokens=tokens.path)) as front,
        myeye.AsyncClient(front.target, token_file=file) as client,
    ):
        await client.capabilities()
        tokens.withdraw(old)
        with pytest.raises(myeye.AccessDenied):
            await client.capabilities()
        file.write_text(new)
        await client.capabilities()


async def test_a_client_trusts_a_ca_and_shows_a_certificate(start, authority):
    server, ann = authority.issue("gateway"), authority.issue("ann")
    tls = TlsOptions(certificate=server.certificate, key=server.key, client_ca=authority.ca)
    files = {"ca": authority.ca, "certificate": ann.certificate, "key": ann.key}
    credentials = myeye.access.Access(**files).channel_credentials()
    async with start(tls=tls, identity=IdentityOptions(certificates=True), credentials=credentials) as front:
        async with myeye.AsyncClient(front.target, **files) as client:
            assert (await client.submit([("p", b"picture")])).principal == "ann"
        async with myeye.AsyncClient(front.target, ca=authority.ca, timeout_s=1) as client:
            with pytest.raises(myeye.Unavailable):
                await client.capabilities()


async def test_the_command_line_says_who_it_is(start, tokens, authority, tmp_path, run: Run):
    token, server = tokens.add("ann"), authority.issue("gateway")
    file = tmp_path / "token"
    file.write_text(token)
    tls = TlsOptions(certificate=server.certificate, key=server.key)
    credentials = myeye.access.Access(ca=authority.ca).channel_credentials()
    async with start(tls=tls, identity=IdentityOptions(tokens=tokens.path), credentials=credentials) as front:
        where = {"MYEYE_TARGET": front.target, "MYEYE_CA": str(authority.ca)}
        assert (await run(**where, MYEYE_TOKEN=token))[0] == 0
        assert (await run("--token-file", str(file), **where, MYEYE_TOKEN="wrong"))[0] == 0
        code, told = await run(**where)
        assert code == 6
        assert "MYEYE_TOKEN" in told
        code, told = await run(**where, MYEYE_TOKEN="myeye_wrong")
        assert code == 6
        assert "TOKEN_INVALID" in told
        assert "myeye_wrong" not in told


async def test_a_token_does_not_leave_the_machine_unencrypted(run: Run):
    with pytest.raises(ValueError, match="unencrypted"):
        myeye.Client("192.0.2.1:1", token="myeye_x")
    code, told = await run(MYEYE_TARGET="192.0.2.1:1", MYEYE_TOKEN="myeye_x")
    assert code == 2
    assert "unencrypted" in told
    assert "myeye_x" not in told


@pytest.mark.parametrize(
    ("target", "here"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("unix:/run/x", True),
        ("dns:///localhost:1", True),
        ("localhost.example:1", False),
        ("127.0.0.1.example:1", False),
        ("192.0.2.1:1", False),
        ("gateway:1", False),
        ("dns://192.0.2.1/localhost:1", False),
    ],
)
def test_what_is_on_this_machine(target: str, here: bool):
    assert is_loopback(target) is here


@pytest.mark.parametrize(
    "given",
    [
        {"token": "a", "token_file": "b"},
        {"token": ""},
        {"token": "two words"},
        {"token": "line\nbreak"},
        {"certificate": "c"},
        {"key": "k"},
        {"ca": "c", "credentials": "of its own"},
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_at_once(given: dict[str, Any]):
    with pytest.raises(ValueError, match=r"token|together|both"):
        myeye.Client("localhost:1", **given)
