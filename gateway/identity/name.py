"""What may be the name of a principal."""

from __future__ import annotations

MAX_NAME_LENGTH = 255


def is_name(text: str) -> bool:
    """Tell whether it can be one: it is shown in logs and to admins, and so has nothing in it that does not print."""
    return 1 <= len(text) <= MAX_NAME_LENGTH and text.isprintable() and text == text.strip()
