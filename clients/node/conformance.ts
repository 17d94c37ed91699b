// node build/conformance.js TARGET SCENARIO PICTURE RUN GUARDED TOKEN: the conformance scenario, with @grpc/grpc-js.
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { credentials, type ServiceError, status } from "@grpc/grpc-js";
import { call, detail, isTransient, reasonOf } from "./call.js";
import { BadRequest, ErrorInfo, QuotaFailure, RetryInfo } from "./generated/google/rpc/error_details.js";
import { HealthClient } from "./generated/grpc_health/v1/health.js";
import { BlobServiceClient, type UploadResponse } from "./generated/myeye/v1/blob_service.js";
import { DetectionServiceClient, ListRequest, SubmitRequest, type WatchResponse } from "./generated/myeye/v1/detection_service.js";
import type { Event } from "./generated/myeye/v1/event.js";
import type { Job } from "./generated/myeye/v1/job.js";
import type { Upload } from "./generated/myeye/v1/upload.js";

const [target = "", scenarioPath = "", picturePath = "", run = "", guarded = "", goodToken = ""] = process.argv.slice(2);
const scenario = JSON.parse(await readFile(scenarioPath, "utf8"));
const picture = await readFile(picturePath);
const detection = new DetectionServiceClient(target, credentials.createInsecure());
const blobs = new BlobServiceClient(target, credentials.createInsecure());
const healthClient = new HealthClient(target, credentials.createInsecure());

const tell = (line: object) => console.log(JSON.stringify(line));
const snake = (name = "") => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function request(key: string, step = ""): SubmitRequest {
  const made = SubmitRequest.fromJSON(scenario[key]);
  for (const input of made.inputs) {
    if (input.name === "photo.jpg") input.source = { $case: "content", value: picture };
  }
  made.labels.run = run;
  if (step) made.labels.step = step;
  return made;
}

const submit = (made: SubmitRequest) => call(detection.submit.bind(detection), made);
const waitingJob = async (step: string) => (await submit(request("waiting", step))).job!.id;
const waited = async (jobId: string): Promise<Job> => (await call(detection.wait.bind(detection), { jobId }, { timeoutMs: 70_000 })).job!;
const cancelled = async (jobId: string) => (await call(detection.cancel.bind(detection), { jobId, reason: "conformance" })).job!;

async function refusal(promise: Promise<unknown>): Promise<ServiceError> {
  try {
    await promise;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("was not refused");
}

const info = (error: ServiceError) => detail(error, "ErrorInfo", ErrorInfo);
const told = (error: ServiceError) => ({ code: status[error.code], reason: info(error)?.reason });

/** Yields the messages of one stream. */
async function* watch(jobId: string, afterSequence?: number) {
  for await (const { message } of detection.watch({ jobId, afterSequence }) as AsyncIterable<WatchResponse>) {
    if (message) yield message;
  }
}

async function capabilities() {
  const known = await call(detection.getCapabilities.bind(detection), {});
  tell({
    step: "capabilities",
    models: known.models.map((model) => [model.name, model.isDefault, model.liveWorkers > 0]).sort(),
    max_items_per_job: known.limits?.maxItemsPerJob,
    max_wait_s: known.limits?.maxWait?.seconds,
    looks_at_jpeg: known.mediaTypes.includes("image/jpeg"),
  });
}

async function health() {
  const check = async (service: string) => {
    try {
      return (await call(healthClient.check.bind(healthClient), { service })).status;
    } catch (error) {
      return status[(error as ServiceError).code];
    }
  };
  tell({ step: "health", server: await check(""), service: await check("myeye.v1.DetectionService"), unknown: await check("nosuch") });
}

async function submitTwice(): Promise<string> {
  const made = { ...request("submit"), requestId: `${run}-submit` };
  const first = await submit(made);
  const second = await submit(made);
  const job = first.job!;
  tell({
    step: "submit",
    replayed: [first.replayed, second.replayed],
    same_job: job.id === second.job?.id,
    priority: job.priority,
    label: job.labels.step,
    threshold: job.options?.scoreThreshold,
    denylist: job.options?.categoryDenylist,
  });
  const reused = await refusal(submit({ ...request("other"), requestId: made.requestId }));
  tell({ step: "reused", ...told(reused), same_job: info(reused)?.metadata.job_id === job.id });
  return job.id;
}

async function watchToTheEnd(jobId: string) {
  const events: Event[] = [];
  for await (const message of watch(jobId, 0)) if (message.$case === "event") events.push(message.value);
  const result = events.flatMap(({ kind }) => (kind?.$case === "itemFinished" ? [kind.value.item!.result!] : []))[0]!;
  const last = events.at(-1)?.kind;
  tell({
    step: "watch",
    sequences: events.map(({ sequence }) => sequence),
    kinds: events.map(({ kind }) => snake(kind?.$case)),
    state: last?.$case === "jobFinished" ? last.value.state : null,
    size: [result.widthPx, result.heightPx],
    found: result.detections.map(({ category }) => category),
    boxes_inside: result.detections.every(
      ({ boundingBox: box }) =>
        box && box.xPx >= 0 && box.yPx >= 0 && box.xPx + box.widthPx <= result.widthPx && box.yPx + box.heightPx <= result.heightPx,
    ),
    annotated: result.annotated,
  });
  const messages = [];
  for await (const message of watch(jobId)) messages.push(snake(message.$case));
  tell({ step: "snapshot", messages });
}

async function resume() {
  const jobId = await waitingJob("resume");
  const before: Event[] = [];
  let cut = false;
  try {
    for await (const message of watch(jobId, 0)) {
      if (message.$case !== "event") continue;
      before.push(message.value);
      tell({ ask: "cut" });
    }
  } catch (error) {
    cut = isTransient(error as ServiceError);
  }
  const after: Event[] = [];
  for (let whole = false; !whole; ) {
    try {
      for await (const message of watch(jobId, (after.at(-1) ?? before.at(-1))!.sequence)) {
        if (message.$case === "event") after.push(message.value);
        else if (message.$case === "heartbeat" || message.$case === "queue") await cancelled(jobId);
      }
      whole = true;
    } catch (error) {
      if (!isTransient(error as ServiceError)) throw error;
      await pause(50);
    }
  }
  const last = after.at(-1)?.kind;
  tell({
    step: "resume",
    cut,
    before: before.map(({ sequence }) => sequence),
    after: after.map(({ sequence }) => sequence),
    kinds: after.map(({ kind }) => snake(kind?.$case)),
    state: last?.$case === "jobFinished" ? last.value.state : null,
    reason: last?.$case === "jobFinished" ? reasonOf(last.value.error) : null,
  });
}

async function batch() {
  const job = await waited((await submit(request("batch"))).job!.id);
  tell({
    step: "batch",
    state: job.state,
    items: job.items.map(({ name, state, error }) => [name, state, reasonOf(error)]),
    progress: [job.progress?.itemsDone, job.progress?.itemsFailed, job.progress?.itemsTotal],
  });
}

async function cancel(finished: string) {
  const jobId = await waitingJob("cancel");
  const states = [(await cancelled(jobId)).state, (await cancelled(jobId)).state];
  const refused = await refusal(cancelled(finished));
  tell({ step: "cancel", states, ...told(refused), ended: info(refused)?.metadata.state });
}

async function badRequest() {
  const refused = await refusal(submit(request("wrong")));
  tell({
    step: "bad_request",
    ...told(refused),
    domain: info(refused)?.domain,
    fields: detail(refused, "BadRequest", BadRequest)?.fieldViolations.map(({ field }) => field).sort(),
    count: info(refused)?.metadata.violations,
  });
}

async function queueFull() {
  const made = request("full");
  made.inputs = Array(scenario.full_items).fill(made.inputs[0]);
  const refused = await refusal(submit(made));
  const { seconds = 0, nanos = 0 } = detail(refused, "RetryInfo", RetryInfo)?.retryDelay ?? {};
  tell({
    step: "queue_full",
    ...told(refused),
    subjects: detail(refused, "QuotaFailure", QuotaFailure)?.violations.map(({ subject }) => subject),
    retry_later: seconds > 0 || nanos > 0,
  });
}

function uploadPart(begin: number, end: number): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const stream = blobs.upload((error: ServiceError | null, answer: UploadResponse) => (error ? reject(error) : resolve(answer.upload!)));
    const uploadTarget = { uploadId: `${run}-upload-of-a-photo`, sizeBytes: picture.length, sha256: "", offset: begin };
    stream.write({ message: { $case: "target", value: uploadTarget } });
    for (let at = begin; at < end; at += scenario.upload_piece_bytes) {
      stream.write({ message: { $case: "data", value: picture.subarray(at, Math.min(end, at + scenario.upload_piece_bytes)) } });
    }
    stream.end();
  });
}

async function upload(): Promise<string> {
  const first = await uploadPart(0, scenario.upload_cut_bytes);
  const second = await uploadPart(first.receivedBytes, picture.length);
  const made = SubmitRequest.fromPartial({
    ...request("uploaded"),
    inputs: [{ name: "photo.jpg", source: { $case: "blob", value: second.id } }],
  });
  const job = await waited((await submit(made)).job!.id);
  tell({
    step: "upload",
    received: [first.receivedBytes, second.receivedBytes],
    complete: [first.complete, second.complete],
    state: job.state,
  });
  return job.id;
}

async function download(drawn: string, uploaded: string) {
  const whole = async (stream: AsyncIterable<{ body?: { data: Buffer } | undefined }>) => {
    const pieces: Buffer[] = [];
    for await (const { body } of stream) if (body) pieces.push(body.data);
    return Buffer.concat(pieces);
  };
  const annotated = await whole(blobs.downloadAnnotated({ jobId: drawn, item: 0 }));
  tell({
    step: "download",
    same: picture.equals(await whole(blobs.downloadInput({ jobId: uploaded, item: 0 }))),
    annotated_is_jpeg: annotated.subarray(0, 3).toString("hex") === "ffd8ff",
    missing: told(await refusal(whole(blobs.downloadAnnotated({ jobId: uploaded, item: 0 })))),
  });
}

async function deadline() {
  const jobId = await waitingJob("deadline");
  const error = await refusal(call(detection.wait.bind(detection), { jobId }, { timeoutMs: scenario.deadline_ms }));
  const { job } = await call(detection.get.bind(detection), { jobId });
  tell({ step: "deadline", exceeded: error.code === status.DEADLINE_EXCEEDED, state: job?.state });
  await cancelled(jobId);
}

async function list() {
  const pages: number[] = [];
  const steps: (string | undefined)[] = [];
  let pageToken = "";
  do {
    const page = await call(detection.list.bind(detection), {
      ...ListRequest.create(),
      labels: [`run=${run}`],
      pageSize: scenario.page_size,
      pageToken,
    });
    pages.push(page.jobs.length);
    steps.push(...page.jobs.map(({ labels }) => labels.step));
    pageToken = page.nextPageToken;
  } while (pageToken);
  tell({ step: "list", pages, steps });
}

async function remove(jobId: string) {
  await call(detection.delete.bind(detection), { jobId });
  tell({ step: "delete", ...told(await refusal(call(detection.get.bind(detection), { jobId }))) });
}

async function showToken() {
  const client = new DetectionServiceClient(guarded, credentials.createInsecure());
  const ask = (token?: string) => call(client.getCapabilities.bind(client), {}, { token });
  const without = told(await refusal(ask()));
  const wrong = told(await refusal(ask("nobody")));
  tell({ step: "token", without, wrong, right: (await ask(goodToken)).limits !== undefined });
  client.close();
}

await capabilities();
await health();
const finished = await submitTwice();
await watchToTheEnd(finished);
await resume();
await batch();
await cancel(finished);
await badRequest();
await queueFull();
const uploaded = await upload();
await download(finished, uploaded);
await deadline();
await list();
await remove(uploaded);
await showToken();
for (const client of [detection, blobs, healthClient]) client.close();
