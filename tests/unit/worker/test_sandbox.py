"""The environment of a detector process lets nothing out and hands no secret in."""

from __future__ import annotations

import pytest

from worker.sandbox import NOWHERE, environment

OPERATORS = {
    "PATH": "/usr/bin",
    "HOME": "/home/worker",
    "https_proxy": "http://proxy.example:3128",
    "no_proxy": "*",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "MYEYE_BROKER": "amqp://user:password@broker/",
}


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_every_proxy_leads_nowhere_whatever_the_worker_uses(name: str) -> None:
    assert environment(OPERATORS, max_pixels=1)[name] == NOWHERE


def test_no_host_is_excepted_from_the_proxies() -> None:
    child = environment(OPERATORS, max_pixels=1)
    assert child["no_proxy"] == child["NO_PROXY"] == ""


def test_the_worker_s_secrets_stay_with_the_worker() -> None:
    child = environment(OPERATORS, max_pixels=1)
    assert "secret" not in child.values()
    assert "MYEYE_BROKER" not in child
    assert child["PATH"] == "/usr/bin"


def test_the_decoder_is_told_the_limit_of_pixels() -> None:
    assert environment({}, max_pixels=1234)["OPENCV_IO_MAX_IMAGE_PIXELS"] == "1234"
