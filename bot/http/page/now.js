// What is being said, with its words lit up as they are heard.

import { clock } from "./client.js";

const bare = (word) => word.replace(/[^\p{L}\p{N}]/gu, "");

/** Shows one message at a time in an element. */
export class Now {
  #place;
  #id = null;
  #words = []; // { span, bare } in order; bare words only
  #next = 0; // the word that is expected next
  #coming = []; // { at, word, end } in order of time, in performance.now's milliseconds
  #timer = 0;
  #follows = false; // the text is what has sounded, not what was sent

  constructor(place) {
    this.#place = place;
    this.idle();
  }

  get id() {
    return this.#id;
  }

  idle() {
    this.#begin(null);
    this.#place.classList.add("idle");
    this.#place.textContent = "Nothing is being said.";
  }

  /** Shows a message, none of it heard yet. */
  show(id, text) {
    this.#begin(id);
    this.#place.classList.remove("idle");
    this.#append(text);
    this.#place.scrollTop = 0;
  }

  /** Lights up no more words: it fell silent. */
  hush() {
    clearTimeout(this.#timer);
    this.#coming = [];
    for (const { span } of this.#words) span.classList.remove("lit");
  }

  /** Takes what is about to sound: {text, at, words}. */
  sounding({ text, at, words }) {
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
      if (!this.#follows) {
        this.#follows = true;
        this.#place.textContent = "";
        this.#words = [];
        first = 0;
      }
      this.#append(`${text} `);
    }
    // What was to come of it before is told anew, after a pause or on another device.
    this.#coming = this.#coming.filter((light) => light.at < begins && light.word < first);
    parts.forEach(({ word }, index) => {
      const end = begins + word.end_s * 1000;
      this.#coming.push({ at: begins + word.start_s * 1000, end, word: first + index });
    });
    // One that lit up too early, before the device stalled, lights up again.
    for (const { span } of this.#words.slice(first)) span.classList.remove("heard", "lit");
    this.#next = first + parts.length;
    this.#light();
  }

  #begin(id) {
    this.hush();
    this.#id = id;
    this.#words = [];
    this.#next = 0;
    this.#follows = false;
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

  /** Returns where these words are in the text, as near as can be to where they are expected. */
  #find(parts) {
    let best = null;
    for (let at = 0; at + parts.length <= this.#words.length; at += 1) {
      if (!parts.every(({ part }, index) => this.#words[at + index].bare === part)) continue;
      if (best === null || Math.abs(at - this.#next) <= Math.abs(best - this.#next)) best = at;
    }
    return best;
  }

  /** Lights up what is heard now, and comes back when the next word is. */
  #light() {
    clearTimeout(this.#timer);
    const now = performance.now();
    let lit = null;
    while (this.#coming.length && this.#coming[0].at <= now) lit = this.#coming.shift();
    if (lit) {
      this.#words.forEach(({ span }, index) => {
        span.classList.toggle("heard", index <= lit.word);
        span.classList.toggle("lit", index === lit.word);
      });
      this.#follow(this.#words[lit.word].span);
    }
    const next = this.#coming[0];
    if (next) this.#timer = setTimeout(() => this.#light(), next.at - now);
    else if (lit) this.#timer = setTimeout(() => this.hush(), Math.max(0, lit.end - now) + 150);
  }

  /** Keeps the lit word in sight, inside its own frame only. */
  #follow(span) {
    const frame = this.#place;
    const top = span.offsetTop;
    const bottom = frame.scrollTop + frame.clientHeight - 2 * span.offsetHeight;
    if (top >= frame.scrollTop && top < bottom) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    frame.scrollTo({ top: top - frame.clientHeight / 4, behavior: calm ? "auto" : "smooth" });
  }
}
