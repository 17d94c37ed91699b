// node conformance-node.js 1.1|2 TARGET SCENARIO PICTURE RUN: the same by gRPC-Web from Node.
import { readFile } from "node:fs/promises";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { Scenario } from "./conformance";

const [httpVersion, target, scenario = "", picture = "", run = ""] = process.argv.slice(2);
const transport = createGrpcWebTransport({ baseUrl: `http://${target}`, httpVersion: httpVersion === "2" ? "2" : "1.1" });
const tell = (line: object) => console.log(JSON.stringify(line));
await new Scenario(transport, JSON.parse(await readFile(scenario, "utf8")), await readFile(picture), run, tell).play();
process.exit(); // connections are kept open for more calls
