// The message that is playing, with each word highlighted while it is heard.

import { clock } from "./client.js";

const bare = (word) => word.replace(/[^\p{L}\p{N}]/gu, "");

/** Shows one message at a time in an element. */
export class Now {
  #place;
  #id = null;
  #words = []; // { span, bare } in order; without white space and punctuation
  #next = 0; // index of the word that is expected next
  #scheduled = []; // { at, word, end } in order of time, in performance.now's milliseconds
  #timer = 0;
  #showsHeard = false; // the text is what was heard, not what was sent

  constructor(place) {
    this.#place = place;
    this.idle();
  }

  get id() {
    return this.#id;
  }

  idle() {
    this.#reset(null);
    this.#place.classList.add("idle");
    this.#place.textContent = "Nothing is being said.";
  }

  /** Shows a message of which nothing was heard yet. */
  show(id, text) {
    this.#reset(id);
    this.#place.classList.remove("idle");
    this.#append(text);
    this.#place.scrollTop = 0;
  }

  /** Cancels all highlights: playback has stopped. */
  clear() {
    clearTimeout(this.#timer);
    this.#scheduled = [];
    for (const { span } of this.#words) span.classList.remove("lit");
  }

  /** Schedules the highlights of what is about to be heard: {text, at, words}. */
  schedule({ text, at, words }) {
    const begins = performance.now() + clock.until(at);
    const parts = words.flatMap((word) =>
      word.text
        .split(/\s+/)
        .filter(bare)
        .map((part) => ({ part: bare(part), word })),
    );
    if (!parts.length) return;
    let first = this.#find(parts);
    if (first === null) {
      first = this.#words.length;
      if (!this.#showsHeard) {
        this.#showsHeard = true;
        this.#place.textContent = "";
        this.#words = [];
        first = 0;
      }
      this.#append(`${text} `);
    }
    // After a pause, or on another device, this replaces what was scheduled before.
    this.#scheduled = this.#scheduled.filter((word) => word.at < begins && word.word < first);
    parts.forEach(({ word }, index) => {
      const end = begins + word.end_s * 1000;
      this.#scheduled.push({ at: begins + word.start_s * 1000, end, word: first + index });
    });
    // A word that was highlighted before the device stalled is highlighted again.
    for (const { span } of this.#words.slice(first)) span.classList.remove("heard", "lit");
    this.#next = first + parts.length;
    this.#highlight();
  }

  #reset(id) {
    this.clear();
    this.#id = id;
    this.#words = [];
    this.#next = 0;
    this.#showsHeard = false;
    this.#place.textContent = "";
  }

  #append(text) {
    for (const part of text.split(/(\s+)/)) {
      if (!bare(part)) {
        this.#place.append(part);
        continue;
      }
      const span = document.createElement("span");
      span.textContent = part;
      this.#place.append(span);
      this.#words.push({ span, bare: bare(part) });
    }
  }

  /** Returns the index of these words in the text, the nearest to where they are expected. */
  #find(parts) {
    let best = null;
    for (let at = 0; at + parts.length <= this.#words.length; at += 1) {
      if (!parts.every(({ part }, index) => this.#words[at + index].bare === part)) continue;
      if (best === null || Math.abs(at - this.#next) <= Math.abs(best - this.#next)) best = at;
    }
    return best;
  }

  /** Highlights the word that is heard now; runs again at the next one. */
  #highlight() {
    clearTimeout(this.#timer);
    const now = performance.now();
    let lit = null;
    while (this.#scheduled.length && this.#scheduled[0].at <= now) lit = this.#scheduled.shift();
    if (lit) {
      this.#words.forEach(({ span }, index) => {
        span.classList.toggle("heard", index <= lit.word);
        span.classList.toggle("lit", index === lit.word);
      });
      this.#scrollTo(this.#words[lit.word].span);
    }
    const next = this.#scheduled[0];
    if (next) this.#timer = setTimeout(() => this.#highlight(), next.at - now);
    else if (lit) this.#timer = setTimeout(() => this.clear(), Math.max(0, lit.end - now) + 150);
  }

  /** Scrolls the highlighted word into view, inside its own frame only. */
  #scrollTo(span) {
    const frame = this.#place;
    const top = span.offsetTop;
    const bottom = frame.scrollTop + frame.clientHeight - 2 * span.offsetHeight;
    if (top >= frame.scrollTop && top < bottom) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    frame.scrollTo({ top: top - frame.clientHeight / 4, behavior: calm ? "auto" : "smooth" });
  }
}
