"""JSON web tokens: whose they are, what makes one worthless, and keys that change."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import myeye
from dispatch.errors import ConfigurationError
from gateway.identity import key_set
from gateway.identity.options import IdentityOptions
from gateway.identity.web_token import WebTokenOptions
from harness.ports import free_port
from harness.scrape import scrape
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import Input
from tests.certificates import Authority
from tests.rpc.gateway.callers import Tokens, bearing

LIMIT_S = 20
ISSUER, AUDIENCE = "https://issuer.test", "myeye"
IN_2100 = 4_102_444_800
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


class Issuer:
    """Signs tokens, and publishes its keys."""

    def __init__(self) -> None:
        self.keys = {"one": ec.generate_private_key(ec.SECP256R1())}

    def jwks(self) -> dict[str, Any]:
        def public(kid: str) -> dict[str, Any]:
            return jwt.algorithms.ECAlgorithm.to_jwk(self.keys[kid].public_key(), as_dict=True)

        return {"keys": [{**public(kid), "kid": kid, "use": "sig"} for kid in self.keys]}

    def publish(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self.jwks()))
        new.rename(path)

    def token(self, kid: str = "one", *, key: Any = None, algorithm: str = "ES256", headers: Any = None, **claims: Any) -> str:
        told = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, **claims}
        told = {name: value for name, value in told.items() if value is not None}
        signing = None if algorithm == "none" else key or self.keys[kid]
        return jwt.encode(told, signing, algorithm=algorithm, headers=headers or {"kid": kid})


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def jwks(tmp_path, issuer) -> Path:
    issuer.publish(tmp_path / "jwks.json")
    return tmp_path / "jwks.json"


@pytest.fixture
def options(jwks) -> WebTokenOptions:
    return WebTokenOptions(keys=str(jwks), issuer=ISSUER, audience=AUDIENCE, leeway_s=1)


@pytest.fixture
async def front(start, options) -> AsyncIterator[Any]:
    async with start(identity=IdentityOptions(web_tokens=options), metrics=f"127.0.0.1:{free_port()}") as front:
        yield front


async def owner(front: Any, token: str) -> str:
    """Submit with a token, and give whose the job is."""
    request = pb.SubmitRequest(inputs=[Input(content=b"picture")])
    return (await front.stub.Submit(request, metadata=bearing(token))).job.principal


async def test_a_token_names_its_caller(front, issuer):
    assert await owner(front, issuer.token()) == "ann"
    assert await owner(front, issuer.token(sub="bob", aud=["other", AUDIENCE])) == "bob"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "TOKEN_EXPIRED"),
        ({"exp": None}, "TOKEN_INVALID"),
        ({"nbf": IN_2100}, "TOKEN_INVALID"),
        ({"iat": IN_2100}, "TOKEN_INVALID"),
        ({"iss": "https://other.test"}, "TOKEN_INVALID"),
        ({"iss": None}, "TOKEN_INVALID"),
        ({"aud": "other"}, "TOKEN_INVALID"),
        ({"aud": None}, "TOKEN_INVALID"),
        ({"sub": None}, "TOKEN_INVALID"),
        ({"sub": ""}, "TOKEN_INVALID"),
        ({"sub": "line\nbreak"}, "TOKEN_INVALID"),
        ({"sub": "x" * 256}, "TOKEN_INVALID"),
    ],
    ids=str,
)
async def test_claims_that_make_a_token_worthless(front, issuer, refused, claims, reason):
    await refused(owner(front, issuer.token(**claims)), UNAUTHENTICATED, reason)


def by_secret(secret: bytes) -> str:
    """Make a token that is signed with what everybody knows, for a verifier that takes any algorithm."""
    claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600}
    parts = ({"alg": "HS256", "typ": "JWT", "kid": "one"}, claims)
    told = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, told, "sha256")).rstrip(b"=")
    return (told + b"." + signature).decode()


async def test_signatures_that_make_a_token_worthless(front, issuer, refused):
    stranger = ec.generate_private_key(ec.SECP256R1())
    public = issuer.keys["one"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    good = issuer.token()
    header, claims, signature = good.split(".")
    forged = issuer.token(sub="root").split(".")[1]
    for token in (
        issuer.token(key=stranger),
        issuer.token(key=stranger, headers={"kid": "two"}),
        issuer.token(key=stranger, headers={"jwk": issuer.jwks()["keys"][0]}),
        issuer.token(algorithm="none"),
        by_secret(public),
        issuer.token(key=rsa.generate_private_key(65537, 2048), algorithm="RS256"),
        f"{header}.{forged}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        good + "A" * 4,
    ):
        await refused(owner(front, token), UNAUTHENTICATED, "TOKEN_INVALID")
    assert await owner(front, good) == "ann"


async def test_a_word_in_a_claim_makes_an_admin(start, options, issuer):
    mine = await _job(start, options, issuer)
    for admin, claims in [
        (("scope", "myeye:admin"), {"scope": "profile myeye:admin"}),
        (("groups", "eyes"), {"groups": ["x", "eyes"]}),
        (("realm_access.roles", "eyes"), {"realm_access": {"roles": ["eyes"]}}),
    ]:
        async with start(identity=IdentityOptions(web_tokens=replace(options, admin=admin))) as front:
            request = pb.GetRequest(job_id=mine)
            found = await front.stub.Get(request, metadata=bearing(issuer.token(sub="root", **claims)))
            assert found.job.principal == "ann"
            with pytest.raises(grpc.aio.AioRpcError):
                await front.stub.Get(request, metadata=bearing(issuer.token(sub="root", scope="myeye:administrator")))


async def _job(start: Any, options: WebTokenOptions, issuer: Issuer) -> str:
    async with start(identity=IdentityOptions(web_tokens=options)) as front:
        request = pb.SubmitRequest(inputs=[Input(content=b"picture")])
        return (await front.stub.Submit(request, metadata=bearing(issuer.token()))).job.id


async def test_the_keys_of_a_file_change_without_a_restart(front, issuer, jwks, refused):
    old = issuer.token()
    assert await owner(front, old) == "ann"
    issuer.keys = {"two": ec.generate_private_key(ec.SECP256R1())}
    issuer.publish(jwks)
    assert await owner(front, issuer.token("two")) == "ann"
    await refused(owner(front, old), UNAUTHENTICATED, "TOKEN_INVALID")
    jwks.write_text("{}")
    assert await owner(front, issuer.token("two")) == "ann", "what is no JWKS changes nothing"


async def test_a_stream_ends_when_its_token_does(front, issuer, refused):
    async def watch() -> None:
        request = pb.WatchManyRequest(labels=["x"])
        async for _ in front.stub.WatchMany(request, metadata=bearing(issuer.token(exp=time.time() + 1))):
            pass

    async with asyncio.timeout(LIMIT_S):
        await refused(watch(), UNAUTHENTICATED, "TOKEN_EXPIRED")


async def test_a_session_ends_when_its_token_does_and_does_not_begin_with_it(front, issuer, refused):
    async def session(token: str) -> None:
        call = front.stub.Session(metadata=bearing(token))
        await call.write(pb.SessionRequest(open=pb.SessionOptions()))
        while await call.read() is not grpc.aio.EOF:
            pass

    token = issuer.token(exp=time.time() + 1)
    async with asyncio.timeout(LIMIT_S):
        await refused(session(token), UNAUTHENTICATED, "TOKEN_EXPIRED")
        await refused(session(token), UNAUTHENTICATED, "TOKEN_EXPIRED")


@pytest.fixture
def renewed(issuer, tmp_path) -> Callable[[float], Path]:
    """Write a token into a file that is good for some seconds, in the place of the one there."""

    def renew(lasting_s: float) -> Path:
        file = tmp_path / "token"
        new = tmp_path / "token.new"
        new.write_text(issuer.token(exp=time.time() + lasting_s))
        return new.rename(file)

    return renew


@pytest.mark.parametrize("kind", ["watch", "watch_many", "labels"])
async def test_a_clients_watch_goes_on_with_the_next_token_of_its_file(front, hand, renewed, kind):
    async with myeye.AsyncClient(front.target, token_file=renewed(LIMIT_S)) as client, asyncio.timeout(LIMIT_S):
        job = await client.submit([("p", b"picture")], labels={"team": "mine"})
        renewed(2)
        watch = {
            "watch": lambda: client.watch(job.id, after_sequence=0),
            "watch_many": lambda: client.watch_many({job.id: 0}),
            "labels": lambda: client.watch_many(labels=["team=mine"]),
        }[kind]()
        first = await anext(watch)
        following = asyncio.ensure_future(to_its_end(watch))
        renewed(LIMIT_S)
        await cut(front)
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries, "tie")
        events = [update.event for update in (first, *await following) if update.HasField("event")]
    assert events[-1].HasField("job_finished")
    assert len({event.sequence for event in events}) == len(events), "each once"


async def test_a_clients_session_goes_on_with_the_next_token_of_its_file(front, hand, renewed):
    async with (
        asyncio.timeout(LIMIT_S),
        myeye.AsyncClient(front.target, token_file=renewed(2)) as client,
        client.session() as session,
    ):
        await session.submit([("p", b"picture")])
        renewed(LIMIT_S)
        await cut(front)
        async with hand.taking() as deliveries:
            await hand.finish_next(deliveries, "tie")
        await session.finish()
        told = [update.event async for update in session.updates() if update.HasField("event")]
    assert told[-1].WhichOneof("kind") == "job_finished"
    assert len({event.sequence for event in told}) == len(told)


async def test_a_client_whose_file_has_no_other_token_is_told(front, renewed):
    async with myeye.AsyncClient(front.target, token_file=renewed(LIMIT_S)) as client, asyncio.timeout(LIMIT_S):
        job = await client.submit([("p", b"picture")])
        renewed(1)
        with pytest.raises(myeye.Unauthenticated) as caught:
            async for _ in client.watch(job.id):
                pass
        assert caught.value.reason == "TOKEN_EXPIRED"


async def cut(front: Any) -> None:
    """Return when the gateway has ended a call whose token's time was up."""
    while True:
        found = await asyncio.to_thread(scrape, front.config.metrics)
        if found.sum("myeye_grpc_calls_total", code="UNAUTHENTICATED"):
            return
        await asyncio.sleep(0.05)


async def to_its_end(watch: Any) -> list[Any]:
    """Read a watch until its job has ended: one by labels has no end of its own."""
    updates = []
    async for update in watch:
        updates.append(update)
        if update.HasField("event") and update.event.HasField("job_finished"):
            break
    await watch.aclose()
    return updates


async def test_both_kinds_of_tokens_can_be_used_at_once(start, options, issuer, tmp_path):
    tokens = Tokens(tmp_path / "tokens")
    machine = tokens.add("machine")
    async with start(identity=IdentityOptions(tokens=tokens.path, web_tokens=options)) as front:
        assert await owner(front, machine) == "machine"
        assert await owner(front, issuer.token()) == "ann"


@pytest.fixture
def site(tmp_path, issuer, monkeypatch) -> Iterator[Any]:
    """An issuer's https site. `site.asked` counts who asks; `site.answer` is what they get, None for an error."""
    authority = Authority(tmp_path / "site")
    pair = authority.issue("site")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked += 1
            answer = site.answer()
            if isinstance(answer, str):
                self.send_response(302)
                self.send_header("location", answer)
                self.end_headers()
                return
            body = json.dumps(answer).encode()
            self.send_response(200 if answer else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    site: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    site.asked, site.answer = 0, issuer.jwks
    site.url = f"https://localhost:{site.server_address[1]}/jwks"
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()


async def test_the_keys_of_an_address_are_kept_and_asked_for_when_a_new_one_is_named(
    start, options, issuer, site, monkeypatch, refused
):
    monkeypatch.setattr(key_set, "UNKNOWN_PAUSE_S", 0.0)
    async with start(identity=IdentityOptions(web_tokens=replace(options, keys=site.url))) as front:
        for _ in range(3):
            assert await owner(front, issuer.token()) == "ann"
        assert site.asked == 1
        issuer.keys["two"] = ec.generate_private_key(ec.SECP256R1())
        assert await owner(front, issuer.token("two")) == "ann"
        assert site.asked == 2
        monkeypatch.setattr(key_set, "UNKNOWN_PAUSE_S", 60.0)
        for _ in range(3):
            await refused(owner(front, issuer.token(headers={"kid": "three"})), UNAUTHENTICATED, "TOKEN_INVALID")
        assert site.asked == 2, "who makes up keys does not make this gateway ask"


async def test_an_issuer_that_is_away_is_told_as_unavailable_and_does_not_follow_anybody(
    start, options, issuer, site, monkeypatch, refused
):
    monkeypatch.setattr(key_set, "UNKNOWN_PAUSE_S", 0.0)
    site.answer = dict
    async with start(identity=IdentityOptions(web_tokens=replace(options, keys=site.url))) as front:
        await refused(owner(front, issuer.token()), grpc.StatusCode.UNAVAILABLE, "KEYS_UNAVAILABLE")
        site.answer = lambda: "http://127.0.0.1:1/jwks"
        await refused(owner(front, issuer.token()), grpc.StatusCode.UNAVAILABLE, "KEYS_UNAVAILABLE")
        site.answer = issuer.jwks
        assert await owner(front, issuer.token()) == "ann"
        site.answer = dict
        assert await owner(front, issuer.token()) == "ann", "what is known goes on to be good"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"audience": ""},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"admin": ("scope", "")},
        {"leeway_s": 4000.0},
    ],
    ids=str,
)
def test_settings_that_would_let_others_in_are_refused(options, wrong):
    with pytest.raises(ConfigurationError, match="--jw"):
        replace(options, **wrong)


@pytest.mark.parametrize("keys", ["http://issuer.test/jwks", "file:///etc/passwd", "/no/such/file"])
async def test_keys_come_from_a_file_or_over_https(options, keys):
    with pytest.raises(ConfigurationError, match="--jwks"):
        IdentityOptions(web_tokens=replace(options, keys=keys)).open()
