// Numbers and times in the viewer's own language and zone.

const NUMBER = new Intl.NumberFormat();
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
