// The page: a picture or the camera in, boxes drawn and listed. detector.json says what runs.

import { suppressBoxes } from "./decode.mjs";

const element = (id) => document.getElementById(id);
const canvas = element("picture"), pen = canvas.getContext("2d");
const views = []; // canvases with the picture as the detector sees it, largest first
const MOST = 2048; // longer side in pixels of what is looked at; phones take larger photographs

let about, session, runtime, stream;
let shown = null; // { source, width, height, boxes, scores, milliseconds }
let waiting = Promise.resolve(); // one run at a time

async function load(engine) {
  const file = engine === "webgpu" ? "./runtime/ort.webgpu.min.mjs" : "./runtime/ort.wasm.min.mjs";
  runtime = await import(file);
  runtime.env.wasm.wasmPaths = new URL("./runtime/", location.href).href;
  // Threads need a page that no other site shares memory with; `nasface serve` says so in headers.
  const threads = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
  runtime.env.wasm.numThreads = threads;
  session = await runtime.InferenceSession.create("./" + about.file, {
    executionProviders: engine === "webgpu" ? ["webgpu", "wasm"] : ["wasm"],
  });
  element("threads").textContent = threads === 1 ? "1 thread." : `${threads} threads.`;
}

/** Scales of a picture's views: at most MOST pixels, and halved while it is large, since faces can
 *  be larger than the detector knows. */
function scalesOf(longest) {
  const scales = [Math.min(1, MOST / longest)];
  while (scales.at(-1) * longest > about.octaves.side) scales.push(scales.at(-1) / 2);
  return scales;
}

/** The pixels of a canvas as the detector takes them. */
function normalised(pixels, rows, columns) {
  const area = columns * rows, values = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const mean = about.mean[channel] * 255, deviation = about.standard_deviation[channel] * 255;
    for (let at = 0; at < area; at++)
      values[channel * area + at] = (pixels[4 * at + channel] - mean) / deviation;
  }
  return new runtime.Tensor("float32", values, [1, 3, rows, columns]);
}

/** The faces of what can be drawn: boxes in its own pixels, cut at its borders, and scores. */
async function detect(source, width, height) {
  const scales = scalesOf(Math.max(width, height));
  const boxes = [], scores = [];
  let milliseconds = 0, larger = source;
  for (const [at, scale] of scales.entries()) {
    const [columns, rows] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
    const view = (views[at] ??= document.createElement("canvas"));
    view.width = columns;
    view.height = rows;
    const reader = view.getContext("2d", { willReadFrequently: true });
    reader.drawImage(larger, 0, 0, columns, rows);
    larger = view;
    const images = normalised(reader.getImageData(0, 0, columns, rows).data, rows, columns);
    const start = performance.now();
    const found = await session.run({ images });
    milliseconds += performance.now() - start;
    const across = width / columns, down = height / rows;
    const clip = (value, most) => Math.min(Math.max(value, 0), most);
    found.scores.data.forEach((score, face) => {
      const [x1, y1, x2, y2] = found.boxes.data.subarray(4 * face, 4 * face + 4);
      const box = [
        clip(x1 * across, width), clip(y1 * down, height),
        clip(x2 * across, width), clip(y2 * down, height),
      ];
      // Each view answers for faces of the sizes that the detector knows.
      const sides = [(box[2] - box[0]) * scale, (box[3] - box[1]) * scale];
      const isLast = at === scales.length - 1;
      if (at && Math.max(...sides) <= about.octaves.least) return;
      if (!isLast && Math.min(...sides) >= about.octaves.most) return;
      boxes.push(box);
      scores.push(score);
    });
  }
  const kept = scales.length === 1
    ? scores.keys() : suppressBoxes(about.suppression, Float32Array.from(boxes.flat()), scores);
  const faces = [...kept];
  return {
    source, width, height, milliseconds,
    boxes: faces.map((at) => boxes[at]), scores: faces.map((at) => scores[at]),
  };
}

/** Draw and list what is shown, from the score threshold of the slider on. */
function show() {
  const least = Number(element("threshold").value);
  element("shown-threshold").textContent = least.toFixed(2);
  if (!shown) return;
  const { source, width, height, boxes, scores, milliseconds } = shown;
  canvas.width = width;
  canvas.height = height;
  pen.drawImage(source, 0, 0, width, height);
  const line = Math.max(2, Math.round(Math.max(width, height) / 300));
  const kept = scores.map((score, at) => [boxes[at], score]).filter(([, score]) => score >= least);
  for (const [[x1, y1, x2, y2]] of [...kept].reverse())
    for (const [colour, thickness] of [["#000000", line * 2], ["#ffd33d", line]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thickness;
      pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
  const number = `${kept.length} ${kept.length === 1 ? "face" : "faces"}`;
  canvas.hidden = false;
  canvas.setAttribute("aria-label", `The picture with ${number} marked`);
  element("hint").hidden = true;
  say(`${number}, ${milliseconds.toFixed(0)} ms`);
  element("faces").replaceChildren(...kept.map(([box, score]) => {
    const item = document.createElement("li");
    item.textContent = `${score.toFixed(2)}: ${box.map((value) => value.toFixed(0)).join(", ")}`;
    item.dataset.box = JSON.stringify(box);
    item.dataset.score = score;
    return item;
  }));
}

function say(text) {
  element("status").textContent = text;
}

/** Run one thing after another, and say what went wrong. */
function enqueue(act) {
  waiting = waiting.then(act).catch((problem) => say(`Did not work: ${problem.message}`));
  return waiting;
}

async function look(file) {
  stopCamera();
  say("Looking ...");
  let picture;
  try {
    picture = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    return say(`${file.name}: no picture that this browser can read`);
  }
  const found = await detect(picture, picture.width, picture.height);
  shown?.source.close();
  shown = found;
  show();
}

async function startCamera() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
  } catch (problem) {
    return say(`No camera: ${problem.message}`);
  }
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  element("camera").setAttribute("aria-pressed", "true");
  element("camera").textContent = "Stop the camera";
  const mine = stream;
  const next = async () => {
    if (stream !== mine) return;
    // The camera goes on while its frame is looked at.
    const frame = await createImageBitmap(video);
    const found = await detect(frame, frame.width, frame.height);
    if (stream !== mine) return;
    shown?.source.close();
    shown = found;
    show();
    requestAnimationFrame(() => enqueue(next));
  };
  enqueue(next);
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  element("camera").setAttribute("aria-pressed", "false");
  element("camera").textContent = "Camera";
}

element("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) enqueue(() => look(file));
  event.target.value = "";
});
element("camera").addEventListener("click", () => (stream ? stopCamera() : startCamera()));
element("threshold").addEventListener("input", show);
element("engine").addEventListener("change", (event) => enqueue(async () => {
  say("Loading the detector ...");
  await load(event.target.value);
  if (shown) shown = await detect(shown.source, shown.width, shown.height);
  say("Ready");
  show();
}));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) enqueue(() => look(file));
  });

enqueue(async () => {
  about = await (await fetch("./detector.json")).json();
  element("name").textContent = about.name;
  document.title = `Find faces with ${about.name}`;
  await load("wasm");
  element("engine-label").hidden = !navigator.gpu;
  element("file").disabled = false;
  element("camera").disabled = !navigator.mediaDevices;
  say("Ready");
});
