"""A worker's settings come from flags and an environment that are passed in, and are checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from worker.config import Config, ModelChoice, read_config


def read(arguments: list[str], environment: dict[str, str]) -> Config:
    return read_config(arguments, environment, Path("/data"))


def test_without_flags_it_works_in_the_given_folder_with_the_default_model() -> None:
    config = read([], {})
    assert config.broker == "embedded:///data/broker"
    assert config.blobs == "file:///data/blobs"
    assert config.models == (ModelChoice("efficientdet-lite0"),)
    assert config.detectors >= 1
    assert config.name


def test_variables_stand_in_for_flags() -> None:
    config = read([], {"MYEYE_BROKER": "amqp://broker/", "MYEYE_DETECTORS": "3", "MYEYE_MODEL": "one, two=/m/two.tflite"})
    assert config.broker == "amqp://broker/"
    assert config.detectors == 3
    assert config.models == (ModelChoice("one"), ModelChoice("two", Path("/m/two.tflite")))


def test_flags_win_over_variables() -> None:
    environ = {"MYEYE_BROKER": "amqp://broker/", "MYEYE_MODEL": "one", "MYEYE_DRAIN": "5"}
    config = read(["--broker", "embedded:///b", "--model", "two", "--model", "three=/m/3", "--drain", "7"], environ)
    assert config.broker == "embedded:///b"
    assert [model.name for model in config.models] == ["two", "three"]
    assert config.drain_s == 7.0


def test_the_retry_delays_can_be_set() -> None:
    backoff = read(["--retry-delay", "2", "--retry-delay-cap", "4"], {}).backoff
    assert (backoff.base_s, backoff.cap_s) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--detectors", "0"], "--detectors"),
        (["--detectors", "many"], "--detectors"),
        (["--drain", "-1"], "--drain"),
        (["--name", "two words"], "--name"),
        (["--log-format", "xml"], "--log-format"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--lookback", "0"], "--lookback"),
        (["--installation", ""], "--installation"),
        (["--max-queue-length", "0"], "--max-queue-length"),
        (["--retry-delay", "9", "--retry-delay-cap", "3"], "retry"),
        (["--model", "a=/one", "--model", "a=/two"], "--model"),
        (["--model", "a="], "a="),
        (["--model", "../a"], "../a"),
        (["--unheard-of"], "--unheard-of"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(argv: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read(argv, {})
