// The form of a camera's rules: each kind of alert on or off, when it holds, and from which values on.

import { element } from "./dom.js";
import { button, field } from "./forms.js";

const WHOLE_DAY = { days: "mon-sun", from: "00:00", to: "24:00" };

/** Each kind of alert: its words, and which of its values can be set. */
const RULES = [
  ["density", "Density", []],
  ["capacity", "Capacity", []],
  ["intrusion", "Intrusion", ["minimum_s"]],
  ["gathering", "Gathering", ["people", "minimum_s"]],
  ["dispersal", "Dispersal", ["people", "minimum_s"]],
  ["distance", "Distance", ["minimum_s"]],
  ["bottleneck", "Bottleneck", ["people", "minimum_s"]],
  ["camera_offline", "Camera offline", ["minimum_s"]],
  ["clock_skew", "Clock skew", ["minimum_s"]],
];

/** Return the rows of a list of schedules; each change is written into `schedules`, and told. */
export function scheduleRows(schedules, onChange) {
  const rows = element("div", { class: "schedule" });
  const fill = () => {
    rows.replaceChildren(...schedules.map(row));
    if (!schedules.length) rows.append(element("p", { class: "hint" }, "At all times"));
  };
  const row = (one, place) => {
    const edit = (name) => (value) => {
      one[name] = value;
      onChange();
    };
    const remove = button("Remove", () => {
      schedules.splice(place, 1);
      onChange();
      fill();
    });
    return element(
      "div", { class: "row" },
      field({ label: "Days", value: one.days ?? WHOLE_DAY.days, required: true, pattern: "[a-z]{3}(-[a-z]{3})?(,\\s*[a-z]{3}(-[a-z]{3})?)*", title: "such as mon-fri or sat,sun", onChange: edit("days") }),
      field({ label: "From", value: one.from ?? WHOLE_DAY.from, required: true, pattern: "([01]\\d|2[0-3]):[0-5]\\d", title: "such as 22:00", onChange: edit("from") }),
      field({ label: "To", value: one.to ?? WHOLE_DAY.to, required: true, pattern: "([01]\\d|2[0-3]):[0-5]\\d|24:00", title: "such as 06:00", onChange: edit("to") }),
      remove,
    );
  };
  const add = button("Add a time", () => {
    schedules.push({ ...WHOLE_DAY });
    onChange();
    fill();
  });
  fill();
  return [rows, add];
}

/** Return the fields of `rules`, a camera's settings by kind; each change is written into it, and told. */
export function rulesFields(rules, onChange) {
  return element(
    "fieldset", { class: "whole rules" }, element("legend", {}, "Alerts"),
    ...RULES.map(([kind, words, values]) => ruleFields(rules, kind, words, values, onChange)),
  );
}

function ruleFields(rules, kind, words, values, onChange) {
  const rule = { enabled: true, schedule: [], people: null, minimum_s: null, ...rules[kind] };
  const changed = () => {
    const { schedule, enabled } = rule;
    const given = Object.fromEntries(values.filter((name) => rule[name] !== null).map((name) => [name, rule[name]]));
    if (enabled && !schedule.length && !Object.keys(given).length) delete rules[kind];
    else rules[kind] = { ...(enabled ? {} : { enabled }), ...(schedule.length ? { schedule } : {}), ...given };
    onChange();
    fill();
  };
  const set = (name) => (value) => {
    rule[name] = value;
    changed();
  };
  const summary = element("summary", {});
  const fill = () => {
    const parts = [rule.enabled ? "on" : "off", rule.people === null ? null : `from ${rule.people} people`, rule.minimum_s === null ? null : `after ${rule.minimum_s} s`, rule.schedule.length ? "at set times" : null];
    summary.replaceChildren(element("b", {}, words), element("small", {}, ` ${parts.filter(Boolean).join(", ")}`));
  };
  const fields = {
    people: () => field({ label: `${words}: people`, type: "number", min: 1, max: 100000, step: 1, value: rule.people, hint: "Empty for the usual number", onChange: set("people") }),
    minimum_s: () => field({ label: `${words}: seconds`, type: "number", min: 0, max: 86400, step: "any", value: rule.minimum_s, hint: "How long it must hold; empty for the usual time", onChange: set("minimum_s") }),
  };
  fill();
  return element(
    "details", { class: "rule" }, summary,
    field({ label: `Raise alerts of ${words.toLowerCase()}`, type: "checkbox", value: rule.enabled, onChange: set("enabled") }),
    ...values.map((name) => fields[name]()),
    ...scheduleRows(rule.schedule, changed),
  );
}
