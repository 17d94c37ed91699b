"""The client for programs without asyncio: it runs the AsyncClient on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from os import PathLike
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack

import grpc

from myeye.aio import DEFAULT_TARGET, AsyncClient
from myeye.handing_in import UploadProgress
from myeye.pictures import Pictures
from myeye.session import AsyncSession, Detail
from myeye.submission import SubmitOptions
from myeye.v1.job_pb2 import Job

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
Q = TypeVar("Q", bound=Pictures)


class _Face(Generic[A]):
    """The face of something asynchronous, whose methods run on an event loop in another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, twin: A) -> None:
        """Made by what runs the loop, and not by hand."""
        self._loop = loop
        self._twin = twin

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # for a caller that was interrupted; what is done stays done

    def _iterate(self, values: AsyncGenerator[T, None]) -> Iterator[T]:
        try:
            while True:
                yield self._run(_next(values))
        except StopAsyncIteration:
            return
        finally:
            if not self._loop.is_closed():  # close has ended it otherwise
                self._run(values.aclose())


def _blocking(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[_Face[A], P], T]:
    """Make a method that runs its asynchronous twin and waits for it."""

    @functools.wraps(method)
    def run(self: _Face[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._twin, *args, **kwargs))

    return run


def _iterating(method: Callable[Concatenate[A, P], AsyncGenerator[T, None]]) -> Callable[Concatenate[_Face[A], P], Iterator[T]]:
    """Make a method that waits for each value of its asynchronous twin."""

    @functools.wraps(method)
    def iterate(self: _Face[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._iterate(method(self._twin, *args, **kwargs))

    return iterate


async def _next(values: AsyncGenerator[T, None]) -> T:
    return await anext(values)


class Session(_Face[AsyncSession]):
    """Hands in and follows many jobs over one stream. Made by `Client.session`, and begun as a context manager.

    Its methods are those of `AsyncSession`, and wait for the answer; `updates` gives an ordinary iterator. Threads may share it.
    """

    submit = _blocking(AsyncSession.submit)
    follow = _blocking(AsyncSession.follow)
    cancel = _blocking(AsyncSession.cancel)
    finish = _blocking(AsyncSession.finish)
    updates = _iterating(AsyncSession.updates)

    def __enter__(self) -> Self:
        self._run(self._twin.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._loop.is_closed():
            self._run(self._twin.__aexit__(kind, error, trace))


class Client(_Face[AsyncClient]):
    """A connection to one myeye service, for any number of threads.

    Its methods are those of `AsyncClient`, and wait for the answer. `watch`, `watch_many`, `frames`, `list` and
    `detect_many` give ordinary iterators. Progress of uploads is told on a thread of the client's own.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        token: str | None = None,
        token_file: str | PathLike[str] | None = None,
        ca: str | PathLike[str] | None = None,
        certificate: str | PathLike[str] | None = None,
        key: str | PathLike[str] | None = None,
        tls: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
        timeout_s: float = 30.0,
        silence_s: float = 60.0,
        resume_s: float = 600.0,
    ) -> None:
        """Connect on first use. The arguments are those of `AsyncClient`."""
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="myeye", daemon=True)
        self._thread.start()
        opening = _open(
            target,
            token=token,
            token_file=token_file,
            ca=ca,
            certificate=certificate,
            key=key,
            tls=tls,
            credentials=credentials,
            timeout_s=timeout_s,
            silence_s=silence_s,
            resume_s=resume_s,
        )
        try:
            client = asyncio.run_coroutine_threadsafe(opening, loop).result()
        except BaseException:
            _end(loop, self._thread)
            raise
        super().__init__(loop, client)

    submit = _blocking(AsyncClient.submit)
    detect = _blocking(AsyncClient.detect)

    def detect_many(
        self, batch: Iterable[Q], *, on_upload: UploadProgress | None = None, **options: Unpack[SubmitOptions]
    ) -> Iterator[tuple[Q, Job]]:
        """Yield what was given with its job, as `AsyncClient.detect_many` does, which reads `batch` on another thread."""
        return self._iterate(self._twin.detect_many(batch, on_upload=on_upload, **options))

    def session(self, detail: Detail = Detail.EVENTS) -> Session:
        """Make a session, for `with`: many jobs over one stream, where calls of their own would cost more than the work."""
        return Session(self._loop, self._twin.session(detail))

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
        self._run(self._twin.close())
        self._run(self._loop.shutdown_asyncgens())
        self._run(self._loop.shutdown_default_executor())
        _end(self._loop, self._thread)


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _open(target: str, **options: Any) -> AsyncClient:
    return AsyncClient(target, **options)
