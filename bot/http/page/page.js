// The page: current message, queue, history, and the controls.

import { WrongToken, ask, clock, follow, token } from "./client.js";
import { Now } from "./now.js";
import { plotBuffer, plotFirstSounds } from "./plot.js";

const $ = (id) => document.getElementById(id);
const BUFFER_SPAN_MS = 120_000;
const OUTCOMES = {
  heard: ["✓", "Heard"],
  stopped: ["■", "Cut"],
  skipped: ["»", "Skipped"],
  failed: ["!", "Failed"],
  held: ["…", "Held"],
};

const now = new Now($("now"));
let status = {};
let items = []; // of the queue, including the one that is playing
let connected = false;
let started = false; // whether events are being received
let codeError = ""; // why the code in the address was refused
let samples = []; // of the buffered seconds

function make(name, text = "", classes = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = classes;
  return made;
}

/** Returns a function that calls *work* once, *ms* after the last of several calls. */
function debounce(work, ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt(work), ms);
  };
}

/** Calls *work* and shows its error, if any. */
async function attempt(work) {
  try {
    const answer = await work();
    $("error").textContent = "";
    return answer;
  } catch (error) {
    if (error instanceof WrongToken) askForToken("This token is not the right one (any more).");
    else $("error").textContent = error.message;
    return null;
  }
}

const duration = (s) => (s < 60 ? `${s.toFixed(s < 10 ? 1 : 0)} s` : `${Math.round(s / 60)} min`);

// ---- the token ----

function askForToken(wrong = "") {
  $("content").hidden = true;
  $("token-needed").hidden = false;
  $("state").textContent = "";
  $("error").textContent = "";
  $("token-wrong").textContent = wrong;
  $("token").focus();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set($("token").value.trim(), $("token-keep").checked);
  $("token").value = "";
  enter();
});

$("keep").addEventListener("change", () => token.set(token.get(), $("keep").checked));
$("forget").addEventListener("click", () => {
  token.forget();
  location.reload();
});
addEventListener("hashchange", async () => {
  if (await takeFromAddress()) location.reload();
});

/** Reads the token from the address; sets `codeError` if its code is refused. */
async function takeFromAddress() {
  try {
    return await token.takeFromAddress();
  } catch (error) {
    codeError = error.message;
    if (!started) askForToken(codeError);
    return false;
  }
}

async function enter() {
  if (!token.get()) {
    askForToken(codeError);
    return;
  }
  try {
    await ask("GET", "/v1/status");
  } catch (error) {
    if (error instanceof WrongToken) {
      askForToken("This token is not the right one (any more).");
      return;
    }
  }
  $("token-needed").hidden = true;
  $("content").hidden = false;
  $("keep").checked = token.remembered();
  showState();
  if (!started) follow(onEvent, onConnection);
  started = true;
}

// ---- events ----

function onConnection(isConnected, error) {
  connected = isConnected;
  document.body.classList.toggle("lost", !connected);
  if (error) {
    started = false;
    askForToken("This token is not the right one (any more).");
    return;
  }
  if (connected) attempt(() => Promise.all([getQueue(), getHistory(), getDevices(), getVoices()]));
  else now.clear();
  showState();
}

function onEvent(name, data) {
  if (name === "status") {
    if (data.time) clock.learn(data.time);
    showStatus(data);
  } else if (name === "sounding") {
    if (now.id !== data.id) {
      const item = items.find(({ id }) => id === data.id);
      now.show(data.id, item ? item.text || "A recording" : "");
      $("now-from").textContent = item ? `from ${item.source}` : "";
      if (!item) queueSoon();
    }
    now.schedule(data);
    queueSoon();
  } else if (name === "ended") {
    if (now.id === data.id) {
      now.idle();
      $("now-from").textContent = "";
    }
    queueSoon();
    historySoon();
  } else if (["queued", "queue", "held"].includes(name)) {
    // It may start before the queue has been fetched.
    if (name === "queued" && !items.some(({ id }) => id === data.id)) {
      items.push({ ...data, state: "waiting", estimate_s: null });
    }
    queueSoon();
  }
}

async function getQueue() {
  ({ items } = await ask("GET", "/v1/queue"));
  showQueue();
}

async function getHistory() {
  showHistory((await ask("GET", "/v1/history")).items);
}

async function getDevices() {
  showDevices(await ask("GET", "/v1/devices"));
}

async function getVoices() {
  showVoices(await ask("GET", "/v1/voices"));
}

const queueSoon = debounce(getQueue, 80);
const historySoon = debounce(getHistory, 200);
const devicesSoon = debounce(getDevices, 200);

// ---- the state ----

function showState() {
  let words = "Silent";
  if (!connected) words = started ? "Connection lost, trying again" : "Connecting";
  else if (status.paused) words = "Paused";
  else if (status.blocked) words = "Waiting for a loudspeaker";
  else if (status.speaking) words = "Speaking";
  else if (status.quiet) words = "Quiet";
  // Screen readers read it out, so only if it changes.
  if ($("state").textContent !== words) $("state").textContent = words;
}

function showStatus(fresh) {
  const deviceChanged = status.device !== fresh.device || status.warning !== fresh.warning;
  status = fresh;
  if (status.paused) now.clear();
  if (!status.speaking && now.id !== null && !items.some(({ id }) => id === now.id)) now.idle();
  $("pause").textContent = status.paused ? "Resume" : "Pause";
  if (document.activeElement !== $("volume")) showVolume(status.volume);
  const warnings = [...new Set([status.quiet, ...(status.warnings ?? [])])].filter(Boolean);
  $("warnings").replaceChildren(...warnings.map((text) => make("p", text, "warning")));
  $("version").textContent = `Crier ${status.version}`;
  samples.push([performance.now(), status.buffer_s]);
  showBuffer();
  showState();
  if (deviceChanged) devicesSoon();
}

function showBuffer() {
  const at = performance.now();
  // One older sample stays, so that the line begins at the edge.
  while (samples.length > 1 && samples[1][0] < at - BUFFER_SPAN_MS) samples.shift();
  plotBuffer($("buffer"), $("buffer-words"), samples, at, BUFFER_SPAN_MS);
}

setInterval(() => {
  if (!document.hidden && samples.some(([, buffered]) => buffered > 0)) showBuffer();
}, 1000);

// ---- the queue ----

const waiting = () => items.filter(({ state }) => state !== "sounding");
// Held messages have no estimate yet, and no place among the others.
const movable = () => waiting().filter(({ estimate_s }) => estimate_s !== null);

function showQueue() {
  const sounding = items.find(({ state }) => state === "sounding");
  if (sounding && now.id === null) {
    now.show(sounding.id, sounding.text || "A recording");
    $("now-from").textContent = `from ${sounding.source}`;
  }
  const there = waiting();
  const order = movable();
  const entries = there.map((item) => {
    const old = $("queue").querySelector(`[data-id="${item.id}"]`);
    const entry = old ?? queueItem(item.id);
    updateItem(entry, item, order);
    return entry;
  });
  // Entries that stay where they are must not be replaced: a click on one may be in progress.
  const shown = [...$("queue").children];
  if (shown.length !== entries.length || shown.some((entry, at) => entry !== entries[at])) {
    const focused = document.activeElement;
    $("queue").replaceChildren(...entries);
    if (focused?.isConnected) focused.focus();
  }
  $("queue-none").hidden = there.length > 0;
  $("queue-help").hidden = order.length < 2;
  $("queue-count").textContent = there.length > 1 ? `${there.length} messages` : "";
  for (const id of ["skip", "stop"]) $(id).disabled = items.length === 0;
}

function queueItem(id) {
  const entry = make("li");
  entry.dataset.id = id;
  const said = make("div", "", "said");
  said.append(make("p", "", "text"), make("p", "", "quiet"));
  entry.append(said);
  for (const [sign, label, work] of [
    ["↑", "Earlier", () => move(id, -1)],
    ["↓", "Later", () => move(id, 1)],
    ["×", "Remove", () => remove(id)],
  ]) {
    const button = make("button", sign, "plain small");
    button.title = label;
    button.addEventListener("click", work);
    entry.append(button);
  }
  return entry;
}

function updateItem(entry, item, order) {
  const place = order.findIndex(({ id }) => id === item.id);
  const text = item.text || "A recording";
  entry.draggable = place >= 0 && order.length > 1;
  const when = item.estimate_s > 0 ? `in ${duration(item.estimate_s)}` : "next";
  entry.querySelector(".text").textContent = text;
  entry.querySelector(".quiet").textContent = `${item.source}, ${item.state === "held" ? "held" : when}`;
  // Not `disabled`, which would drop the focus at the end of the list.
  const off = { Earlier: place < 1, Later: place < 0 || place === order.length - 1, Remove: false };
  for (const button of entry.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.title}: ${text.slice(0, 40)}`);
    button.setAttribute("aria-disabled", off[button.title]);
  }
}

/** Moves a message by one place: -1 is earlier. */
function move(id, by) {
  const order = movable();
  const to = order.findIndex((item) => item.id === id) + by;
  if (to < 0 || to >= order.length) return;
  moveBefore(id, by < 0 ? order[to].id : (order[to + 1]?.id ?? null));
}

function moveBefore(id, before) {
  attempt(async () => {
    ({ items } = await ask("POST", `/v1/queue/${id}/move`, { before }));
    showQueue();
  });
}

function remove(id) {
  const order = waiting();
  const at = order.findIndex((item) => item.id === id);
  const neighbour = order[at + 1] ?? order[at - 1];
  attempt(async () => {
    await ask("DELETE", `/v1/queue/${id}`);
    // The focus moves to the neighbour, not to the top of the page.
    if (neighbour) $("queue").querySelector(`[data-id="${neighbour.id}"] [title="Remove"]`)?.focus();
    items = items.filter((item) => item.id !== id);
    showQueue();
  });
}

$("queue").addEventListener("keydown", (event) => {
  const id = Number(event.target.closest("li")?.dataset.id);
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (event.altKey && by) move(id, by);
  else if (event.key === "Delete") remove(id);
  else return;
  event.preventDefault();
});

let dragged = null;
$("queue").addEventListener("dragstart", (event) => {
  dragged = Number(event.target.closest("li").dataset.id);
  event.dataTransfer.effectAllowed = "move";
});
$("queue").addEventListener("dragover", (event) => dragged !== null && event.preventDefault());
$("queue").addEventListener("drop", (event) => {
  event.preventDefault();
  const onto = Number(event.target.closest("li")?.dataset.id);
  const order = movable().map(({ id }) => id);
  const [from, to] = [order.indexOf(dragged), order.indexOf(onto)];
  if (from >= 0 && to >= 0 && from !== to) {
    moveBefore(dragged, from < to ? (order[to + 1] ?? null) : onto);
  }
  dragged = null;
});
$("queue").addEventListener("dragend", () => (dragged = null));

// ---- the history ----

function showHistory(records) {
  $("history-none").hidden = records.length > 0;
  $("history").replaceChildren(...records.map(historyItem));
  const times = records
    .filter((record) => record.first_sound_ms !== null)
    .map((record) => record.first_sound_ms / 1000)
    .reverse();
  plotFirstSounds($("first-sound"), $("first-sound-words"), times);
}

function historyItem(record) {
  const [sign, outcome] = OUTCOMES[record.outcome] ?? ["", record.outcome];
  const entry = make("li", "", record.outcome);
  const mark = make("span", sign, "mark");
  mark.setAttribute("aria-hidden", "true");
  const said = make("div", "", "said");
  said.append(make("p", record.text || "A recording", "text"));
  const facts = [
    outcome,
    record.source,
    record.audio_s > 0 ? `${record.audio_s.toFixed(1)} s` : "",
    record.device ? `on ${record.device}` : "",
    record.first_sound_ms === null ? "" : `first sound after ${(record.first_sound_ms / 1000).toFixed(2)} s`,
  ];
  said.append(make("p", facts.filter(Boolean).join(" · "), "quiet"));
  if (record.reason) said.append(make("p", record.reason, "warning"));
  const time = make("time", new Date(record.ended_at * 1000).toLocaleTimeString([], { timeStyle: "short" }), "quiet");
  time.dateTime = new Date(record.ended_at * 1000).toISOString();
  entry.append(mark, said, time);
  return entry;
}

// ---- the loudspeaker ----

function showDevices({ outputs, wanted }) {
  const usual = outputs.find(({ is_default }) => is_default)?.name;
  const options = [new Option(usual ? `The computer’s choice (${usual})` : "The computer’s choice", "")];
  for (const { name } of outputs) options.push(new Option(name, name));
  const chosen =
    outputs.find(({ name }) => name.toLowerCase() === wanted.toLowerCase()) ??
    outputs.find(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  if (wanted && !chosen) options.push(new Option(`${wanted} (not there)`, wanted));
  const same = [...$("device").options].map(({ text }) => text).join() === options.map(({ text }) => text).join();
  if (!same) $("device").replaceChildren(...options);
  $("device").value = wanted ? (chosen?.name ?? wanted) : "";
}

function showVolume(percent) {
  $("volume").value = percent;
  $("volume-now").textContent = `${percent} %`;
}

$("device").addEventListener("change", () =>
  attempt(async () => showDevices(await ask("PUT", "/v1/device", { name: $("device").value }))),
);
addEventListener("focus", () => connected && devicesSoon()); // devices may have changed
$("volume").addEventListener("input", () => showVolume($("volume").value));
$("volume").addEventListener("change", () =>
  attempt(() => ask("PUT", "/v1/volume", { percent: Number($("volume").value) })),
);

// ---- buttons ----

$("pause").addEventListener("click", () =>
  attempt(async () => {
    const { paused } = await ask("POST", `/v1/audio/${status.paused ? "resume" : "pause"}`);
    showStatus({ ...status, paused });
  }),
);
$("skip").addEventListener("click", () => attempt(() => ask("POST", "/v1/audio/skip")));
$("stop").addEventListener("click", () => attempt(() => ask("POST", "/v1/audio/stop")));

// ---- saying something ----

function showVoices({ voices, default: usual }) {
  const chosen = $("voice").value;
  const groups = new Map();
  for (const { name, speaks } of voices) {
    const [of, kind] = speaks.split(", ");
    if (!groups.has(of)) groups.set(of, make("optgroup"));
    groups.get(of).label = of;
    groups.get(of).append(new Option(`${name} (${kind})`, name));
  }
  const asSet = new Option(`${usual} (as set)`, "");
  $("voice").replaceChildren(asSet, ...groups.values());
  $("voice").value = chosen;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const order = { input: $("text").value, priority: $("urgent").checked ? "urgent" : "normal" };
  if ($("voice").value) order.voice = $("voice").value;
  attempt(async () => {
    await ask("POST", "/v1/audio/speak", order);
    $("text").value = "";
    $("urgent").checked = false;
  });
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) $("say").requestSubmit();
});

showVolume(100);
showHistory([]);
showBuffer();
takeFromAddress().then(enter);
