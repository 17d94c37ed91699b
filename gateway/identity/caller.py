"""The principal of the call that is being answered. Every call is a task of its own, and so is its context."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import grpc

from gateway.identity.principal import Principal

Context = grpc.aio.ServicerContext[Any, Any]

_caller: ContextVar[Principal] = ContextVar("caller")


def set_principal(principal: Principal) -> None:
    """Say who calls, for all that this task does from now on."""
    _caller.set(principal)


def principal_of(context: Context) -> Principal:  # noqa: ARG001 - grpc.aio's contexts can hold nothing of ours
    """Tell who calls.

    Raises:
        LookupError: nobody has looked, and so nothing may be done for them.
    """
    return _caller.get()
