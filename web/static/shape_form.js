// The form of the zone, the line or the ground plane that is selected in the editor.

import { element } from "./dom.js";
import { button, choice, field, ticks } from "./forms.js";
import { scheduleRows } from "./rules_form.js";

const ROLES = [
  ["density", "Density"], ["queue", "Queue"], ["restricted", "Restricted: nobody may be here"], ["display", "Display: who looks at it"], ["exit", "Exit"],
  ["ignore", "Ignore: nobody in it is analysed"],
];
const ANCHORS = [["center", "The middle of its box (faces)"], ["bottom_center", "The foot of its box (whole people)"]];

/** Fill `place` with the form of what is selected in `editor`; `onRename` is told when a name changed. */
export function fillShapeForm(place, editor, { disabled, onRename }) {
  const { kind } = editor.selected;
  const title = { zone: "Zone", line: "Line", ground: "Ground plane" }[kind];
  const remove = button(`Delete ${title.toLowerCase()}`, () => editor.remove(), { kind: "quiet danger" });
  const makers = { zone: zoneFields, line: lineFields, ground: groundFields };
  const form = element("form", { class: "form" }, ...makers[kind](editor, onRename));
  form.addEventListener("submit", (event) => event.preventDefault());
  place.replaceChildren(element("div", { class: "selected-head" }, element("h2", {}, title), remove), form);
  if (disabled) for (const input of [...form.elements, remove]) input.disabled = true;
}

const set = (editor, name) => (value) => {
  editor.current[name] = value;
  editor.changed();
};

function nameField(editor, onRename) {
  const { kind, index } = editor.selected;
  const shape = editor.current;
  const input = field({
    label: "Name", value: shape.name, required: true, maxlength: 100,
    onChange: (name) => {
      const taken = editor.listOf(kind).some((other, place) => place !== index && other.name === name);
      const box = input.querySelector("input");
      box.setCustomValidity(taken ? `There is another ${kind} of this name` : "");
      if (!box.reportValidity()) return;
      shape.name = name;
      editor.changed();
      onRename();
    },
  });
  return input;
}

function zoneFields(editor, onRename) {
  const zone = editor.current;
  const roles = ticks({ label: "What it is for", values: zone.roles, choices: ROLES, onChange: set(editor, "roles") });
  roles.className = "whole";
  return [
    nameField(editor, onRename),
    field({ label: "Limit of people", type: "number", min: 0, step: 1, value: zone.limit, hint: "An alert is raised above it; empty for none", onChange: set(editor, "limit") }),
    roles,
    field({ label: "Area in m²", type: "number", min: 0.01, step: "any", value: zone.area_m2, hint: "Without it, from the ground plane", onChange: set(editor, "area_m2") }),
    field({ label: "Minimum stay in seconds", type: "number", min: 0, max: 86400, step: "any", required: true, value: zone.minimum_stay_s, onChange: set(editor, "minimum_stay_s") }),
    choice({ label: "Where a person counts", value: zone.anchor, choices: ANCHORS, onChange: set(editor, "anchor") }),
    scheduleFields(editor),
  ];
}

const scheduleFields = (editor) =>
  element("fieldset", { class: "whole" }, element("legend", {}, "When its rules hold, in the camera's time zone"), ...scheduleRows(editor.current.schedule, () => editor.changed()));

function lineFields(editor, onRename) {
  const line = editor.current;
  const turn = button("Turn the direction round", () => {
    [line.from, line.to] = [line.to, line.from];
    editor.changed();
  });
  return [
    nameField(editor, onRename),
    field({ label: "Venue", value: line.venue, hint: "Its crossings count into the people inside", maxlength: 100, onChange: set(editor, "venue") }),
    choice({ label: "Where a person counts", value: line.anchor, choices: ANCHORS, onChange: set(editor, "anchor") }),
    element("p", { class: "hint whole" }, "The arrow shows which way is in."),
    element("div", { class: "buttons whole" }, turn),
  ];
}

function groundFields(editor) {
  const plane = editor.current;
  const rows = plane.metres.map((point, place) =>
    element(
      "div", { class: "row whole" },
      element("p", {}, `Point ${place + 1}`),
      ...["x", "y"].map((name, axis) =>
        field({
          label: `${name} in metres`, type: "number", step: "any", required: true, value: point[axis], "aria-label": `Point ${place + 1}, ${name} in metres`,
          onChange: (value) => {
            point[axis] = value;
            editor.changed();
          },
        }),
      ),
    ),
  );
  return [element("p", { class: "hint whole" }, "Move the four points to places on the ground whose distances you know, and say where they lie. Then distances and densities are in metres."), ...rows];
}
