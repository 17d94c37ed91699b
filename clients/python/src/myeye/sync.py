"""The client for programs without asyncio: it runs the AsyncClient on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc

from myeye.aio import DEFAULT_TARGET, AsyncClient

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Client, P], T]:
    """Make a method that runs its asynchronous twin and waits for it."""

    @functools.wraps(method)
    def run(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._client, *args, **kwargs))

    return run


def _iterating(
    method: Callable[Concatenate[AsyncClient, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Client, P], Iterator[T]]:
    """Make a method that waits for each value of its asynchronous twin."""

    @functools.wraps(method)
    def iterate(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        values = method(self._client, *args, **kwargs)
        try:
            while True:
                yield self._run(_next(values))
        except StopAsyncIteration:
            return
        finally:
            if not self._loop.is_closed():  # close has ended it otherwise
                self._run(values.aclose())

    return iterate


async def _next(values: AsyncGenerator[T, None]) -> T:
    return await anext(values)


class Client:
    """A connection to one myeye service, for any number of threads.

    Its methods are those of `AsyncClient`, and wait for the answer. `watch`, `watch_many`, `frames` and `list` give
    ordinary iterators. Progress of uploads is told on a thread of the client's own.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout_s: float = 30.0,
        credentials: grpc.ChannelCredentials | None = None,
        silence_s: float = 60.0,
        resume_s: float = 600.0,
    ) -> None:
        """Connect on first use. The arguments are those of `AsyncClient`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="myeye", daemon=True)
        self._thread.start()
        self._client = self._run(
            _open(target, timeout_s=timeout_s, credentials=credentials, silence_s=silence_s, resume_s=resume_s)
        )

    submit = _blocking(AsyncClient.submit)
    detect = _blocking(AsyncClient.detect)
    upload = _blocking(AsyncClient.upload)
    watch = _iterating(AsyncClient.watch)
    frames = _iterating(AsyncClient.frames)
    watch_many = _iterating(AsyncClient.watch_many)
    wait = _blocking(AsyncClient.wait)
    get = _blocking(AsyncClient.get)
    list = _iterating(AsyncClient.list)
    cancel = _blocking(AsyncClient.cancel)
    retry = _blocking(AsyncClient.retry)
    retry_many = _blocking(AsyncClient.retry_many)
    retry_matching = _blocking(AsyncClient.retry_matching)
    delete = _blocking(AsyncClient.delete)
    download = _blocking(AsyncClient.download)
    capabilities = _blocking(AsyncClient.capabilities)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, what still uses it, and the thread."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._run(self._loop.shutdown_asyncgens())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # for a caller that was interrupted; what is done stays done


async def _open(target: str, **options: Any) -> AsyncClient:
    return AsyncClient(target, **options)
