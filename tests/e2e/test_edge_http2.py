"""What clients may do with HTTP/2 that no client library can be made to do on purpose, through the real Envoy."""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from google.protobuf.message import Message

from harness.mesh import Mesh
from myeye import Client
from myeye.v1.blob_service_pb2 import DownloadInputRequest, DownloadInputResponse

LIMIT_S = 60.0
WINDOW = 4096
"""Bytes of one stream that the other side may send before it is told that there is room."""
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


class Connection:
    """Speaks just enough of HTTP/2 for calls whose every frame a test decides on."""

    def __init__(self, target: str) -> None:
        host, port = target.split(":")
        self._target = target
        self._socket = socket.create_connection((host, int(port)), timeout=LIMIT_S)
        self._file = self._socket.makefile("rb")
        self.data: dict[int, bytes] = defaultdict(bytes)
        """What came on each stream."""
        self.begun: set[int] = set()
        """The streams that an answer has begun on."""
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._send(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW))

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, stream: int, path: str, message: Message) -> None:
        """Send a call's only message, and leave the request open."""
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": self._target,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        self._send(HEADERS, END_HEADERS, stream, b"".join(map(_literal, fields, fields.values())))
        body = message.SerializeToString()
        self._send(DATA, 0, stream, struct.pack(">BI", 0, len(body)) + body)

    def end(self, stream: int) -> None:
        """End the request."""
        self._send(DATA, END_STREAM, stream)

    def read_to_end(self, stream: int) -> None:
        """Read whatever comes, a window at a time, until this stream has ended well."""
        while True:
            kind, flags, of, payload = self._receive()
            assert kind != RST_STREAM, f"stream {of} was reset after {len(self.data[of])} bytes of data"
            if kind == HEADERS:
                self.begun.add(of)
            elif kind == DATA and payload:
                self.data[of] += payload
                for window in (0, of):
                    self._send(WINDOW_UPDATE, 0, window, struct.pack(">I", len(payload)))
            elif kind in (SETTINGS, PING) and not flags & ACK:
                self._send(kind, ACK, 0, payload if kind == PING else b"")
            if kind in (HEADERS, DATA) and of == stream and flags & END_STREAM:
                return

    def _send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self._socket.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def _receive(self) -> tuple[int, int, int, bytes]:
        header = self._file.read(9)
        assert len(header) == 9, "the connection was closed"
        kind, flags, stream = struct.unpack(">BBI", header[3:])
        return kind, flags, stream, self._file.read(int.from_bytes(header[:3]))


def _literal(name: str, value: str) -> bytes:
    """Write a header field of HPACK that is neither indexed nor compressed."""
    assert max(len(name), len(value)) < 127
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def picture_of(data: bytes) -> bytes:
    """Join what the messages of a download carry."""
    pieces = []
    while data:
        (length,) = struct.unpack(">xI", data[:5])
        pieces.append(DownloadInputResponse.FromString(data[5 : 5 + length]).body.data)
        data = data[5 + length :]
    return b"".join(pieces)


def test_a_download_is_whole_for_a_client_that_ends_its_request_a_moment_later(tmp_path: Path, grace_hopper: Path) -> None:
    """A gateway answers as soon as it has the message. What has not found room at the client by then must not be lost."""
    path, wanted = "/myeye.v1.BlobService/DownloadInput", grace_hopper.read_bytes()
    assert len(wanted) > 10 * WINDOW
    with Mesh(tmp_path / "mesh", edge=True, workers=0) as mesh, Client(mesh.target) as client:
        request = DownloadInputRequest(job_id=client.submit(grace_hopper).id)
        with closing(Connection(mesh.edge_target)) as connection:
            connection.call(1, path, request)
            for stream in (3, 5, 7):  # others go and come meanwhile, over the same connection
                connection.call(stream, path, request)
                connection.end(stream)
                connection.read_to_end(stream)
                assert picture_of(connection.data[stream]) == wanted
            assert 1 not in connection.begun, "no gateway has heard of it before it was complete"
            connection.end(1)
            connection.read_to_end(1)
    assert picture_of(connection.data[1]) == wanted
