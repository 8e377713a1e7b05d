// Where alerts are sent: channels, rules that say which alerts go over them, and what was sent lately.

import { ApiError, attempt, getJson, sendJson, showNotice } from "./api.js";
import { element } from "./dom.js";
import { button, choice, field, ticks, valuesOf } from "./forms.js";
import { duration, time, words } from "./words.js";

const ADDRESS = "/api/notifications";
const SHOWN = 8;
const SEVERITIES = [["info", "Info and above"], ["warning", "Warning and above"], ["critical", "Critical alone"]];
const KINDS = {
  webhook: () => [
    field({ label: "Address", name: "url", required: true, placeholder: "https://…", autocomplete: "off" }),
    field({ label: "Secret", name: "secret", hint: "Signs what is sent; empty for none", autocomplete: "off" }),
  ],
  email: () => [
    field({ label: "Mail server", name: "host", required: true }),
    field({ label: "Port", name: "port", type: "number", min: 1, max: 65535, value: 587, required: true }),
    choice({ label: "Security", name: "security", value: "starttls", choices: [["starttls", "STARTTLS"], ["tls", "TLS"], ["none", "None"]] }),
    field({ label: "User", name: "user", autocomplete: "off" }),
    field({ label: "Password", name: "password", type: "password", autocomplete: "new-password" }),
    field({ label: "From", name: "from", type: "email", required: true }),
    field({ label: "To", name: "to", required: true, hint: "Addresses, separated by commas" }),
  ],
  apprise: () => [field({ label: "Address", name: "url", required: true, placeholder: "ntfy://…", hint: "As apprise writes it: slack://, tgram://, matrix://, …", autocomplete: "off" })],
};

/** Fill the section of notifications. */
export async function showNotifications(place) {
  try {
    new Editor(place, await getJson(ADDRESS)).show();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showNotice(place, error.message);
  }
}

class Editor {
  constructor(place, document) {
    this.document = document;
    this.notices = element("div", { class: "notices", role: "alert" });
    this.told = element("p", { class: "hint", role: "status" });
    this.lists = element("div", { class: "form-list" });
    this.deliveries = element("div", { class: "panel" });
    place.classList.add("form-list");
    place.replaceChildren(this.notices, this.lists, this.told, element("h3", {}, "Sent lately"), this.deliveries);
  }

  show() {
    const { channels, rules } = this.document;
    const channelRows = channels.map((channel) => this.row(channel.name, [channel.kind, channel.url ?? `${channel.host}, to ${channel.to.join(", ")}`], "channels", button("Test", () => this.test(channel.name), { "aria-label": `Test ${channel.name}` })));
    const ruleRows = rules.map((rule) => this.row(rule.name, [`over ${rule.channels.join(", ")}`, rulesWords(rule)], "rules"));
    this.lists.replaceChildren(
      listing("Channels", channelRows, "No channel yet: alerts are shown on the page and nowhere else."),
      this.channelForm(),
      listing("Rules", ruleRows, channels.length ? "No rule yet: nothing is sent over the channels." : "A rule needs a channel first."),
      ...(channels.length ? [this.ruleForm()] : []),
    );
    this.showDeliveries();
  }

  row(name, cells, list, ...buttons) {
    const remove = button("Remove", () => this.change({ [list]: this.document[list].filter((one) => one.name !== name) }), { kind: "quiet danger", "aria-label": `Remove ${name}` });
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((text) => element("td", {}, text)), element("td", { class: "figure" }, element("span", { class: "buttons" }, ...buttons, remove)));
  }

  channelForm() {
    const form = element("form", { class: "form" });
    const details = element("div", { class: "form whole" }, ...KINDS.webhook());
    const kind = choice({ label: "Kind", name: "kind", value: "webhook", choices: [["webhook", "Webhook"], ["email", "E-mail"], ["apprise", "Another service (apprise)"]], onChange: (chosen) => details.replaceChildren(...KINDS[chosen]()) });
    form.append(field({ label: "Name", name: "name", required: true, maxlength: 100, autocomplete: "off" }), kind, details, submit("Add the channel"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { to, ...channel } = valuesOf(form);
      if (to) channel.to = to.split(",").map((one) => one.trim()).filter(Boolean);
      this.change({ channels: [...this.document.channels, channel] });
    });
    return element("details", { class: "panel padded" }, element("summary", {}, "Add a channel"), form);
  }

  ruleForm() {
    let channels = [];
    const names = this.document.channels.map(({ name }) => [name, name]);
    const form = element(
      "form", { class: "form" },
      field({ label: "Name", name: "name", required: true, maxlength: 100, autocomplete: "off" }),
      choice({ label: "Alerts", name: "least_severity", value: "warning", choices: SEVERITIES }),
      field({ label: "Cool-down in seconds", name: "cool_down_s", type: "number", min: 0, max: 604800, value: 300, required: true, hint: "From the last one sent" }),
      field({ label: "Quiet from", name: "quiet_from", type: "time", hint: "Empty for no quiet hours" }),
      field({ label: "Quiet until", name: "quiet_to", type: "time" }),
      ticks({ label: "Over", values: [], choices: names, onChange: (chosen) => (channels = chosen) }),
      submit("Add the rule"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { quiet_from, quiet_to, name, least_severity, cool_down_s } = valuesOf(form);
      const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
      const quiet_hours = quiet_from && quiet_to ? { days: "mon-sun", from: quiet_from, to: quiet_to, time_zone } : null;
      this.change({ rules: [...this.document.rules, { name, channels, least_severity, cool_down_s, quiet_hours }] });
    });
    return element("details", { class: "panel padded" }, element("summary", {}, "Add a rule"), form);
  }

  async change(changed) {
    await attempt(this.notices, async () => {
      this.document = await sendJson("PUT", ADDRESS, { ...this.document, ...changed });
      this.show();
    });
  }

  async test(channel) {
    this.told.textContent = `Sending a test over ${channel}…`;
    const went = await attempt(this.notices, async () => {
      const { state, error } = await sendJson("POST", `${ADDRESS}/test`, { channel });
      this.told.textContent = `Test over ${channel}: ${state}${error ? `, ${error}` : ""}`;
    });
    if (!went) this.told.textContent = "";
    this.showDeliveries();
  }

  async showDeliveries() {
    try {
      const { items } = await getJson(`${ADDRESS}/deliveries?limit=${SHOWN}`);
      const rows = items.map(({ channel, rule, state, error, created_at }) =>
        element("tr", {}, element("th", { scope: "row" }, channel), element("td", {}, rule ? words(rule) : "Test"), element("td", {}, error ? `${state}: ${error}` : state), element("td", { class: "figure" }, time(created_at))),
      );
      this.deliveries.replaceChildren(rows.length ? element("table", {}, element("tbody", {}, ...rows)) : element("p", { class: "padded soft" }, "Nothing was sent yet."));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showNotice(this.deliveries, error.message);
    }
  }
}

const submit = (text) => element("div", { class: "buttons whole" }, element("button", { class: "button", type: "submit" }, text));

const rulesWords = ({ least_severity, cool_down_s, quiet_hours, enabled }) =>
  [enabled ? `${least_severity} and above` : "switched off", `cool-down ${duration(cool_down_s)}`, quiet_hours && `quiet ${quiet_hours.from} to ${quiet_hours.to}`].filter(Boolean).join(", ");

function listing(label, rows, empty) {
  if (!rows.length) return element("p", { class: "panel padded soft" }, empty);
  return element("div", { class: "panel table-box", tabindex: 0, role: "region", "aria-label": label }, element("table", {}, element("tbody", {}, ...rows)));
}
