// node conformance-node.js 1.1|2 TARGET SCENARIO PICTURE RUN GUARDED TOKEN: the same by gRPC-Web from Node.
import { readFile } from "node:fs/promises";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { Scenario, showToken } from "./conformance";

const [httpVersion, target, scenario = "", picture = "", run = "", guarded, token = ""] = process.argv.slice(2);
const transportTo = (where?: string) =>
  createGrpcWebTransport({ baseUrl: `http://${where}`, httpVersion: httpVersion === "2" ? "2" : "1.1" });
const tell = (line: object) => console.log(JSON.stringify(line));
await new Scenario(transportTo(target), JSON.parse(await readFile(scenario, "utf8")), await readFile(picture), run, tell).play();
await showToken(transportTo(guarded), token, tell);
process.exit(); // connections are kept open for more calls
