"""How callers are told apart: a part of the gateway's configuration."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.identity.authenticator import Authenticator
from gateway.identity.certificates import Certificates
from gateway.identity.token_file import TokenFile
from gateway.identity.web_token import WebTokenOptions, WebTokens

DEFAULT_ALGORITHMS = "RS256,PS256,ES256,EdDSA"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityOptions:
    """Nothing set: everybody is the same, and may do everything.

    `certificates`: a client's certificate names it. `admins` and `proxies` are names of certificates.
    """

    tokens: Path | None = None
    web_tokens: WebTokenOptions | None = None
    certificates: bool = False
    admins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    @property
    def authenticates(self) -> bool:
        """Whether a caller must show who they are."""
        return self.tokens is not None or self.web_tokens is not None or self.certificates

    def open(self) -> Authenticator:
        """Make what tells callers apart.

        Raises:
            ConfigurationError: a file cannot be read.
        """
        return Authenticator(
            tokens=TokenFile(self.tokens) if self.tokens else None,
            web_tokens=WebTokens(self.web_tokens) if self.web_tokens else None,
            certificates=Certificates(admins=self.admins, proxies=self.proxies) if self.certificates else None,
        )


def add_identity_flags(parser: ArgumentParser, fallback: Callable[[str, str], str]) -> None:
    """Declare the flags; `fallback` gives the environment's value of a name, or what is given."""
    group = parser.add_argument_group("who may call", "without --tokens, --jwks and --client-ca, everybody may")

    def add(name: str, variable: str, default: str, metavar: str, what: str) -> None:
        group.add_argument(name, metavar=metavar, default=fallback(variable, default), help=what)

    add("--tokens", "TOKENS", "", "FILE", "callers bring a token of this file; python -m gateway.tokens makes one")
    add(
        "--jwks",
        "JWKS",
        "",
        "FILE|URL",
        "callers bring a JWT signed with one of these keys, of a file or an https address",
    )
    add("--jwt-issuer", "JWT_ISSUER", "", "ISSUER", "who must have made it (iss)")
    add("--jwt-audience", "JWT_AUDIENCE", "", "AUDIENCE", "for whom it must be (aud)")
    add("--jwt-algorithms", "JWT_ALGORITHMS", DEFAULT_ALGORITHMS, "NAMES", "how it may be signed")
    add("--jwt-principal", "JWT_PRINCIPAL", "sub", "CLAIM", "whose name counts; dots lead into objects")
    add("--jwt-admin", "JWT_ADMIN", "scope=myeye:admin", "CLAIM=WORD", "what makes an admin")
    leeway = fallback("JWT_LEEWAY", "30")
    group.add_argument("--jwt-leeway", type=float, metavar="SECONDS", default=leeway, help="how far clocks may differ")
    add("--certificate-admins", "CERTIFICATE_ADMINS", "", "NAMES", "client certificates of admins, by common name")
    add("--proxies", "PROXIES", "", "NAMES", "client certificates of edges, which pass on those of their callers")


def read_identity(given: Namespace) -> IdentityOptions:
    """Read what was given; certificates name callers where there is a CA for them and nothing else does.

    Raises:
        ConfigurationError: something is missing or out of range.
    """
    claim, _, word = given.jwt_admin.partition("=")
    web_tokens = None
    if given.jwks:
        web_tokens = WebTokenOptions(
            keys=given.jwks,
            issuer=given.jwt_issuer,
            audience=given.jwt_audience,
            algorithms=_listed(given.jwt_algorithms),
            principal_claim=given.jwt_principal,
            admin=(claim, word),
            leeway_s=given.jwt_leeway,
        )
    return IdentityOptions(
        tokens=Path(given.tokens) if given.tokens else None,
        web_tokens=web_tokens,
        certificates=bool(given.client_ca) and not given.tokens and web_tokens is None,
        admins=_listed(given.certificate_admins),
        proxies=_listed(given.proxies),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
