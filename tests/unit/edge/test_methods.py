"""Methods that a path does not take are refused, and no other."""

from __future__ import annotations

import re

import pytest

from edge.methods import refusals


def refused(method: str, path: str) -> str | None:
    """Give the methods that are allowed instead, None when it is no path or the method is one of them."""
    for route in refusals():
        (other,) = route["match"]["headers"]
        if re.fullmatch(route["match"]["safe_regex"]["regex"], path):
            taken = re.fullmatch(other["string_match"]["safe_regex"]["regex"], method)
            return None if taken else str(route["response_headers_to_add"][0]["header"]["value"])
    return None


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("POST", "/v1/jobs/abc", "DELETE, GET"),
        ("POST", "/v1/jobs/abc:watch", "GET"),
        ("GET", "/v1/jobs/abc:cancel", "POST"),
        ("DELETE", "/v1/jobs:watch", "GET, POST"),
        ("HEAD", "/v1/jobs/abc/items/0/input", "GET"),
        ("GE", "/v1/jobs", "GET, POST"),
        ("GET", "/v1/jobs", None),
        ("GET", "/v1/jobs/abc:watch", None),
        ("DELETE", "/v1/jobs/abc", None),
        ("PUT", "/v1/jobs/abc:nosuch", None),
        ("PUT", "/v1/jobs/abc/items", None),
        ("PUT", "/v2/jobs", None),
    ],
)
def test_the_methods_of_a_path_are_those_of_the_contract(method: str, path: str, allowed: str | None):
    assert refused(method, path) == allowed
