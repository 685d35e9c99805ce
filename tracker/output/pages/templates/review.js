"use strict";
// Rows of the table never change; only whose they are. `frames` ascend, `starts[f]` is the first row of frame f.
let frames, boxes, ids, starts, people = new Map(), order = [], state = {names: {}, done: [], undone: [], saved: true};
let now = 1, first = null, second = null, playing = 0, hints = [], active = 0, asking = null, busy = false;
const skipped = new Set(), pictures = new Map(), KEPT = 48, LANE = 18, LEFT = 56, WAIT = 1500;
const $ = id => document.getElementById(id);
const screen_ = $("screen"), timeline = $("timeline");
const colour = id => given.palette[((id - 1) % 10 + 10) % 10];
const ink = id => {
  const [r, g, b] = [1, 3, 5].map(at => parseInt(colour(id).slice(at, at + 2), 16) / 255).map(v => v <= .04 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return (.2126 * r + .7152 * g + .0722 * b + .05) ** 2 > .0525 ? "#000" : "#fff";
};
const clock = frame => { const s = (frame - 1) / given.rate; return `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`; };
const called = id => state.names[id] ? `${id} ${state.names[id]}` : `${id}`;

function element(tag, values = {}, ...children) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...children);
  return made;
}
function badge(id) {
  const made = element("b", {className: "id", textContent: called(id)});
  made.style.background = colour(id); made.style.color = ink(id);
  return made;
}
function tell(words, wrong = false) { $("message").textContent = words; $("message").classList.toggle("wrong", wrong); }

async function ask(place, body) {
  const options = body === undefined ? {} : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  let answer;
  try { answer = await fetch(place, options); }
  catch { throw new Error("The program does not answer. What was done so far is in the log; start `flatsort review` again."); }
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer;
}

async function load() {
  const bytes = await (await ask("rows")).arrayBuffer(), count = bytes.byteLength / 24;
  frames = new Float64Array(bytes, 0, count);
  boxes = new Float32Array(bytes, 8 * count, 4 * count);
  starts = new Map();
  for (let row = 0; row < count; row++) if (!starts.has(frames[row])) starts.set(frames[row], row);
  $("frame").max = given.last;
  [screen_.width, screen_.height] = given.size.map(side => Math.ceil(side / given.reduction));
  state = await (await ask("state")).json();
  await refresh();
  show(frames[0]);
  advise();
}

async function refresh() {
  ids = new Float64Array(await (await ask("ids")).arrayBuffer());
  people = new Map();
  for (let row = 0; row < ids.length; row++) {
    if (ids[row] < 0) continue;
    if (!people.has(ids[row])) people.set(ids[row], []);
    people.get(ids[row]).push(row);
  }
  order = [...people.keys()].sort((a, b) => frames[people.get(a)[0]] - frames[people.get(b)[0]] || a - b);
  if (!people.has(first)) first = null;
  if (!people.has(second) || second === first) second = null;
  $("saved").textContent = `${people.size} identities; ` + (state.saved ? "saved" : "not saved");
  $("count").textContent = state.done.length;
  $("done").replaceChildren(...state.done.map(words => element("li", {textContent: words})));
  document.querySelector("[data-do=undo]").disabled = !state.done.length;
  document.querySelector("[data-do=redo]").disabled = !state.undone.length;
  showPeople(); drawTimeline(); draw();
}

let waiting = Promise.resolve(true); // what is said is done one after the other
function say(content) { return waiting = waiting.then(() => perform(content)); }
async function perform(content) {
  busy = true;
  try {
    state = await (await ask(content.do === "save" ? "save" : "say", content)).json();
    await refresh();
    tell(state.words);
    if (content.do !== "save") await advise();
    return true;
  } catch (error) { tell(error.message, true); return false; }
  finally { busy = false; }
}

// Suggestions -------------------------------------------------------------------------------------------------------

async function advise() {
  let advice;
  try { advice = await (await ask("suggestions")).json(); } catch (error) { tell(error.message, true); return; }
  $("doing").textContent = advice.doing;
  if (!advice.ready && !advice.doing.startsWith("no ")) setTimeout(advise, WAIT);
  hints = advice.suggestions.filter(one => !skipped.has(keyOf(one)));
  active = Math.min(active, Math.max(hints.length - 1, 0));
  showHints(advice.ready);
}
const keyOf = one => [one.kind, one.one, one.other, one.kind === "merge" ? "" : one.frame].join();
const SHOWN = 12;

function showHints(ready) {
  const from = Math.max(0, Math.min(active - 2, hints.length - SHOWN));
  $("suggestions").replaceChildren(...hints.slice(from, from + SHOWN).map((one, at) => hint(one, from + at)));
  if (ready) $("doing").textContent = hints.length ? `${active + 1} of ${hints.length}` : "";
  if (ready && !hints.length) $("suggestions").append(element("p", {className: "note", textContent: "Nothing is suspicious any more."}));
}
function hint(one, at) {
  const words = element("p"), alike = `${one.distance.toFixed(2)} apart in looks`;
  if (one.kind === "merge") words.append(badge(one.one), " and ", badge(one.other), ` · ${gap(one.seconds)} · ${alike}`);
  if (one.kind === "cut") words.append(badge(one.one), ` changes at ${clock(one.frame)} · ${alike}`);
  if (one.kind === "swap") words.append(badge(one.one), " and ", badge(one.other), ` exchanged at ${clock(one.frame)}? · ${alike}`);
  const sides = {merge: [`${one.one}`, `${one.other}`], cut: ["before", "after"], swap: [`${one.one} before`, `${one.other} after`]}[one.kind];
  const pair = element("div", {className: "pair"}, side(sides[0], one.rows), side(sides[1], one.other_rows));
  const same = {merge: "merge them", cut: "leave it as it is", swap: "exchange them from there on"}[one.kind];
  const differ = {merge: "keep them apart", cut: "cut it there", swap: "leave them as they are"}[one.kind];
  const buttons = element("div", {className: "buttons"},
    button("Same", same, "1", () => judge(at, "same")), button("Different", differ, "2", () => judge(at, "different")), button("Skip", "ask later", "3", () => judge(at, "skip")));
  const made = element("article", {className: at === active ? "hint active" : "hint"}, words, pair, buttons);
  made.addEventListener("click", event => { if (!event.target.closest("button")) choose(at); });
  if (at === active) made.setAttribute("aria-current", "true");
  return made;
}
const gap = seconds => seconds > 0 ? `${seconds.toFixed(1)} s between` : "one within the other's gaps";
const side = (title, rows) => element("div", {}, element("div", {className: "side", textContent: title}), crops(rows));
function button(text, title, key, act) {
  const made = element("button", {type: "button", className: "quiet", title, onclick: act}, `${text} `);
  made.append(element("kbd", {textContent: key}));
  return made;
}
function crops(rows) {
  return element("div", {className: "crops"}, ...rows.map(row => {
    const image = element("img", {src: `crop/${row}.jpg`, alt: `Frame ${frames[row]}`, loading: "lazy"});
    return element("button", {type: "button", title: `frame ${frames[row]}: jump there`, onclick: () => show(frames[row])}, image);
  }));
}
function choose(at) {
  if (!hints.length) return;
  active = Math.max(0, Math.min(at, hints.length - 1));
  const one = hints[active];
  pick(one.one); if (one.other !== one.one) pick(one.other, true);
  show(one.frame); showHints(true);
  const card = document.querySelector(".hint.active"), panel = document.querySelector(".advice");
  panel.scrollTop += card.getBoundingClientRect().top - panel.getBoundingClientRect().top - 48;
  scrollToLane(one.one);
}
async function judge(at, verdict) {
  const one = hints[at];
  if (!one || busy) return; // until it is known what comes next
  active = at;
  const key = keyOf(one);
  if (verdict === "skip") { skipped.add(key); hints.splice(at, 1); active = Math.min(active, Math.max(hints.length - 1, 0)); showHints(true); return; }
  const sound = id => ({do: "sound", id, frame: one.frame});
  const said = {
    merge: {same: [{do: "merge", keep: one.one, other: one.other}], different: [{do: "different", one: one.one, other: one.other}]},
    cut: {same: [sound(one.one)], different: [{do: "cut", id: one.one, frame: one.frame}]},
    swap: {same: [{do: "swap", one: one.one, other: one.other, frame: one.frame}], different: [sound(one.one), sound(one.other)]},
  }[one.kind][verdict];
  for (const content of said) if (!await say(content)) break;
}

// The chosen identities ---------------------------------------------------------------------------------------------

function pick(id, isSecond = false) {
  if (isSecond && first !== null && id !== first) second = id;
  else if (!isSecond) { if (id === second) second = null; first = id; }
  showPeople(); drawTimeline(); draw();
}
function showPeople() {
  $("first").replaceChildren(...(first === null ? [element("p", {className: "note", textContent: "Choose an identity: click a box, or a bar below the video."})] : person(first, 6)));
  $("second").hidden = second === null;
  $("second").replaceChildren(...(second === null ? [] : person(second, 4)));
  for (const name of ["cut", "name", "renumber", "delete"]) document.querySelector(`[data-do=${name}]`).disabled = first === null;
  for (const name of ["merge", "swap", "different"]) document.querySelector(`[data-do=${name}]`).disabled = second === null;
}
function person(id, most) {
  const rows = people.get(id), spread = [...new Set(Array.from({length: most}, (_, at) => rows[Math.round(at * (rows.length - 1) / (most - 1))]))];
  const start = frames[rows[0]], end = frames[rows[rows.length - 1]];
  return [
    element("h3", {}, badge(id), element("span", {className: "note", textContent: `${rows.length} boxes, ${clock(start)} to ${clock(end)}`})),
    crops(spread),
  ];
}
function request(what) {
  if (first === null) return;
  asking = what;
  $("asked").textContent = what === "name" ? `Name of ${first} (empty: none)` : `New number of ${first}`;
  $("value").value = what === "name" ? state.names[first] || "" : "";
  $("value").inputMode = what === "name" ? "text" : "numeric";
  $("edit").hidden = false; $("value").focus();
}
$("edit").addEventListener("submit", async event => {
  event.preventDefault();
  const text = $("value").value.trim(), id = first;
  if (asking === "renumber" && !/^\d{1,15}$/.test(text)) { tell("A number is digits alone.", true); return; }
  $("edit").hidden = true; screen_.focus();
  if (asking === "name") await say({do: "name", id, name: text});
  else { const to = Number(text); if (await say({do: "renumber", id, to})) pick(to); }
});

// Frames ------------------------------------------------------------------------------------------------------------

function show(wanted) {
  const frame = now = Math.max(1, Math.min(given.last, Math.round(wanted)));
  $("frame").value = now;
  $("where").textContent = `${now} · ${clock(now)}`;
  draw(); drawTimeline();
  fetchPicture(now).then(() => { // those that will be wanted next, when this one is there
    if (now !== frame) return;
    for (let ahead = 1; ahead <= (playing ? 8 : 2); ahead++) if (now + ahead <= given.last) fetchPicture(now + ahead);
  });
}
async function fetchPicture(frame) {
  if (pictures.has(frame)) return;
  pictures.set(frame, null);
  try {
    const answer = await fetch(`frame/${frame}.jpg`);
    if (!answer.ok) throw new Error();
    pictures.set(frame, await createImageBitmap(await answer.blob()));
  } catch { pictures.delete(frame); if (frame === now) setTimeout(() => { if (frame === now) fetchPicture(frame); }, WAIT); return; }
  for (const [old, image] of pictures) {
    if (pictures.size <= KEPT) break;
    if (Math.abs(old - now) > 10 && image) { image.close(); pictures.delete(old); }
  }
  if (frame === now) draw();
}
function draw() {
  if (!ids) return;
  const pen = screen_.getContext("2d"), image = pictures.get(now), unit = Math.max(1, given.size[0] / 960);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  if (image) pen.drawImage(image, 0, 0, screen_.width, screen_.height);
  else { pen.fillStyle = "#0008"; pen.fillRect(0, 0, screen_.width, screen_.height); }
  screen_.dataset.shown = image ? now : "";
  pen.scale(1 / given.reduction, 1 / given.reduction);
  pen.font = `600 ${14 * unit}px system-ui, sans-serif`; pen.textBaseline = "top";
  for (let row = starts.get(now) ?? ids.length; row < ids.length && frames[row] === now; row++) {
    const id = ids[row];
    if (id < 0) continue;
    const [left, top, right, bottom] = boxes.subarray(4 * row, 4 * row + 4), chosen = id === first || id === second;
    pen.globalAlpha = first === null || chosen ? 1 : .65;
    pen.lineWidth = (chosen ? 4 : 2) * unit + 2; pen.strokeStyle = "#000a"; pen.strokeRect(left, top, right - left, bottom - top);
    pen.lineWidth = (chosen ? 4 : 2) * unit; pen.strokeStyle = colour(id); pen.strokeRect(left, top, right - left, bottom - top);
    const text = called(id), width = pen.measureText(text).width + 8 * unit, height = 18 * unit, above = Math.max(0, top - height);
    pen.fillStyle = colour(id); pen.fillRect(left, above, width, height);
    pen.fillStyle = ink(id); pen.fillText(text, left + 4 * unit, above + 2 * unit);
    pen.globalAlpha = 1;
  }
}
screen_.addEventListener("click", event => {
  const [x, y] = onPicture(event);
  let best = null, smallest = Infinity;
  for (let row = starts.get(now) ?? ids.length; row < ids.length && frames[row] === now; row++) {
    const [left, top, right, bottom] = boxes.subarray(4 * row, 4 * row + 4), area = (right - left) * (bottom - top);
    if (ids[row] >= 0 && x >= left && x <= right && y >= top && y <= bottom && area < smallest) [best, smallest] = [ids[row], area];
  }
  if (best !== null) pick(best, event.shiftKey);
});
function onPicture(event) { // the canvas may stand within black bars
  const box = screen_.getBoundingClientRect(), scale = Math.min(box.width / screen_.width, box.height / screen_.height);
  const x = event.clientX - box.left - (box.width - scale * screen_.width) / 2, y = event.clientY - box.top - (box.height - scale * screen_.height) / 2;
  return [x / scale * given.reduction, y / scale * given.reduction];
}

function drawTimeline() {
  const width = timeline.parentElement.clientWidth, height = Math.max(1, order.length) * LANE, dense = window.devicePixelRatio || 1;
  if (timeline.width !== Math.round(width * dense) || timeline.height !== Math.round(height * dense)) {
    timeline.width = Math.round(width * dense); timeline.height = Math.round(height * dense); timeline.style.height = `${height}px`;
  }
  const pen = timeline.getContext("2d"), style = getComputedStyle(document.body), at = frame => LEFT + (frame - 1) / given.last * (width - LEFT);
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif"; pen.textBaseline = "middle";
  order.forEach((id, lane) => {
    const top = lane * LANE, rows = people.get(id);
    if (id === first || id === second) { pen.fillStyle = style.getPropertyValue("--line"); pen.fillRect(0, top, width, LANE); }
    pen.fillStyle = style.getPropertyValue("--ink"); pen.fillText(called(id).slice(0, 8), 4, top + LANE / 2);
    pen.fillStyle = colour(id);
    for (let row = 0; row < rows.length;) {
      let end = row;
      while (end + 1 < rows.length && frames[rows[end + 1]] - frames[rows[end]] < 3) end++;
      pen.fillRect(at(frames[rows[row]]), top + 3, Math.max(2, at(frames[rows[end]] + 1) - at(frames[rows[row]])), LANE - 6);
      row = end + 1;
    }
  });
  pen.fillStyle = style.getPropertyValue("--ink"); pen.fillRect(at(now), 0, 1.5, height);
}
timeline.addEventListener("click", event => {
  const box = timeline.getBoundingClientRect(), lane = Math.floor((event.clientY - box.top) / LANE);
  const frame = 1 + (event.clientX - box.left - LEFT) / (box.width - LEFT) * given.last, id = order[lane];
  if (id === undefined) return;
  pick(id, event.shiftKey);
  const rows = people.get(id);
  show(event.clientX - box.left < LEFT ? frames[rows[0]] : frame);
});
function scrollToLane(id) {
  const top = order.indexOf(id) * LANE, box = $("lanes");
  if (top < box.scrollTop || top + LANE > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 2;
}

function play() {
  playing = playing ? (cancelAnimationFrame(playing), 0) : requestAnimationFrame(step);
  $("play").textContent = playing ? "⏸" : "▶"; $("play").setAttribute("aria-label", playing ? "Stop" : "Play");
  began = null;
}
let began = null;
function step(time) {
  began ??= {time, frame: now};
  const due = began.frame + Math.floor((time - began.time) / 1000 * given.rate);
  if (due !== now && pictures.get(Math.min(due, now + 1))) show(due);
  else if (due > now + 1) { fetchPicture(now + 1); began = {time, frame: now}; } // wait for the picture
  if (now >= given.last) play(); else playing = requestAnimationFrame(step);
}

// What buttons and keys do ------------------------------------------------------------------------------------------

function move(by, isSecond) {
  const from = isSecond ? second : first, at = order.indexOf(from);
  let next = at < 0 ? 0 : Math.max(0, Math.min(order.length - 1, at + by));
  if (isSecond && order[next] === first) next = Math.max(0, Math.min(order.length - 1, next + by));
  if (order[next] === undefined) return;
  pick(order[next], isSecond); scrollToLane(order[next]);
}
const one = content => first !== null && say(content);
const two = content => second !== null ? say(content) : tell("Choose a second identity: Shift and click, or Shift and ↑ ↓.", true);
const acts = {
  play, undo: () => say({do: "undo"}), redo: () => say({do: "redo"}), save: () => say({do: "save"}),
  help: () => { $("help").hidden = !$("help").hidden; document.querySelector("[data-do=help]").setAttribute("aria-expanded", !$("help").hidden); },
  cut: () => one({do: "cut", id: first, frame: now}), delete: () => one({do: "delete", id: first}),
  name: () => request("name"), renumber: () => request("renumber"),
  merge: () => two({do: "merge", keep: first, other: second}), swap: () => two({do: "swap", one: first, other: second, frame: now}),
  different: () => two({do: "different", one: first, other: second}),
};
const edge = last => { if (first !== null) { const rows = people.get(first); show(frames[rows[last ? rows.length - 1 : 0]]); } };
const keys = {
  " ": play, z: acts.undo, y: acts.redo, s: acts.save, "?": acts.help, c: acts.cut, n: acts.name, r: acts.renumber, m: acts.merge, x: acts.swap,
  d: acts.different, delete: acts.delete, backspace: acts.delete, j: () => choose(active + 1), k: () => choose(active - 1), home: () => show(1),
  end: () => show(given.last), "[": () => edge(false), "]": () => edge(true), escape: () => { first = second = null; showPeople(); drawTimeline(); draw(); },
  1: () => judge(active, "same"), 2: () => judge(active, "different"), 3: () => judge(active, "skip"),
};
document.addEventListener("keydown", event => {
  if (event.target.closest("#edit")) { if (event.key === "Escape") { $("edit").hidden = true; screen_.focus(); } return; }
  const key = event.key.toLowerCase(), isUndo = (event.ctrlKey || event.metaKey) && key === "z";
  if ((event.ctrlKey || event.metaKey || event.altKey) && !isUndo) return;
  if ((key === " " || key === "enter") && event.target.closest("button, summary, a")) return; // what has the focus is pressed
  if (key === "arrowleft" || key === "arrowright") show(now + (key === "arrowleft" ? -1 : 1) * (event.shiftKey ? Math.round(given.rate) : 1));
  else if (key === "arrowup" || key === "arrowdown") move(key === "arrowup" ? -1 : 1, event.shiftKey);
  else if (isUndo) event.shiftKey ? acts.redo() : acts.undo();
  else if (keys[key]) keys[key]();
  else return;
  event.preventDefault();
});
document.querySelectorAll("[data-do]").forEach(made => made.addEventListener("click", () => { acts[made.dataset.do](); if (made.id !== "play") made.blur(); }));
$("frame").addEventListener("input", event => show(Number(event.target.value)));
window.addEventListener("resize", drawTimeline);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTimeline);
load().catch(error => tell(error.message, true));
