// k6 run -e TARGET=localhost:50051 -e PICTURE=photo.jpg clients/k6/load.js
// People who hand in a picture and watch it to its end, as many at once as VUS, for DURATION. Only against a service of your own.
import encoding from "k6/encoding";
import { check } from "k6";
import { Client, StatusOK, Stream } from "k6/net/grpc";
import { Counter, Trend } from "k6/metrics";

const client = new Client();
client.load(["../../protos", "../../protos/third_party"], "myeye/v1/detection_service.proto");
const picture = encoding.b64encode(open(__ENV.PICTURE, "b"));
const metadata = __ENV.TOKEN ? { authorization: `Bearer ${__ENV.TOKEN}` } : {};

const found = new Trend("job_duration", true); // from Submit to job_finished
const unfinished = new Counter("jobs_not_succeeded");

export const options = {
  vus: Number(__ENV.VUS || 2),
  duration: __ENV.DURATION || "10s",
  thresholds: { checks: ["rate==1"], jobs_not_succeeded: ["count==0"] },
};

export default function () {
  if (__ITER === 0) client.connect(__ENV.TARGET, { plaintext: true });
  const began = Date.now();
  const request = { inputs: [{ name: "photo.jpg", content: picture }], options: { score_threshold: 0.5 } };
  const submitted = client.invoke("myeye.v1.DetectionService/Submit", request, { metadata, timeout: "30s" });
  if (!check(submitted, { "Submit is OK": ({ status }) => status === StatusOK })) return;

  const stream = new Stream(client, "myeye.v1.DetectionService/Watch", { metadata });
  stream.on("data", ({ event }) => {
    if (!event || !event.jobFinished) return;
    found.add(Date.now() - began);
    if (event.jobFinished.state !== "STATE_SUCCEEDED") unfinished.add(1);
  });
  stream.on("error", () => unfinished.add(1));
  stream.write({ job_id: submitted.message.job.id, after_sequence: 0 });
  stream.end();
}
