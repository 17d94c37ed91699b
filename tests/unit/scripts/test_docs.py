"""The reference of the Python client: all of it has something to say."""

import inspect

import pytest

from scripts.docs import build, reference


@pytest.fixture(scope="module")
def module():
    return reference()


def own_members(parent):
    """Give what is public. A message of the contract tells of its fields itself."""
    for member in parent.own_members:
        if not member.name.startswith("_"):
            yield member
            if member.kind == "class":
                yield from own_members(member)


def test_every_public_name_has_a_docstring(module):
    assert [member.fullname for member in own_members(module) if not member.docstring.strip()] == []


def test_every_public_method_says_what_it_raises_or_that_of_its_class_does(module):
    client = module.members["AsyncClient"]
    assert "All methods raise `MyeyeError` or one of its subclasses." in client.docstring
    timed = [m for m in client.own_members if m.kind == "function" and "timeout" in inspect.signature(m.obj).parameters]
    assert {method.name for method in timed} == {"detect", "wait", "watch", "watch_many", "frames"}
    for method in timed:
        assert "TimeoutError: " in method.docstring


def test_both_clients_have_the_same_methods_with_the_same_words(module):
    one, other = (
        {m.name: m.docstring for m in module.members[name].own_members if m.kind == "function" and not m.name.startswith("_")}
        for name in ("AsyncClient", "Client")
    )
    assert one.keys() == other.keys()
    of_their_own = {"close", "detect_many", "session"}
    assert {name for name in one if one[name] != other[name]} == of_their_own


def test_the_page_is_built_without_a_warning_and_tells_the_contracts_own_words(tmp_path):
    build(tmp_path)
    page = (tmp_path / "myeye.html").read_text()
    assert "SUCCEEDED and all after it are terminal" in page
    assert "Left edge, in pixels from the left of the picture." in page
    assert "myeye.html" in (tmp_path / "index.html").read_text()
