// node detect.mjs http://localhost:8080 photo.jpg
// Submits a picture by gRPC-Web and watches it to the end. Writes what it was told as one JSON document.
import { readFile } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { BlobService } from "./generated/myeye/v1/blob_service_pb.js";
import { DetectionService } from "./generated/myeye/v1/detection_service_pb.js";
import { InputSchema, State } from "./generated/myeye/v1/job_pb.js";

const [baseUrl, picture, httpVersion] = process.argv.slice(2);
const transport = createGrpcWebTransport({ baseUrl, httpVersion });
const detection = createClient(DetectionService, transport);
const blobs = createClient(BlobService, transport);

const bytes = await readFile(picture);
const input = create(InputSchema, { name: "photo.jpg", source: { case: "content", value: bytes } });
const submitted = await detection.submit({ inputs: [input], options: { scoreThreshold: 0.5 } });
const jobId = submitted.job.id;

const events = [];
let found = [];
for await (const { message } of detection.watch({ jobId, afterSequence: 0n })) {
  if (message.case !== "event") continue;
  const { sequence, kind } = message.value;
  events.push([Number(sequence), kind.case]);
  if (kind.case === "itemFinished") found = kind.value.item.result.detections.map(({ category }) => category);
}

const got = await detection.get({ jobId });
let size = 0;
for await (const { body } of blobs.downloadInput({ jobId })) size += body.data.length;

let refusal;
try {
  await detection.get({ jobId: "nosuch" });
} catch (error) {
  refusal = Code[ConnectError.from(error).code];
}
let streamRefusal;
try {
  for await (const _ of detection.watch({ jobId: "nosuch" }));
} catch (error) {
  streamRefusal = Code[ConnectError.from(error).code];
}

console.log(JSON.stringify({ events, found, state: State[got.job.state], whole: size === bytes.length, refusal, streamRefusal }));
