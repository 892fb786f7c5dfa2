// node run_web.mjs PACKAGE FILE: runs an ONNX file in onnxruntime-web, once for each line of orders.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [, , packageFile, file] = process.argv;
const runtime = await import(pathToFileURL(packageFile).href);
runtime.env.wasm.numThreads = 1;
let session, problem;
try {
  session = await runtime.InferenceSession.create(readFileSync(file), { executionProviders: ["wasm"] });
} catch (error) {
  problem = error;
}
for await (const line of createInterface({ input: process.stdin })) {
  const { shape, folder } = JSON.parse(line);
  try {
    if (problem) throw problem;
    const values = new Float32Array(readFileSync(`${folder}/images`).buffer.slice(0));
    const images = new runtime.Tensor("float32", values, shape);
    const before = process.cpuUsage();
    const found = await session.run({ images });
    const { user, system } = process.cpuUsage(before);
    const answer = { seconds: (user + system) / 1e6 };
    for (const name of ["logits", "deltas"]) {
      writeFileSync(`${folder}/${name}`, Buffer.from(found[name].data.buffer, found[name].data.byteOffset, found[name].data.byteLength));
      answer[name] = found[name].dims.map(Number);
    }
    console.log(JSON.stringify(answer));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message ?? error) }));
  }
}
