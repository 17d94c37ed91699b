"""Health, reflection, capabilities."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from dispatch.errors import ConfigurationError
from myeye.v1 import detection_service_pb2 as pb

SERVING = health_pb2.HealthCheckResponse.SERVING
BUF = str(Path(sys.executable).with_name("buf"))
"""As pip installed it, whether or not it is on PATH."""


@pytest.mark.parametrize("service", ["", "myeye.v1.DetectionService", "myeye.v1.BlobService"])
async def test_a_gateway_that_has_read_its_log_is_serving(front, service):
    assert (await front.health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_services_and_files(front, version):
    call = front.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="myeye.v1.DetectionService"),
    ]
    services, files = [answer async for answer in call(iter(requests))]
    assert {"myeye.v1.DetectionService", "myeye.v1.BlobService", "grpc.health.v1.Health"} <= {
        service.name for service in services.list_services_response.service
    }
    assert files.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize("protocol", ["grpc-v1", "grpc-v1alpha"])
async def test_buf_curl_lists_the_methods_of_every_service_that_reflection_tells(front, protocol):
    listing = ("curl", "--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", protocol, "--list-methods")
    process = await asyncio.create_subprocess_exec(
        BUF, *listing, f"http://{front.target}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        listed, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    assert {
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "grpc.health.v1.Health/Watch",
        "myeye.v1.DetectionService/Submit",
        "myeye.v1.BlobService/Upload",
    } <= set(listed.decode().split())


async def test_capabilities_tell_the_default_model_even_before_a_worker_was_seen(front):
    answer = await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())
    assert [(model.name, model.is_default, model.live_workers) for model in answer.models] == [("efficientdet-lite0", True, 0)]
    assert answer.limits.max_items_per_job == 100
    assert answer.limits.max_picture_bytes == 64 * 1024 * 1024
    assert "image/jpeg" in answer.media_types


async def test_a_second_gateway_on_the_same_port_is_told_so(start, front):
    with pytest.raises(ConfigurationError, match="another gateway"):
        async with start(listen=front.target):
            pass
