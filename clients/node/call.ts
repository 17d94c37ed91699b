// grpc-js has callbacks and raw trailers; here are promises, and errors with the details that every error of myeye carries.
import { type CallOptions, type ClientUnaryCall, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ErrorInfo } from "./generated/google/rpc/error_details.js";
import { Status } from "./generated/google/rpc/status.js";

type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer: A) => void,
) => ClientUnaryCall;

/** Makes a unary call, as `call(client.get.bind(client), {jobId})`. */
export function call<Q, A>(method: Unary<Q, A>, request: Q, { timeoutMs = 30_000, token = "" } = {}): Promise<A> {
  const deadline = Date.now() + timeoutMs;
  const metadata = new Metadata();
  if (token) metadata.set("authorization", `Bearer ${token}`);
  return new Promise((resolve, reject) => {
    method(request, metadata, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

type Decoder<T> = { decode(bytes: Uint8Array): T };

/** Gives the first google.rpc detail of a kind, as `detail(error, "RetryInfo", RetryInfo)`. */
export function detail<T>(error: ServiceError, kind: string, decoder: Decoder<T>): T | undefined {
  const [packed] = error.metadata.get("grpc-status-details-bin");
  return packed ? detailOf(Status.decode(packed as Buffer), kind, decoder) : undefined;
}

/** The same of a status in a message, as `Item.error`. */
export function detailOf<T>(told: Status | undefined, kind: string, decoder: Decoder<T>): T | undefined {
  const found = told?.details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${kind}`));
  return found && decoder.decode(found.value);
}

/** Why, in the service's own word, as "IMAGE_INVALID"; empty without. */
export function reasonOf(told: Status | undefined): string {
  return detailOf(told, "ErrorInfo", ErrorInfo)?.reason ?? "";
}

/** Whether the same call may work a little later. */
export function isTransient({ code }: ServiceError): boolean {
  return code === status.UNAVAILABLE || code === status.INTERNAL;
}
