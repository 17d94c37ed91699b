// node build/detect.js localhost:50051 photo.jpg
// Hands in a picture, tells what happens to it while it happens, and what was found. A broken watch is resumed.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { call, isTransient, reasonOf } from "./call.js";
import { DetectionServiceClient, SubmitRequest, type WatchResponse } from "./generated/myeye/v1/detection_service.js";

/** Yields every event once. A stream ends early when a gateway stops or the network breaks; the last number says where to go on. */
async function* watch(client: DetectionServiceClient, jobId: string, afterSequence = 0) {
  for (let failures = 0; ; failures++) {
    try {
      for await (const { message } of client.watch({ jobId, afterSequence }) as AsyncIterable<WatchResponse>) {
        failures = 0;
        if (message?.$case !== "event") continue;
        afterSequence = message.value.sequence;
        yield message.value;
        if (message.value.kind?.$case === "jobFinished") return;
      }
    } catch (error) {
      if (!isTransient(error as ServiceError)) throw error;
    }
    await pause(Math.random() * Math.min(5_000, 250 * 2 ** failures));
  }
}

const [target = "localhost:50051", picture = "photo.jpg"] = process.argv.slice(2);
const client = new DetectionServiceClient(target, credentials.createInsecure());
const { job } = await call(
  client.submit.bind(client),
  SubmitRequest.fromPartial({
    requestId: randomUUID(), // so that it may be repeated and makes one job only
    inputs: [{ name: basename(picture), source: { $case: "content", value: await readFile(picture) } }],
    options: { scoreThreshold: 0.4 },
  }),
);
if (!job) throw new Error("an answer without a job");

for await (const { sequence, kind } of watch(client, job.id)) {
  console.log(`#${sequence} ${kind?.$case}`);
  if (kind?.$case === "itemFinished") {
    const { name, result, error } = kind.value.item!;
    for (const { category, score, boundingBox: box } of result?.detections ?? []) {
      console.log(`${name}: ${category} ${score.toFixed(2)} at ${box?.xPx},${box?.yPx}, ${box?.widthPx}x${box?.heightPx}`);
    }
    if (error) console.log(`${name}: ${reasonOf(error)}: ${error.message}`);
  }
  if (kind?.$case === "jobFinished") console.log(kind.value.state);
}
client.close();
