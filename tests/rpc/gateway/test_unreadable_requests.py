"""Bytes that are no request: the caller's mistake, told as one."""

from __future__ import annotations

import grpc
import pytest


def broken(message: bytes) -> bytes:
    """Stand in for a serializer."""
    return message


BAD_UTF8 = b"\x0a\x01\xff"
CUT = b"\x0a\x05a"


@pytest.mark.parametrize("request_bytes", [BAD_UTF8, CUT])
@pytest.mark.parametrize("method", ["DetectionService/Get", "DetectionService/Submit", "BlobService/GetUpload"])
async def test_a_call_is_refused_as_invalid(front, refused, method: str, request_bytes: bytes):
    call = front.channel.unary_unary(f"/myeye.v1.{method}", request_serializer=broken)
    await refused(call(request_bytes), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


@pytest.mark.parametrize("method", ["DetectionService/Watch", "DetectionService/WatchMany", "BlobService/DownloadInput"])
async def test_a_stream_of_answers_is_refused_as_invalid(front, refused, method: str):
    call = front.channel.unary_stream(f"/myeye.v1.{method}", request_serializer=broken)
    await refused(call(CUT).read(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_stream_of_requests_is_refused_as_invalid(front, refused):
    call = front.channel.stream_unary("/myeye.v1.BlobService/Upload", request_serializer=broken)
    await refused(call(iter([CUT])), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
