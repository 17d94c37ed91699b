// The conformance scenario with Connect's client, by gRPC-Web. In a browser, `play` and `show` are functions of the window.
import { create, enumToJson, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { BadRequestSchema, ErrorInfoSchema, QuotaFailureSchema, RetryInfoSchema } from "./generated/google/rpc/error_details_pb";
import type { Status } from "./generated/google/rpc/status_pb";
import { fromBinary } from "@bufbuild/protobuf";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "./generated/grpc_health/v1/health_pb";
import { BlobService } from "./generated/myeye/v1/blob_service_pb";
import { DetectionService, type SubmitRequest, SubmitRequestSchema, type WatchResponse } from "./generated/myeye/v1/detection_service_pb";
import type { Event } from "./generated/myeye/v1/event_pb";
import { InputSchema, PrioritySchema, type State, StateSchema } from "./generated/myeye/v1/job_pb";

export type Tell = (line: object) => void;

const LIMIT: CallOptions = { timeoutMs: 60_000 };
const snake = (name = "") => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const upper = (name: string) => snake(name).slice(1).toUpperCase();
const nameOf = (state: State | undefined) => (state === undefined ? null : enumToJson(StateSchema, state));

const info = (error: ConnectError) => error.findDetails(ErrorInfoSchema)[0];
const told = (error: ConnectError) => ({ code: upper(Code[error.code]), reason: info(error)?.reason });

function reasonOf(status: Status | undefined): string {
  const packed = status?.details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return packed ? fromBinary(ErrorInfoSchema, packed.value).reason : "";
}

async function refusal(promise: Promise<unknown>): Promise<ConnectError> {
  try {
    await promise;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("was not refused");
}

async function whole(stream: AsyncIterable<{ body?: { data: Uint8Array } }>): Promise<Uint8Array> {
  const pieces: number[] = [];
  for await (const { body } of stream) for (const byte of body?.data ?? []) pieces.push(byte);
  return Uint8Array.from(pieces);
}

export class Scenario {
  private readonly detection: Client<typeof DetectionService>;
  private readonly blobs: Client<typeof BlobService>;
  private readonly healthOf: Client<typeof Health>;

  constructor(
    transport: Transport,
    private readonly scenario: { [key: string]: JsonValue },
    private readonly picture: Uint8Array,
    private readonly run: string,
    private readonly tell: Tell,
  ) {
    this.detection = createClient(DetectionService, transport);
    this.blobs = createClient(BlobService, transport);
    this.healthOf = createClient(Health, transport);
  }

  async play() {
    await this.capabilities();
    await this.health();
    const finished = await this.submitTwice();
    await this.watchToTheEnd(finished);
    await this.resume();
    await this.batch();
    await this.cancel(finished);
    await this.badRequest();
    await this.queueFull();
    const uploaded = await this.upload();
    await this.download(finished, uploaded);
    await this.deadline();
    await this.list();
    await this.remove(uploaded);
  }

  private request(key: string, step = ""): SubmitRequest {
    const made = fromJson(SubmitRequestSchema, this.scenario[key]!);
    for (const input of made.inputs) {
      if (input.name === "photo.jpg") input.source = { case: "content", value: this.picture };
    }
    made.labels.run = this.run;
    if (step) made.labels.step = step;
    return made;
  }

  private number(key: string): number {
    return this.scenario[key] as number;
  }

  private submit(made: SubmitRequest) {
    return this.detection.submit(made, LIMIT);
  }

  private async waitingJob(step: string): Promise<string> {
    return (await this.submit(this.request("waiting", step))).job!.id;
  }

  private async waited(jobId: string) {
    return (await this.detection.wait({ jobId }, LIMIT)).job!;
  }

  private async cancelled(jobId: string) {
    return (await this.detection.cancel({ jobId, reason: "conformance" }, LIMIT)).job!;
  }

  private async *watch(jobId: string, afterSequence?: bigint): AsyncGenerator<WatchResponse["message"]> {
    for await (const { message } of this.detection.watch({ jobId, afterSequence })) yield message;
  }

  private async capabilities() {
    const known = await this.detection.getCapabilities({}, LIMIT);
    this.tell({
      step: "capabilities",
      models: known.models.map((model) => [model.name, model.isDefault, model.liveWorkers > 0]).sort(),
      max_items_per_job: known.limits?.maxItemsPerJob,
      max_wait_s: Number(known.limits?.maxWait?.seconds),
      looks_at_jpeg: known.mediaTypes.includes("image/jpeg"),
    });
  }

  private async health() {
    const check = async (service: string) => {
      try {
        return Serving[(await this.healthOf.check({ service }, LIMIT)).status];
      } catch (error) {
        return upper(Code[ConnectError.from(error).code]);
      }
    };
    const [server, service, unknown] = [await check(""), await check("myeye.v1.DetectionService"), await check("nosuch")];
    this.tell({ step: "health", server, service, unknown });
  }

  private async submitTwice(): Promise<string> {
    const made = this.request("submit");
    made.requestId = `${this.run}-submit`;
    const first = await this.submit(made);
    const second = await this.submit(made);
    const job = first.job!;
    this.tell({
      step: "submit",
      replayed: [first.replayed, second.replayed],
      same_job: job.id === second.job?.id,
      priority: enumToJson(PrioritySchema, job.priority),
      label: job.labels.step,
      threshold: job.options?.scoreThreshold,
      denylist: job.options?.categoryDenylist,
    });
    const other = this.request("other");
    other.requestId = made.requestId;
    const reused = await refusal(this.submit(other));
    this.tell({ step: "reused", ...told(reused), same_job: info(reused)?.metadata.job_id === job.id });
    return job.id;
  }

  private async watchToTheEnd(jobId: string) {
    const events: Event[] = [];
    for await (const message of this.watch(jobId, 0n)) if (message.case === "event") events.push(message.value);
    const result = events.flatMap(({ kind }) => (kind.case === "itemFinished" ? [kind.value.item!.result!] : []))[0]!;
    const last = events.at(-1)?.kind;
    this.tell({
      step: "watch",
      sequences: events.map(({ sequence }) => Number(sequence)),
      kinds: events.map(({ kind }) => snake(kind.case)),
      state: nameOf(last?.case === "jobFinished" ? last.value.state : undefined),
      size: [result.widthPx, result.heightPx],
      found: result.detections.map(({ category }) => category),
      boxes_inside: result.detections.every(
        ({ boundingBox: box }) =>
          box && box.xPx >= 0 && box.yPx >= 0 && box.xPx + box.widthPx <= result.widthPx && box.yPx + box.heightPx <= result.heightPx,
      ),
      annotated: result.annotated,
    });
    const messages = [];
    for await (const message of this.watch(jobId)) messages.push(snake(message.case));
    this.tell({ step: "snapshot", messages });
  }

  private async resume() {
    const jobId = await this.waitingJob("resume");
    const before: Event[] = [];
    let cut = false;
    try {
      for await (const message of this.watch(jobId, 0n)) {
        if (message.case !== "event") continue;
        before.push(message.value);
        this.tell({ ask: "cut" });
      }
    } catch (error) {
      cut = info(ConnectError.from(error)) === undefined; // the service would have said why
    }
    const after: Event[] = [];
    for (let whole = false; !whole; ) {
      try {
        for await (const message of this.watch(jobId, (after.at(-1) ?? before.at(-1))!.sequence)) {
          if (message.case === "event") after.push(message.value);
          else await this.cancelled(jobId);
        }
        whole = true;
      } catch (error) {
        if (info(ConnectError.from(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    const last = after.at(-1)?.kind;
    this.tell({
      step: "resume",
      cut,
      before: before.map(({ sequence }) => Number(sequence)),
      after: after.map(({ sequence }) => Number(sequence)),
      kinds: after.map(({ kind }) => snake(kind.case)),
      state: nameOf(last?.case === "jobFinished" ? last.value.state : undefined),
      reason: last?.case === "jobFinished" ? reasonOf(last.value.error) : null,
    });
  }

  private async batch() {
    const job = await this.waited((await this.submit(this.request("batch"))).job!.id);
    this.tell({
      step: "batch",
      state: nameOf(job.state),
      items: job.items.map(({ name, state, error }) => [name, nameOf(state), reasonOf(error)]),
      progress: [job.progress?.itemsDone, job.progress?.itemsFailed, job.progress?.itemsTotal],
    });
  }

  private async cancel(finished: string) {
    const jobId = await this.waitingJob("cancel");
    const states = [nameOf((await this.cancelled(jobId)).state), nameOf((await this.cancelled(jobId)).state)];
    const refused = await refusal(this.cancelled(finished));
    this.tell({ step: "cancel", states, ...told(refused), ended: info(refused)?.metadata.state });
  }

  private async badRequest() {
    const refused = await refusal(this.submit(this.request("wrong")));
    this.tell({
      step: "bad_request",
      ...told(refused),
      domain: info(refused)?.domain,
      fields: refused.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field).sort(),
      count: info(refused)?.metadata.violations,
    });
  }

  private async queueFull() {
    const made = this.request("full");
    made.inputs = Array(this.number("full_items")).fill(made.inputs[0]);
    const refused = await refusal(this.submit(made));
    const delay = refused.findDetails(RetryInfoSchema)[0]?.retryDelay;
    this.tell({
      step: "queue_full",
      ...told(refused),
      subjects: refused.findDetails(QuotaFailureSchema)[0]?.violations.map(({ subject }) => subject),
      retry_later: delay !== undefined && (delay.seconds > 0n || delay.nanos > 0),
    });
  }

  /** Browsers cannot stream to a server: a piece is a call. */
  private async uploadPart(begin: bigint, end: number) {
    const data = this.picture.subarray(Number(begin), end);
    const uploadId = `${this.run}-upload-of-a-photo`;
    const sizeBytes = BigInt(this.picture.length);
    return (await this.blobs.uploadImage({ uploadId, sizeBytes, offset: begin, piece: { data } }, LIMIT)).upload!;
  }

  private async upload(): Promise<string> {
    const first = await this.uploadPart(0n, this.number("upload_cut_bytes"));
    const second = await this.uploadPart(first.receivedBytes, this.picture.length);
    const made = this.request("uploaded");
    made.inputs = [create(InputSchema, { name: "photo.jpg", source: { case: "blob", value: second.id } })];
    const job = await this.waited((await this.submit(made)).job!.id);
    this.tell({
      step: "upload",
      received: [Number(first.receivedBytes), Number(second.receivedBytes)],
      complete: [first.complete, second.complete],
      state: nameOf(job.state),
    });
    return job.id;
  }

  private async download(drawn: string, uploaded: string) {
    const input = await whole(this.blobs.downloadInput({ jobId: uploaded }, LIMIT));
    const jpeg = await whole(this.blobs.downloadAnnotated({ jobId: drawn }, LIMIT));
    this.tell({
      step: "download",
      same: input.length === this.picture.length && input.every((byte, at) => byte === this.picture[at]),
      annotated_is_jpeg: jpeg[0] === 0xff && jpeg[1] === 0xd8 && jpeg[2] === 0xff,
      missing: told(await refusal(whole(this.blobs.downloadAnnotated({ jobId: uploaded }, LIMIT)))),
    });
  }

  private async deadline() {
    const jobId = await this.waitingJob("deadline");
    const error = await refusal(this.detection.wait({ jobId }, { timeoutMs: this.number("deadline_ms") }));
    const { job } = await this.detection.get({ jobId }, LIMIT);
    this.tell({ step: "deadline", exceeded: error.code === Code.DeadlineExceeded, state: nameOf(job?.state) });
    await this.cancelled(jobId);
  }

  private async list() {
    const pages: number[] = [];
    const steps: (string | undefined)[] = [];
    let pageToken = "";
    do {
      const page = await this.detection.list({ labels: [`run=${this.run}`], pageSize: this.number("page_size"), pageToken }, LIMIT);
      pages.push(page.jobs.length);
      steps.push(...page.jobs.map(({ labels }) => labels.step));
      pageToken = page.nextPageToken;
    } while (pageToken);
    this.tell({ step: "list", pages, steps });
  }

  private async remove(jobId: string) {
    await this.detection.delete({ jobId }, LIMIT);
    this.tell({ step: "delete", ...told(await refusal(this.detection.get({ jobId }, LIMIT))) });
  }
}

/** Calls where a token is asked for. */
export async function showToken(transport: Transport, token: string, tell: Tell) {
  const client = createClient(DetectionService, transport);
  const ask = (shown: string) => client.getCapabilities({}, { ...LIMIT, headers: shown ? { authorization: `Bearer ${shown}` } : {} });
  const without = told(await refusal(ask("")));
  const wrong = told(await refusal(ask("nobody")));
  tell({ step: "token", without, wrong, right: (await ask(token)).limits !== undefined });
}

if (typeof window !== "undefined") {
  const play = (scenario: { [key: string]: JsonValue }, picture: string, run: string, tell: Tell) => {
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    return new Scenario(createGrpcWebTransport({ baseUrl: location.origin }), scenario, bytes, run, tell).play();
  };
  const show = (token: string, tell: Tell) => showToken(createGrpcWebTransport({ baseUrl: location.origin }), token, tell);
  Object.assign(window, { play, show });
}
