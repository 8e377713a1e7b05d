// The form of a camera's settings.

import { element } from "./dom.js";
import { field, wide } from "./forms.js";

const ZONES = Intl.supportedValuesOf?.("timeZone") ?? [];

/** Fill `form` with the fields of a camera's document; each change is written into it, and told. */
export function fillCameraForm(form, camera, onChange, isNew) {
  const set = (name) => (value) => {
    camera[name] = value;
    onChange();
  };
  const setSource = (name) => (value) => {
    if (name === "url" && value === null) camera.source = null;
    else if (camera.source || name === "url") camera.source = { ...(camera.source ?? { fps: 5, enabled: true }), [name]: value };
    onChange();
  };
  const source = camera.source ?? { url: null, fps: 5, enabled: true };
  form.replaceChildren(
    ...(isNew ? [element("p", { class: "hint whole" }, "This camera sends pictures, and has no settings yet. These are the defaults.")] : []),
    field({ label: "Name", value: camera.name, maxlength: 200, onChange: (value) => set("name")(value ?? "") }),
    field({ label: "Venue", value: camera.venue, maxlength: 200, onChange: set("venue") }),
    element(
      "fieldset", { class: "form whole" }, element("legend", {}, "Where its pictures come from"),
      wide(field({ label: "Address", value: source.url, placeholder: "rtsp://…", autocomplete: "off", hint: "Empty when a program sends the pictures", onChange: setSource("url") })),
      field({ label: "Frames a second", type: "number", min: 0.01, max: 120, step: "any", value: source.fps, onChange: setSource("fps") }),
      field({ label: "Captured", type: "checkbox", value: source.enabled, onChange: setSource("enabled") }),
    ),
    field({ label: "Model", value: camera.model, hint: "Empty for the installation's own", onChange: set("model") }),
    field({ label: "Confidence threshold", type: "number", min: 0.01, max: 0.99, step: 0.01, value: camera.confidence_threshold, hint: "Empty for the model's own", onChange: set("confidence_threshold") }),
    field({ label: "Maximum age in ms", type: "number", min: 1, step: 1, value: camera.max_age_ms, hint: "Older frames are skipped", onChange: set("max_age_ms") }),
    field({ label: "Retention in days", type: "number", min: 0.01, max: 36500, step: "any", required: true, value: camera.retention_days, onChange: set("retention_days") }),
    field({ label: "Distance limit in m", type: "number", min: 0.01, max: 100, step: "any", required: true, value: camera.distance_limit_m, onChange: set("distance_limit_m") }),
    field({ label: "Time zone", value: camera.time_zone, required: true, list: ZONES, onChange: set("time_zone") }),
    field({ label: "Blur faces in pictures", type: "checkbox", value: camera.blur_faces, onChange: set("blur_faces") }),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
}
