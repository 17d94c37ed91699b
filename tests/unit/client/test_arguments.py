"""Words of the command line to values."""

from argparse import ArgumentTypeError

import pytest

from myeye.arguments import categories, label, seconds


@pytest.mark.parametrize(
    ("text", "length_s"), [("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("0s", 0)]
)
def test_a_length_of_time_has_a_unit(text, length_s):
    assert seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 s", "5w", "1e3s", "infs"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="length of time"):
        seconds(text)


def test_a_label_is_cut_at_its_first_equals_sign():
    assert label("a=b=c") == ("a", "b=c")
    assert label("a=") == ("a", "")


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_a_label_without_key_or_equals_sign_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="KEY=VALUE"):
        label(text)


def test_categories_may_have_spaces_in_them():
    assert categories("traffic light, dog") == ["traffic light", "dog"]
