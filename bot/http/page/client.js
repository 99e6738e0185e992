// HTTP client: authenticated requests, and the stream of events.

const KEY = "crier-token";
const STALL_TIMEOUT_MS = 40_000; // the server sends a ping every 15 s
const MAX_RETRY_DELAY_MS = 10_000;

// ---- the token: stored for this tab, or for this device if its owner ticked the box ----

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "",
  remembered: () => localStorage.getItem(KEY) !== null,
  set(value, keep) {
    token.forget();
    (keep ? localStorage : sessionStorage).setItem(KEY, value);
  },
  forget() {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  },
  /**
   * Moves a token, or a code for it, out of the address, so that it is visible no longer than
   * necessary. Returns whether there was one; throws an Error if the code is refused.
   */
  async takeFromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const code = given.get("code");
    if (!code && !given.get("token")) return false;
    history.replaceState(null, "", location.pathname + location.search);
    const found = code
      ? (await ask("POST", "/v1/page/token", { code })).token
      : given.get("token");
    token.set(found, token.remembered());
    return true;
  },
};

export class WrongToken extends Error {}

// Other characters are invalid in a header, and a token has none.
const headers = () => ({
  Authorization: `Bearer ${token.get().replace(/[^\x21-\x7e]/g, "")}`,
  "X-Client": "page",
});

/** Sends a request; returns the JSON of the answer, or throws an Error with the reason. */
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

// ---- the server's clock, converted to this computer's milliseconds ----

const localNow = () => performance.timeOrigin + performance.now();
let offset = null;

export const clock = {
  /** Adjusts to a time that the server has just sent; the message with the least delay wins. */
  learn(seconds) {
    offset = Math.max(offset ?? -Infinity, seconds * 1000 - localNow());
  },
  reset: () => (offset = null),
  /** Returns the milliseconds until the server's clock shows *seconds*. */
  until: (seconds) => seconds * 1000 - (localNow() + (offset ?? 0)),
};

// ---- events ----

/** Receives events for ever; calls onEvent(name, data) and onChange(connected, error). */
export async function follow(onEvent, onChange) {
  for (let tries = 0; ; tries += 1) {
    const abort = new AbortController();
    let timeout;
    const restartTimeout = () => {
      clearTimeout(timeout);
      timeout = setTimeout(() => abort.abort(), STALL_TIMEOUT_MS);
    };
    try {
      restartTimeout();
      const answer = await fetch("/v1/events", { headers: headers(), signal: abort.signal });
      if (answer.status === 401) {
        onChange(false, new WrongToken("The token is wrong."));
        return;
      }
      if (!answer.ok) throw new Error(`Crier answered ${answer.status}.`);
      tries = 0;
      clock.reset();
      onChange(true);
      for await (const { name, data } of events(answer.body, restartTimeout)) onEvent(name, data);
    } catch {
      // Whatever it was, it is retried.
    } finally {
      clearTimeout(timeout);
    }
    onChange(false);
    const delay = Math.min(MAX_RETRY_DELAY_MS, 500 * 2 ** tries) * (0.75 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
}

async function* events(body, onData) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onData();
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
