// Two small plots in SVG.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 40;
const RIGHT = 294;
const TOP = 8;
const BOTTOM = 98;

function element(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** Returns the smallest of 1, 2, 5, 10, ... times a power of ten that is not below *value*. */
function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((step) => step >= value * 0.999);
}

/** Draws the axes; returns a function from a value to its y coordinate. */
function axes(svg, highest, left, right, what) {
  svg.replaceChildren();
  const y = (value) => BOTTOM - (value / highest) * (BOTTOM - TOP);
  for (const value of [0, highest / 2, highest]) {
    svg.append(element("line", { x1: LEFT, x2: RIGHT, y1: y(value), y2: y(value), class: "grid" }));
    const label = { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" };
    svg.append(element("text", label, `${Number(value.toPrecision(3))}${value ? " s" : ""}`));
  }
  svg.append(element("text", { x: LEFT, y: 114 }, left));
  svg.append(element("text", { x: RIGHT, y: 114, "text-anchor": "end" }, right));
  svg.append(element("text", { x: (LEFT + RIGHT) / 2, y: 127, "text-anchor": "middle" }, what));
  return y;
}

const seconds = (value) => `${value.toFixed(1)} s`;

/** Draws the times from message to first sound in seconds, the latest at the right. */
export function plotFirstSounds(svg, words, times) {
  const y = axes(svg, roundUp(Math.max(1, ...times)), times.length ? "older" : "", "latest", "messages");
  const step = (RIGHT - LEFT) / Math.max(12, times.length);
  times.forEach((time, index) => {
    const x = RIGHT - (times.length - index - 0.5) * step;
    svg.append(element("line", { x1: x, x2: x, y1: BOTTOM, y2: y(time), class: "stem" }));
    svg.append(element("circle", { cx: x, cy: y(time), r: 2.8, class: "dot" }));
  });
  if (!times.length) {
    words.textContent = "From message to first sound. No figures yet.";
    return;
  }
  const sorted = [...times].sort((a, b) => a - b);
  const many = times.length === 1 ? "1 message" : `${times.length} messages`;
  const middle = seconds(sorted[Math.floor(sorted.length / 2)]);
  words.textContent = `From message to first sound, ${many}: median ${middle}, slowest ${seconds(sorted.at(-1))}.`;
}

/** Draws how much sound was ready; *samples* are [milliseconds, buffered seconds], in order. */
export function plotBuffer(svg, words, samples, now, spanMs) {
  const y = axes(
    svg,
    roundUp(Math.max(2, ...samples.map(([, buffered]) => buffered))),
    `${spanMs / 60_000} min ago`,
    "now",
    "time",
  );
  const x = (at) => Math.max(LEFT, RIGHT - ((now - at) / spanMs) * (RIGHT - LEFT));
  const points = samples.map(([at, buffered]) => `${x(at).toFixed(1)},${y(buffered).toFixed(1)}`);
  const last = samples.at(-1);
  if (last) {
    points.push(`${RIGHT},${y(last[1]).toFixed(1)}`);
    const area = [`${x(samples[0][0]).toFixed(1)},${BOTTOM}`, ...points, `${RIGHT},${BOTTOM}`];
    svg.append(element("polygon", { points: area.join(" "), class: "area" }));
    svg.append(element("polyline", { points: points.join(" "), class: "curve" }));
  }
  words.textContent = `Sound that is ready and not heard yet: now ${seconds(last?.[1] ?? 0)}.`;
}
