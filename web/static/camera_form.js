// The form of a camera's settings.

import { element } from "./dom.js";
import { choice, field, ticks, wide } from "./forms.js";
import { rulesFields } from "./rules_form.js";

const ZONES = Intl.supportedValuesOf?.("timeZone") ?? [];
const TRANSPORTS = [["auto", "TCP, else UDP"], ["tcp", "TCP"], ["udp", "UDP"]];

/**
 * Fill `form` with the fields of a camera's document; each change is written into it, and told.
 *
 * `models` are the installed ones, as /api/models lists them.
 */
export function fillCameraForm(form, camera, models, onChange, isNew) {
  const set = (name) => (value) => {
    camera[name] = value;
    onChange();
  };
  const setSource = (name) => (value) => {
    if (name === "url" && value === null) camera.source = null;
    else if (camera.source || name === "url") camera.source = { ...(camera.source ?? { fps: 5, enabled: true }), [name]: value };
    onChange();
  };
  const source = { url: null, fps: 5, enabled: true, still_fps: null, transport: "auto", ...camera.source };
  form.replaceChildren(
    ...(isNew ? [element("p", { class: "hint whole" }, "This camera sends pictures, and has no settings yet. These are the defaults.")] : []),
    field({ label: "Name", value: camera.name, maxlength: 200, onChange: (value) => set("name")(value ?? "") }),
    field({ label: "Venue", value: camera.venue, maxlength: 200, onChange: set("venue") }),
    element(
      "fieldset", { class: "form whole" }, element("legend", {}, "Where its pictures come from"),
      wide(field({ label: "Address", value: source.url, placeholder: "rtsp://…", autocomplete: "off", hint: "Empty when a program sends the pictures", onChange: setSource("url") })),
      field({ label: "Frames a second", type: "number", min: 0.01, max: 120, step: "any", required: true, value: source.fps, onChange: setSource("fps") }),
      field({ label: "While nothing moves", type: "number", min: 0.01, max: 120, step: "any", value: source.still_fps, hint: "Frames a second; empty for the same", onChange: setSource("still_fps") }),
      choice({ label: "RTSP over", value: source.transport, choices: TRANSPORTS, onChange: setSource("transport") }),
      field({ label: "Captured", type: "checkbox", value: source.enabled, onChange: setSource("enabled") }),
    ),
    ...modelFields(camera, models, onChange),
    field({ label: "Confidence threshold", type: "number", min: 0.01, max: 1, step: 0.01, value: camera.confidence_threshold, hint: "Empty for the installation's own", onChange: set("confidence_threshold") }),
    field({ label: "Maximum age in ms", type: "number", min: 1, step: 1, value: camera.max_age_ms, hint: "Older frames are skipped", onChange: set("max_age_ms") }),
    field({ label: "Retention in days", type: "number", min: 0.01, max: 36500, step: "any", required: true, value: camera.retention_days, onChange: set("retention_days") }),
    field({ label: "Distance limit in m", type: "number", min: 0.01, max: 100, step: "any", required: true, value: camera.distance_limit_m, onChange: set("distance_limit_m") }),
    field({ label: "Time zone", value: camera.time_zone, required: true, list: ZONES, onChange: set("time_zone") }),
    field({ label: "Blur faces in pictures", type: "checkbox", value: camera.blur_faces, onChange: set("blur_faces") }),
    rulesFields(camera.rules, onChange),
  );
  form.onsubmit = (event) => event.preventDefault();
}

/** The choice of a model, and of those of its classes that count. */
function modelFields(camera, models, onChange) {
  const standard = models.find((model) => model.default);
  const named = models.map(({ name, counted }) => [name, `${name} (${counted.join(", ")})`]);
  const missing = camera.model && !models.some(({ name }) => name === camera.model) ? [[camera.model, `${camera.model} (not installed)`]] : [];
  const own = ["", standard ? `The installation's own (${standard.name})` : "The installation's own"];
  const classes = element("div", { class: "whole" });
  const fillClasses = () => {
    const model = camera.model ? models.find(({ name }) => name === camera.model) : standard;
    classes.hidden = !model || model.classes.length < 2;
    if (classes.hidden) return classes.replaceChildren();
    const counted = camera.classes ?? model.counted;
    const choices = model.classes.map((name) => [name, name]);
    const setClasses = (values) => {
      const isUsual = values.length === model.counted.length && values.every((name) => model.counted.includes(name));
      camera.classes = isUsual || !values.length ? null : values;
      onChange();
    };
    classes.replaceChildren(ticks({ label: "What counts", values: counted, choices, onChange: setClasses }));
  };
  const setModel = (value) => {
    camera.model = value || null;
    camera.classes = null;
    onChange();
    fillClasses();
  };
  fillClasses();
  return [wide(choice({ label: "Model", value: camera.model ?? "", choices: [own, ...named, ...missing], onChange: setModel })), classes];
}
