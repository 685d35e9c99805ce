"use strict";
// Zones and lines on a picture. A place is {kind, name, points, properties}; whatever changes them goes through `change`,
// which remembers how they were, and `draw`, which shows them as they are.

const canvas = document.getElementById("canvas");
const svg = (name, attributes = {}, parent = null) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
};
const LEAST = { zone: 3, line: 2 };
const ANCHORS = {
  zone: [["feet", ["bottom_center"]], ["centre", ["center"]], ["whole box", ["top_left", "top_right", "bottom_left", "bottom_right"]]],
  line: [["whole box", ["top_left", "top_right", "bottom_left", "bottom_right"]], ["feet", ["bottom_center"]], ["centre", ["center"]]],
};
const HINTS = {
  select: "Click a zone or line to select it. Drag it, or its corners.",
  zone: "Click the corners of the zone; click the first one again, or press Enter, to close it.",
  line: "Click where the line starts and where it ends. The arrow shows which side is “in”.",
};

let places = [];
let chosen = -1;          // row of the selected place
let tool = "select";
let draft = [];           // points of what is being drawn
let cross = null;         // where the next point would be
let drag = null;
let pressed = null;       // the last press of the pointer
let past = [], future = [];
let saved = "[]";

document.querySelector(".picture").style.setProperty("--aspect", picture.width / picture.height);

// ---- changes, which can be undone

const state = () => JSON.stringify(places);
function change(work) {
  const before = state();
  work();
  if (state() !== before) { past.push(before); future = []; }
  draw();
}
function travel(from, to) {
  if (!from.length) return;
  to.push(state());
  places = JSON.parse(from.pop());
  chosen = Math.min(chosen, places.length - 1);
  draft = [];
  draw();
}
const undo = () => (draft.length ? (draft.pop(), draw()) : travel(past, future));
const redo = () => travel(future, past);

function choose(row) { chosen = row; draw(); }
function use(name) {
  tool = name;
  draft = [];
  cross = null;
  if (name !== "select") chosen = -1;
  draw();
}
function freeName(kind) {
  for (let number = 1; ; number++) if (!places.some((one) => one.name === `${kind} ${number}`)) return `${kind} ${number}`;
}
function clean(points) { return points.filter((point, row) => String(point) !== String(points[(row + 1) % points.length])); }
function isFlat(points) {
  const [a, b] = points;
  return points.every((c) => (b[0] - a[0]) * (c[1] - a[1]) === (b[1] - a[1]) * (c[0] - a[0]));
}
function finish() {
  const kind = tool, points = clean(draft);
  if (points.length < LEAST[kind] || (kind === "zone" && isFlat(points))) {
    say(kind === "zone" ? "A zone needs three corners that are not on one line." : "A line needs a start and an end.");
    return;
  }
  draft = [];
  tool = "select";
  change(() => { places.push({ kind, name: freeName(kind), points, properties: {} }); chosen = places.length - 1; });
  const input = document.querySelector("#places li.chosen input");
  if (input) { input.focus({ preventScroll: true }); input.select(); }
}
function put(point) {
  const first = draft[0];
  if (tool === "zone" && draft.length >= 3 && near(point, first)) return finish();
  draft.push(point);
  if (tool === "line" && draft.length === 2) return finish();
  draw();
}
function remove() { if (chosen >= 0) change(() => { places.splice(chosen, 1); chosen = Math.min(chosen, places.length - 1); }); }
function turn(row) { if (row >= 0 && places[row].kind === "line") change(() => places[row].points.reverse()); }
function shift(points, x, y) {
  const xs = points.map((one) => one[0]), ys = points.map((one) => one[1]);
  x = Math.max(-Math.min(...xs), Math.min(picture.width - Math.max(...xs), x));
  y = Math.max(-Math.min(...ys), Math.min(picture.height - Math.max(...ys), y));
  return points.map((one) => [one[0] + x, one[1] + y]);
}

// ---- pointer

const scale = () => picture.width / (canvas.getBoundingClientRect().width || picture.width);  // picture's pixels a screen's
const within = (x, y) => [Math.max(0, Math.min(picture.width, Math.round(x))), Math.max(0, Math.min(picture.height, Math.round(y)))];
function at(event) {
  const frame = canvas.getBoundingClientRect();
  return within((event.clientX - frame.left) * scale(), (event.clientY - frame.top) * scale());
}
const near = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) <= 12 * scale();

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  const point = at(event);
  const isDouble = pressed && event.timeStamp - pressed.time < 400 && near(point, pressed.point);
  pressed = isDouble ? null : { time: event.timeStamp, point };  // what was clicked is drawn anew: no dblclick reaches it
  if (tool !== "select") {
    cross = null;
    if (isDouble && tool === "zone" && draft.length >= 3) return finish();  // a double click closes
    return put(point);
  }
  const target = event.target.dataset;
  if (target.row === undefined) return choose(-1);
  const row = Number(target.row);
  let corner = target.corner === undefined ? null : Number(target.corner);
  const before = state();
  if (target.between !== undefined) {
    corner = Number(target.between) + 1;
    places[row].points.splice(corner, 0, point);
  }
  if (isDouble && target.corner !== undefined && places[row].points.length > LEAST[places[row].kind]) {
    change(() => places[row].points.splice(corner, 1));
    return;
  }
  chosen = row;
  drag = { row, corner, from: point, points: places[row].points.map((one) => [...one]), before };
  canvas.setPointerCapture(event.pointerId);
  draw();
});
canvas.addEventListener("pointermove", (event) => {
  const point = at(event);
  if (drag) {
    const place = places[drag.row];
    if (drag.corner === null) place.points = shift(drag.points, point[0] - drag.from[0], point[1] - drag.from[1]);
    else place.points[drag.corner] = point;
    draw();
  } else if (tool !== "select" && event.pointerType !== "touch") {
    cross = point;
    draw();
  }
});
const drop = () => {
  if (!drag) return;
  const { before } = drag;
  drag = null;
  if (state() !== before) { past.push(before); future = []; }
  draw();
};
canvas.addEventListener("pointerup", drop);
canvas.addEventListener("pointercancel", drop);
canvas.addEventListener("pointerleave", () => { if (!drag && cross) { cross = null; draw(); } });

// ---- keys

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
document.addEventListener("keydown", (event) => {
  const key = event.key, command = event.ctrlKey || event.metaKey;
  if (command && key.toLowerCase() === "s") { event.preventDefault(); return save(); }
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (key === "Enter" || key === "Escape") { event.target.blur(); canvas.focus({ preventScroll: true }); }
    return;
  }
  if (command && key.toLowerCase() === "z") { event.preventDefault(); return event.shiftKey ? redo() : undo(); }
  if (command && key.toLowerCase() === "y") { event.preventDefault(); return redo(); }
  if (command || event.altKey) return;
  const tools = { z: "zone", l: "line", s: "select" };
  if (tools[key.toLowerCase()]) { event.preventDefault(); canvas.focus({ preventScroll: true }); return use(tools[key.toLowerCase()]); }
  if (key.toLowerCase() === "t") return turn(chosen);
  if (key.toLowerCase() === "o") return document.getElementById("file").click();
  if (event.target !== canvas && event.target !== document.body) return;
  if (STEPS[key]) {
    event.preventDefault();
    const [x, y] = STEPS[key];
    if (tool === "select") {
      const step = event.shiftKey ? 10 : 1;
      if (chosen >= 0) change(() => { places[chosen].points = shift(places[chosen].points, x * step, y * step); });
    } else {
      const step = event.shiftKey ? 1 : 10;
      const here = cross || draft[draft.length - 1] || [picture.width / 2, picture.height / 2];
      cross = within(here[0] + x * step, here[1] + y * step);
      say(`(${cross})`);
      draw(false);
    }
  } else if (key === " " && tool !== "select") {
    event.preventDefault();
    put([...(cross || within(picture.width / 2, picture.height / 2))]);
  } else if (key === "Enter" && tool !== "select") { event.preventDefault(); finish(); }
  else if (key === "Escape") use("select");
  else if (key === "Backspace" && draft.length) { draft.pop(); draw(); }
  else if (key === "Delete" || key === "Backspace") remove();
});
for (const button of document.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => { use(button.dataset.tool); canvas.focus({ preventScroll: true }); });
}
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("redo").addEventListener("click", redo);
document.getElementById("save").addEventListener("click", save);
document.getElementById("open").addEventListener("click", () => document.getElementById("file").click());
document.getElementById("file").addEventListener("change", (event) => { load(event.target.files[0]); event.target.value = ""; });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => { event.preventDefault(); load(event.dataTransfer.files[0]); });
window.addEventListener("beforeunload", (event) => { if (state() !== saved) event.preventDefault(); });
window.addEventListener("resize", () => draw());

// ---- files

function toGeoJSON() {
  return {
    type: "FeatureCollection",
    features: places.map(({ kind, name, points, properties }) => ({
      type: "Feature",
      properties: { ...properties, name },
      geometry: kind === "zone" ? { type: "Polygon", coordinates: [[...points, points[0]]] } : { type: "LineString", coordinates: points },
    })),
  };
}
function fromGeoJSON(content) {
  const features = Array.isArray(content) ? content : content.features || content.geometries || [content];
  const found = [];
  for (const feature of features) {
    const geometry = feature.geometry || feature;
    const kind = { polygon: "zone", linestring: "line" }[String(geometry.type).toLowerCase()];
    if (!kind) throw new Error(`a ${geometry.type}, where Polygons and LineStrings are expected`);
    const isPoint = (one) => Array.isArray(one) && typeof one[0] === "number" && typeof one[1] === "number";
    let points = geometry.coordinates;
    if (kind === "zone" && !isPoint(points[0])) points = points[0];
    if (!points.every(isPoint)) throw new Error("points that are not two numbers");
    points = points.map((one) => [one[0], one[1]]);
    if (kind === "zone") points = clean(points);
    if (points.length < LEAST[kind] || (kind === "line" && points.length > 2)) throw new Error(`a ${kind} of ${points.length} points`);
    const { name, ...properties } = { ...feature.properties };
    const title = name ?? feature.name ?? feature.id;
    found.push({ kind, name: title === undefined ? "" : String(title), points, properties });
  }
  return found;
}
async function load(file) {
  if (!file) return;
  try {
    const found = fromGeoJSON(JSON.parse(await file.text()));
    change(() => {
      places = found;
      for (const one of places) if (!one.name) one.name = freeName(one.kind);
      chosen = -1;
    });
    saved = state();
    say(`${file.name}: ${found.length} opened.`);
  } catch (error) { say(`${file.name} cannot be opened: ${error.message}`, true); }
}
function trouble() {
  const names = places.map((one) => one.name.trim());
  const twice = names.find((name, row) => names.indexOf(name) !== row);
  if (names.includes("")) return "Every zone and line needs a name.";
  if (twice !== undefined) return `“${twice}” is there twice: every name has to be another.`;
  return "";
}
function save() {
  if (!places.length) return say("There is nothing to save yet.", true);
  if (trouble()) return say(trouble(), true);
  for (const one of places) one.name = one.name.trim();
  const text = JSON.stringify(toGeoJSON(), null, 1).replace(/\[\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]/g, "[$1, $2]");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "application/json" }));
  link.download = "zones.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  saved = state();
  say(`zones.json: ${places.length} saved to where your browser keeps downloads.`);
}
function say(text, isTrouble = false) {
  const hint = document.getElementById("hint");
  hint.textContent = text;
  hint.classList.toggle("careful", isTrouble);
  said = true;
}
let said = false;

// ---- what is seen

function path(points, isClosed) { return `M${points.map((one) => one.join(" ")).join("L")}${isClosed ? "Z" : ""}`; }
function outline(group, shape) {
  svg("path", { class: "edge", d: shape }, group);
  svg("path", { class: "ink", d: shape }, group);
}
function arrow([start, end], size) {
  // From the middle of a line to its left, seen from start to end: to “in”. The picture's y points downwards.
  const x = end[0] - start[0], y = end[1] - start[1], length = Math.hypot(x, y) || 1;
  const across = [y / length, -x / length], along = [x / length, y / length];
  const middle = [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2];
  const tip = middle.map((one, axis) => one + across[axis] * size);
  const barb = (side) => tip.map((one, axis) => one - across[axis] * size * 0.38 + side * along[axis] * size * 0.26);
  return { shape: `${path([middle, tip])}${path([barb(1), tip, barb(-1)])}`, word: middle.map((one, axis) => one + across[axis] * size * 1.45), back: middle.map((one, axis) => one - across[axis] * size * 0.6), isUpright: Math.abs(across[0]) > 0.7 ? Math.sign(across[0]) : 0 };
}
function write(group, text, [x, y], unit, anchor = "middle") {
  const element = svg("text", { x, y, "text-anchor": anchor, "font-size": 15 * unit, "stroke-width": 4 * unit, "dominant-baseline": "central" }, group);
  element.style.fontSize = `${15 * unit}px`;
  element.textContent = text;
}
function drawPlace(place, row, unit) {
  const group = svg("g", { class: `${place.kind}${row === chosen ? " chosen" : ""}` }, canvas);
  const shape = path(place.points, place.kind === "zone");
  outline(group, shape);
  svg("path", { class: "body", d: shape, "data-row": row }, group);
  if (place.kind === "line") {
    const { shape: pointer, word, back, isUpright } = arrow(place.points, 40 * unit);
    outline(group, pointer);
    write(group, "in", word, unit);
    write(group, place.name, back, unit, isUpright > 0 ? "end" : isUpright < 0 ? "start" : "middle");
  } else {
    const count = place.points.length;
    const centre = [0, 1].map((axis) => place.points.reduce((sum, one) => sum + one[axis], 0) / count);
    write(group, place.name, centre, unit);
  }
  if (row !== chosen || tool !== "select") return;
  const rows = place.points.length;
  if (place.kind === "zone") {
    place.points.forEach((one, corner) => {
      const next = place.points[(corner + 1) % rows];
      svg("circle", { class: "between", cx: (one[0] + next[0]) / 2, cy: (one[1] + next[1]) / 2, r: 4.5 * unit, "data-row": row, "data-between": corner }, group);
    });
  }
  place.points.forEach((one, corner) => svg("circle", { class: "corner", cx: one[0], cy: one[1], r: 7 * unit, "data-row": row, "data-corner": corner }, group));
}
function draw(withHint = true) {
  const unit = scale();
  canvas.replaceChildren();
  canvas.classList.toggle("draws", tool !== "select");
  for (const kind of ["zone", "line"]) places.forEach((place, row) => { if (place.kind === kind) drawPlace(place, row, unit); });
  if (draft.length) {
    const group = svg("g", { class: "draft" }, canvas);
    outline(group, path(cross ? [...draft, cross] : draft));
    draft.forEach((one, row) => svg("circle", { class: `corner${row ? "" : " first"}`, cx: one[0], cy: one[1], r: 6 * unit }, group));
    if (tool === "line" && cross) outline(group, arrow([draft[0], cross], 40 * unit).shape);
  }
  if (cross && tool !== "select") {
    svg("path", { class: "cross", d: `M${cross[0]} 0V${picture.height}M0 ${cross[1]}H${picture.width}` }, canvas);
  }
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  document.getElementById("undo").disabled = !past.length && !draft.length;
  document.getElementById("redo").disabled = !future.length;
  if (withHint && !said) { document.getElementById("hint").textContent = HINTS[tool]; document.getElementById("hint").classList.remove("careful"); }
  said = false;
  list();
}
function list() {
  const box = document.getElementById("places"), problem = trouble();
  document.getElementById("nothing").hidden = places.length > 0;
  document.getElementById("trouble").hidden = !problem;
  document.getElementById("trouble").textContent = problem;
  while (box.children.length > places.length) box.lastChild.remove();
  while (box.children.length < places.length) box.append(entry());
  const names = places.map((one) => one.name.trim());
  places.forEach((place, row) => {
    const item = box.children[row], input = item.querySelector("input"), anchors = item.querySelector("select");
    item.classList.toggle("chosen", row === chosen);
    item.querySelector(".kind").textContent = place.kind;
    item.querySelector(".turn").hidden = place.kind !== "line";
    if (input.value !== place.name) input.value = place.name;
    input.setAttribute("aria-label", `Name of ${place.kind} ${row + 1}`);
    input.setAttribute("aria-invalid", String(!names[row] || names.indexOf(names[row]) !== names.lastIndexOf(names[row])));
    fillAnchors(anchors, place);
  });
}
function fillAnchors(select, place) {
  const now = JSON.stringify(place.properties.anchors ?? ANCHORS[place.kind][0][1]);
  const known = [...ANCHORS[place.kind]];
  if (!known.some(([, anchors]) => JSON.stringify(anchors) === now)) known.push([[place.properties.anchors].flat().join(", "), place.properties.anchors]);
  const wanted = known.map(([words, anchors]) => `${words}|${JSON.stringify(anchors)}`).join("\n");
  if (select.dataset.options !== wanted) {
    select.dataset.options = wanted;
    select.replaceChildren(...known.map(([words, anchors]) => new Option(words, JSON.stringify(anchors))));
  }
  select.value = now;
  select.setAttribute("aria-label", `What of a box counts at ${place.name}`);
}
function entry() {
  const item = document.createElement("li");
  item.innerHTML = '<div class="row"><span class="kind"></span><input maxlength="80" autocomplete="off" spellcheck="false"></div>'
    + '<div class="row"><select></select><button type="button" class="quiet turn" title="Swap in and out (T)">Turn</button><button type="button" class="quiet delete">Delete</button></div>';
  const row = () => [...item.parentNode.children].indexOf(item);
  const input = item.querySelector("input");
  input.addEventListener("focus", () => { if (tool === "select" && chosen !== row()) choose(row()); });
  let before = "";
  input.addEventListener("focus", () => { before = state(); });
  input.addEventListener("input", () => { places[row()].name = input.value; draw(); });
  input.addEventListener("change", () => { if (state() !== before) { past.push(before); future = []; before = state(); draw(); } });
  item.querySelector("select").addEventListener("change", (event) => change(() => {
    const place = places[row()], anchors = JSON.parse(event.target.value);
    if (JSON.stringify(anchors) === JSON.stringify(ANCHORS[place.kind][0][1])) delete place.properties.anchors;
    else place.properties.anchors = anchors;
  }));
  item.querySelector(".turn").addEventListener("click", () => turn(row()));
  item.querySelector(".delete").addEventListener("click", () => { chosen = row(); remove(); canvas.focus({ preventScroll: true }); });
  item.addEventListener("pointerdown", (event) => { if (event.target === item || event.target.className === "kind") choose(row()); });
  return item;
}

places = fromGeoJSON(given);
for (const one of places) if (!one.name) one.name = freeName(one.kind);
saved = state();
draw();
