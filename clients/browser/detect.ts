// A page that hands in the picture that a person chooses, tells what happens to it while it happens, and what was found.
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { DetectionService } from "./generated/myeye/v1/detection_service_pb";
import type { Event } from "./generated/myeye/v1/event_pb";
import { InputSchema, State } from "./generated/myeye/v1/job_pb";

const client = createClient(DetectionService, createGrpcWebTransport({ baseUrl: location.origin }));
const picture = document.querySelector<HTMLInputElement>("#picture")!;
const told = document.querySelector("#told")!;
const tell = (line: string) => told.append(`${line}\n`);

const LASTING = new Set([Code.InvalidArgument, Code.NotFound, Code.OutOfRange, Code.PermissionDenied, Code.Unauthenticated]);

/** Yields every event of a job once. A stream that ends before the job does is resumed after the last event. */
async function* watch(service: Client<typeof DetectionService>, jobId: string): AsyncGenerator<Event> {
  let afterSequence = 0n;
  for (let failures = 0; ; failures++) {
    try {
      for await (const { message } of service.watch({ jobId, afterSequence })) {
        failures = 0;
        if (message.case !== "event") continue;
        afterSequence = message.value.sequence;
        yield message.value;
        if (message.value.kind.case === "jobFinished") return;
      }
    } catch (error) {
      if (LASTING.has(ConnectError.from(error).code)) throw error;
    }
    const pauseMs = Math.random() * Math.min(5_000, 250 * 2 ** failures);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function detect(file: File) {
  const content = new Uint8Array(await file.arrayBuffer());
  const { job } = await client.submit(
    {
      requestId: Array.from(crypto.getRandomValues(new Uint32Array(4))).join("-"), // safe to repeat
      inputs: [create(InputSchema, { name: file.name, source: { case: "content", value: content } })],
      options: { scoreThreshold: 0.4 },
    },
    { timeoutMs: 30_000 },
  );
  for await (const { sequence, kind } of watch(client, job!.id)) {
    tell(`#${sequence} ${kind.case}`);
    if (kind.case === "itemFinished") {
      const { name, result, error } = kind.value.item!;
      for (const { category, score, boundingBox: box } of result?.detections ?? []) {
        tell(`${name}: ${category} ${score.toFixed(2)} at ${box?.xPx},${box?.yPx}, ${box?.widthPx}x${box?.heightPx}`);
      }
      if (error) tell(`${name}: ${error.message}`);
    }
    if (kind.case === "jobFinished") tell(State[kind.value.state]!);
  }
}

picture.addEventListener("change", () => {
  for (const file of picture.files ?? []) detect(file).catch((error) => tell(String(error)));
});
