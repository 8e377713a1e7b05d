// One's own password.

import { attempt, sendJson } from "./api.js";
import { element } from "./dom.js";
import { field, valuesOf } from "./forms.js";

/** Fill the form that changes it; afterwards one signs in again, with the new one. */
export function showOwnPassword(form) {
  const notices = element("div", { class: "notices whole", role: "alert" });
  form.replaceChildren(
    field({ label: "Old password", name: "old", type: "password", required: true, autocomplete: "current-password" }),
    field({ label: "New password", name: "new", type: "password", required: true, minlength: 10, maxlength: 200, autocomplete: "new-password", hint: "Ten characters or more" }),
    notices,
    element("div", { class: "buttons whole" }, element("button", { class: "button", type: "submit" }, "Change the password")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const went = await attempt(notices, () => sendJson("PUT", "/api/me/password", valuesOf(form)));
    if (went) location.assign("/sign-in");
  });
}
