// Numbers and times in the viewer's own language and zone.

const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const IN_FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export const number = (value) => NUMBER.format(value);

export const faces = (count) => `${NUMBER.format(count)} ${count === 1 ? "face" : "faces"}`;

/** The time of day; with the date when it was not today. */
export function time(rfc3339) {
  const at = new Date(rfc3339);
  return at.toDateString() === new Date().toDateString() ? TIME.format(at) : DAY_AND_TIME.format(at);
}

/** Date, time and zone, for a tool tip. */
export const timeInFull = (rfc3339) => IN_FULL.format(new Date(rfc3339));

/** A length of time, from milliseconds to days. */
export function duration(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${number(Math.round(seconds * 1000))} ms`;
  if (seconds < 90) return `${number(seconds)} s`;
  if (seconds < 5400) return `${number(seconds / 60)} min`;
  return seconds < 129_600 ? `${number(seconds / 3600)} h` : `${number(seconds / 86_400)} d`;
}

/** A name as the interface has it, in words: `line_crossed` is "Line crossed". */
export function words(name) {
  const text = String(name).replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
