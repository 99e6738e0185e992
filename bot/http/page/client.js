// Talks to Crier: requests with the token, and the stream of events.

const KEY = "crier-token";
const SILENT_MS = 40_000; // the server sends something every 15 s
const LONGEST_WAIT_MS = 10_000;

// ---- the token: for this tab, or for this device where its owner said so ----

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "",
  kept: () => localStorage.getItem(KEY) !== null,
  set(value, keep) {
    token.forget();
    (keep ? localStorage : sessionStorage).setItem(KEY, value);
  },
  forget() {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  },
  /**
   * Takes a token, or a code for it, from the address, where nobody shall read it for longer than
   * need be. Returns whether there was one; throws an Error where the code is not taken.
   */
  async takeFromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const code = given.get("code");
    if (!code && !given.get("token")) return false;
    history.replaceState(null, "", location.pathname + location.search);
    const found = code
      ? (await ask("POST", "/v1/page/token", { code })).token
      : given.get("token");
    token.set(found, token.kept());
    return true;
  },
};

export class WrongToken extends Error {}

// Every character of a header is a byte, and a token has no odd ones.
const headers = () => ({
  Authorization: `Bearer ${token.get().replace(/[^\x21-\x7e]/g, "")}`,
  "X-Client": "page",
});

/** Sends a request; returns what the answer holds, or throws an Error that says what is wrong. */
export async function ask(method, path, body) {
  const options = { method, headers: headers() };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    if (body !== undefined) options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("Crier can’t be reached. Is it running?");
  }
  if (answer.status === 401) throw new WrongToken("The token is wrong.");
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error?.message ?? `Crier answered ${answer.status}.`);
  return content;
}

// ---- the time of the computer that speaks, in this one's milliseconds ----

const mine = () => performance.timeOrigin + performance.now();
let ahead = null;

export const clock = {
  /** Learns from a time that the server has just sent; the message that took least tells best. */
  learn(seconds) {
    ahead = Math.max(ahead ?? -Infinity, seconds * 1000 - mine());
  },
  forget: () => (ahead = null),
  /** Returns in how many milliseconds it will be *seconds* there. */
  until: (seconds) => seconds * 1000 - (mine() + (ahead ?? 0)),
};

// ---- events ----

/** Follows the events for ever; calls on(name, data), and changed(connected, error). */
export async function follow(on, changed) {
  for (let tries = 0; ; tries += 1) {
    const ending = new AbortController();
    let watch;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => ending.abort(), SILENT_MS);
    };
    try {
      alive();
      const answer = await fetch("/v1/events", { headers: headers(), signal: ending.signal });
      if (answer.status === 401) {
        changed(false, new WrongToken("The token is wrong."));
        return;
      }
      if (!answer.ok) throw new Error(`Crier answered ${answer.status}.`);
      tries = 0;
      clock.forget();
      changed(true);
      for await (const { name, data } of events(answer.body, alive)) on(name, data);
    } catch {
      // It is tried again, whatever it was.
    } finally {
      clearTimeout(watch);
    }
    changed(false);
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** tries) * (0.75 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function* events(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const field = (name) =>
        block
          .split("\n")
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join("\n");
      if (field("event")) yield { name: field("event"), data: JSON.parse(field("data")) };
    }
  }
}
