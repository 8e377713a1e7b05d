// Users and API keys.

import { ApiError, attempt, call, getJson, sendJson, showNotice } from "./api.js";
import { element } from "./dom.js";
import { button, choice, field, valuesOf } from "./forms.js";
import { time, words } from "./words.js";

const ROLES = [["viewer", "Viewer: looks"], ["operator", "Operator: acts"], ["administrator", "Administrator: decides"]];

/** Fill the sections of users and keys. */
export function showAccess(users, keys) {
  new Listing(users, {
    url: "/api/users", what: "user", key: ({ name }) => name,
    head: ["Name", "Role", "Since"], remove: "Remove",
    cells: (user, listing) => [user.name, roleOf(user, listing), time(user.created_at)],
    fields: () => [
      field({ label: "Name", name: "name", required: true, maxlength: 100, autocomplete: "off" }),
      choice({ label: "Role", name: "role", value: "viewer", choices: ROLES }),
      field({ label: "Password", name: "password", type: "password", required: true, minlength: 10, autocomplete: "new-password", hint: "Ten characters or more" }),
    ],
  });
  new Listing(keys, {
    url: "/api/keys", what: "API key", key: ({ id }) => id,
    head: ["Name", "Role", "Cameras", "Last used"], remove: "Revoke",
    cells: (key) => [key.name, key.role, key.cameras?.join(", ") ?? "all", key.last_used_at ? time(key.last_used_at) : "never"],
    fields: () => [
      field({ label: "Name", name: "name", required: true, maxlength: 100, autocomplete: "off" }),
      choice({ label: "Role", name: "role", value: "operator", choices: ROLES }),
      field({ label: "Cameras", name: "cameras", hint: "Ids, separated by commas; empty for all" }),
    ],
    body: ({ cameras, ...rest }) => ({ ...rest, cameras: cameras ? cameras.split(",").map((one) => one.trim()).filter(Boolean) : null }),
    made: ({ key }) => element("div", { class: "secret", role: "status" }, element("p", {}, "This is the key. It is shown this once:"), element("code", {}, key)),
  });
}

/** A user's role, to be changed where it stands. */
function roleOf(user, listing) {
  const options = ROLES.map(([value]) => element("option", { value, selected: value === user.role }, words(value)));
  const select = element("select", { "aria-label": `Role of ${user.name}` }, ...options);
  select.addEventListener("change", () => listing.change(user, { role: select.value }));
  return select;
}

/** A list that the interface keeps, with a form that adds to it. */
class Listing {
  constructor(place, spec) {
    this.spec = spec;
    this.notices = element("div", { class: "notices", role: "alert" });
    this.table = element("div", { class: "panel" });
    this.made = element("div");
    this.form = element("form", { class: "form" });
    this.details = element("details", { class: "panel padded" }, element("summary", {}, `Add ${/^[aeiou]/i.test(spec.what) && spec.what !== "user" ? "an" : "a"} ${spec.what}`), this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add();
    });
    place.classList.add("form-list");
    place.replaceChildren(this.notices, this.table, this.made, this.details);
    this.fillForm();
    this.read();
  }

  fillForm() {
    const submit = element("button", { class: "button", type: "submit" }, "Add");
    this.form.replaceChildren(...this.spec.fields(), element("div", { class: "buttons whole" }, submit));
  }

  async read() {
    try {
      this.show((await getJson(this.spec.url)).items);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.details.hidden = error.status === 403;
      showNotice(this.table, error.message);
    }
  }

  show(items) {
    const { head, cells, remove, what } = this.spec;
    if (!items.length) return this.table.replaceChildren(element("p", { class: "padded soft" }, `There is no ${what} yet.`));
    const rows = items.map((item) => {
      const [first, ...rest] = cells(item, this);
      const end = button(remove, () => this.remove(item, first), { kind: "quiet danger", "aria-label": `${remove} ${first}` });
      return element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((cell, place) => element("td", { "data-head": head[place + 1] }, cell)), element("td", { class: "figure" }, end));
    });
    const heads = [...head.map((name) => element("th", { scope: "col" }, name)), element("td", {})];
    this.table.replaceChildren(
      element("div", { class: "table-box" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows))),
    );
  }

  async add() {
    await attempt(this.notices, async () => {
      const values = valuesOf(this.form);
      const made = await sendJson("POST", this.spec.url, this.spec.body ? this.spec.body(values) : values);
      this.made.replaceChildren(...(this.spec.made ? [this.spec.made(made)] : []));
      this.fillForm();
      await this.read();
    });
  }

  async change(item, values) {
    await attempt(this.notices, () => sendJson("PUT", `${this.spec.url}/${encodeURIComponent(this.spec.key(item))}`, values));
    await this.read();
  }

  async remove(item, name) {
    if (!confirm(`${this.spec.remove} ${this.spec.what} ${name}?`)) return;
    await attempt(this.notices, async () => {
      await call("DELETE", `${this.spec.url}/${encodeURIComponent(this.spec.key(item))}`);
      await this.read();
    });
  }
}
