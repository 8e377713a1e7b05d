// Fields of forms, each with its label and its hint.

import { element } from "./dom.js";

let made = 0;

/** A labelled input; `onChange` gets its value, null when it is empty. `list` holds values that are offered. */
export function field({ label, value = null, type = "text", hint = null, onChange = null, list = null, ...attributes }) {
  const id = `field-${++made}`;
  const input = element("input", { id, type, "aria-describedby": hint ? `${id}-hint` : null, ...attributes });
  if (type === "checkbox") input.checked = Boolean(value);
  else input.value = value ?? "";
  const choices = list && element("datalist", { id: `${id}-list` }, ...list.map((value) => element("option", { value })));
  if (list) input.setAttribute("list", `${id}-list`);
  if (onChange) input.addEventListener("change", () => input.reportValidity() && onChange(valueOf(input)));
  return wrap(id, label, input, hint, type === "checkbox", choices);
}

/** The field, over the whole width of its form. */
export function wide(node) {
  node.classList.add("whole");
  return node;
}

/** A labelled choice of one of [value, words]. */
export function choice({ label, value, choices, hint = null, onChange = null, ...attributes }) {
  const id = `field-${++made}`;
  const options = choices.map(([key, words]) => element("option", { value: key, selected: key === value }, words));
  const select = element("select", { id, "aria-describedby": hint ? `${id}-hint` : null, ...attributes }, ...options);
  if (onChange) select.addEventListener("change", () => onChange(select.value));
  return wrap(id, label, select, hint, false, null);
}

/** A group of boxes to be ticked; `onChange` gets the values of those that are. */
export function ticks({ label, values, choices, onChange }) {
  const boxes = choices.map(([key, words]) => {
    const box = element("input", { type: "checkbox", value: key, checked: values.includes(key) });
    box.addEventListener("change", () => onChange(boxes.filter(([one]) => one.checked).map(([one]) => one.value)));
    return [box, element("label", { class: "tick" }, box, words)];
  });
  return element("fieldset", {}, element("legend", {}, label), ...boxes.map(([, root]) => root));
}

/** A button; `onPress` may be asynchronous, and it is disabled meanwhile. */
export function button(words, onPress, { kind = "quiet", ...attributes } = {}) {
  const node = element("button", { type: "button", class: `button ${kind}`, ...attributes }, words);
  node.addEventListener("click", async () => {
    node.disabled = true;
    try {
      await onPress();
    } finally {
      node.disabled = false;
    }
  });
  return node;
}

/** What the named fields of a form hold: text, number, true or false, or null. */
export function valuesOf(form) {
  const named = [...form.elements].filter((input) => input.name);
  return Object.fromEntries(named.map((input) => [input.name, valueOf(input)]));
}

function valueOf(input) {
  if (input.type === "checkbox") return input.checked;
  if (input.value.trim() === "") return null;
  return input.type === "number" ? Number(input.value) : input.value.trim();
}

function wrap(id, label, input, hint, isTick, after) {
  const name = element("label", { for: id }, label);
  const parts = isTick ? [element("span", { class: "tick" }, input, name)] : [name, input];
  if (after) parts.push(after);
  if (hint) parts.push(element("span", { class: "hint", id: `${id}-hint` }, hint));
  return element("div", { class: "field" }, ...parts);
}
