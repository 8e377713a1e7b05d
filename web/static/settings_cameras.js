// The cameras: those that there are, and a form that adds one by its address.

import { allItems, ApiError, attempt, call, cameraPage, cameraUrl, fetchJson, sendJson, showNotice } from "./api.js";
import { element } from "./dom.js";
import { button, field, valuesOf, wide } from "./forms.js";
import { number } from "./words.js";

const mayEdit = document.body.dataset.role !== "viewer";

/** Fill the table of cameras and the form that adds one. */
export function showCameras(place, details, form) {
  details.hidden = !mayEdit;
  const read = async () => {
    try {
      fillTable(place, await allItems("/api/cameras"), read);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showNotice(place, `The cameras cannot be read: ${error.message}`);
    }
  };
  fillForm(form, read);
  read();
}

function fillTable(place, cameras, read) {
  if (!cameras.length) return place.replaceChildren(element("p", { class: "padded soft" }, "No camera has settings yet. Add one by its address, or open one that sends pictures on the overview."));
  const rows = cameras.map((camera) => {
    const { camera_id, name, source } = camera;
    const put = (changed) => change(place, camera, changed, read);
    const toggle = source && button(source.enabled ? "Switch off" : "Switch on", () => put({ enabled: !source.enabled }), { "aria-label": `${source.enabled ? "Switch off" : "Switch on"} ${camera_id}` });
    const rate = source && element("input", { type: "number", min: 0.01, max: 120, step: "any", value: source.fps, "aria-label": `Frames a second of ${camera_id}`, size: 4, disabled: !mayEdit });
    rate?.addEventListener("change", () => rate.reportValidity() && put({ fps: Number(rate.value) }));
    const remove = button("Remove", async () => {
      if (!confirm(`Remove the settings of ${camera_id}? Its results stay.`)) return;
      if (await attempt(place, () => call("DELETE", cameraUrl(camera_id)))) read();
    }, { kind: "quiet danger", "aria-label": `Remove ${camera_id}` });
    return element(
      "tr", {},
      element("th", { scope: "row" }, element("a", { href: cameraPage(camera_id) }, name || camera_id)),
      element("td", {}, source?.url ?? "sent by a program"),
      element("td", {}, source ? rate : "–"),
      element("td", {}, source ? (source.enabled ? "on" : "off") : "–"),
      element("td", {}, `${number(camera.zones.length)} zones, ${number(camera.lines.length)} lines`),
      element("td", { class: "figure" }, element("span", { class: "buttons" }, ...(mayEdit ? [...(toggle ? [toggle] : []), remove] : []))),
    );
  });
  const heads = ["Camera", "Source", "Frames a second", "Captured", "Drawn"].map((name) => element("th", { scope: "col" }, name));
  place.replaceChildren(
    element("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Cameras" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads, element("td", {}))), element("tbody", {}, ...rows))),
  );
}

async function change(place, camera, changed, read) {
  const went = await attempt(place, async () => {
    const [, current, tag] = await fetchJson(cameraUrl(camera.camera_id));
    await sendJson("PUT", cameraUrl(camera.camera_id), { ...current, source: { ...current.source, ...changed } }, { "If-Match": tag });
  });
  if (went) read();
}

function fillForm(form, read) {
  const notices = element("div", { class: "notices whole", role: "alert" });
  const tested = element("div", { class: "whole" });
  const test = button("See a test picture", () => testPicture(form, tested, notices));
  form.replaceChildren(
    field({ label: "Id", name: "camera_id", required: true, maxlength: 200, hint: "Short and for ever, such as gate-1", autocomplete: "off" }),
    field({ label: "Name", name: "name", maxlength: 200, autocomplete: "off" }),
    field({ label: "Frames a second", name: "fps", type: "number", min: 0.01, max: 120, step: "any", value: 5, required: true }),
    wide(field({ label: "Address", name: "url", required: true, placeholder: "rtsp://user:password@camera/stream", hint: "rtsp, rtsps, http or https; the password is never shown again", autocomplete: "off" })),
    notices, tested,
    element("div", { class: "buttons whole" }, element("button", { class: "button", type: "submit" }, "Add the camera"), test),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const { camera_id, name, url, fps } = valuesOf(form);
    const went = await attempt(notices, async () => {
      const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
      const document = { camera_id: camera_id.normalize("NFC"), name: name ?? "", source: { url, fps, enabled: true }, time_zone };
      await sendJson("PUT", cameraUrl(camera_id), document, { "If-None-Match": "*" }).catch((error) => {
        throw error.status === 412 ? new ApiError(`There is a camera ${camera_id} already`) : error;
      });
    });
    if (!went) return;
    fillForm(form, read);
    read();
  };
}

/** Ask the server for one picture of the address, without adding a camera. */
async function testPicture(form, place, notices) {
  if (!form.elements.url.reportValidity()) return;
  place.replaceChildren(element("p", { class: "hint", role: "status" }, "Asking the camera for a picture…"));
  const went = await attempt(notices, async () => {
    const body = JSON.stringify({ url: form.elements.url.value.trim() });
    const answer = await fetch("/api/cameras/test", { method: "POST", body, headers: { "Content-Type": "application/json", Accept: "image/jpeg, application/json" } });
    if (!answer.ok) throw new ApiError((await answer.json().catch(() => null))?.error?.message ?? `The answer was ${answer.status}`, answer.status);
    const picture = element("img", { class: "test-picture", alt: "A picture of the camera, as it is now" });
    picture.src = URL.createObjectURL(await answer.blob());
    place.replaceChildren(picture);
  });
  if (!went) place.replaceChildren();
}
