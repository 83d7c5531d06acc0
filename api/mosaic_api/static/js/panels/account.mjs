// The user, and the dialog for their API tokens.

import { get, post, remove } from "../lib/api.mjs";
import { button, byId, iconOf, labelled, make, messageOf, notify, showError } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";

const box = byId("account");
/** The scope of the token of a browser's login. */
const SESSION = "session";

/** The user; without a name nobody is logged in. @type {Schemas["CurrentUser"]} */
export const me = { name: null, role: null, single_user: false, login_url: null };

/** Load the user; true if there is one. */
export async function load() {
  await get("me").then((user) => Object.assign(me, user), (error) => notify(messageOf(error)));
  show();
  return me.name !== null;
}

/** The URL of the login, which returns to this page. */
const loginUrl = (login = "/login") => `${login}?target=${encodeURIComponent(location.pathname)}`;

function show() {
  if (me.single_user) { box.replaceChildren(); return; }
  if (!me.name) {
    box.replaceChildren(...(me.login_url ? [make("a", { class: "button strong", href: loginUrl(me.login_url) }, "Log in")] : []));
    return;
  }
  const logout = make("form", { method: "post", action: "/logout" }, make("button", { class: "plain" }, "Log out"));
  const opener = button("", openTokens, { "aria-haspopup": "dialog", class: "plain", title: `${me.name} (${me.role}): tokens` });
  opener.append(iconOf("person"), me.name);
  box.replaceChildren(opener, logout);
}

/** @param {Schemas["Token"]} token */
function describe({ scopes, expires, last_used: used }) {
  const kind = scopes.includes(SESSION) ? "browser login" : scopes.join(", ");
  return [kind, expires && `expires ${locale.date(expires)}`, used && `last used ${locale.ago(used)}`].filter(Boolean).join(", ");
}

/** Open the dialog of tokens, created each time. */
function openTokens() {
  const list = make("ul", { class: "tokens" });
  const problem = make("p", { class: "problem", role: "alert", hidden: true });
  const secret = make("div", { role: "status" });
  const label = make("input", { id: "token-label", maxLength: 100, required: true, autocomplete: "off" });
  const scope = make("select", { id: "token-scope" }, make("option", { value: "read" }, "read"), make("option", { value: "write", selected: true }, "read and write"));
  const days = make("select", { id: "token-days" },
    ...[30, 90, 365].map((number) => make("option", { value: number, selected: number === 90 }, locale.count(number, "day"))));

  async function refresh() {
    const { tokens } = await get("tokens");
    const item = (/** @type {Schemas["Token"]} */ token) => make("li", {},
      make("span", {}, token.label, make("br"), make("small", { class: "hint" }, describe(token))),
      button("Revoke", async () => { await remove(`tokens/${token.id}`).catch((error) => showError(problem, error)); await refresh(); },
        { class: "plain danger", "aria-label": `Revoke ${token.label}` }));
    list.replaceChildren(...tokens.map(item));
  }

  const form = make("form", {
    async onsubmit(/** @type {SubmitEvent} */ event) {
      event.preventDefault();
      showError(problem, null);
      try {
        const created = await post("tokens", { label: label.value, scopes: [/** @type {"read" | "write"} */ (scope.value)], days: Number(days.value) });
        secret.replaceChildren("Copy the token now; it is shown only once:", make("code", { class: "secret", tabIndex: 0 }, created.secret));
        form.reset();
        await refresh();
      } catch (error) { showError(problem, error); }
    },
  },
    labelled("Label of the new token", label),
    make("div", { class: "pair" }, labelled("Permission", scope), labelled("Expires in", days)),
    make("div", { class: "buttons" }, button("Close", () => dialog.close()), make("button", { class: "strong" }, "Create token")));
  const dialog = make("dialog", { "aria-labelledby": "tokens-title", onclose: () => dialog.remove() },
    make("div", { class: "body" }, make("h2", { id: "tokens-title" }, "API tokens"),
      make("p", { class: "hint" }, `Programs use a token to access the API as ${me.name} (${me.role}).`), problem, list, secret, form));
  document.body.append(dialog);
  dialog.showModal();
  refresh().catch((error) => showError(problem, error));
}

let notified = false;
document.addEventListener("logged-out", () => {
  if (notified || !me.name) return;
  notified = true;
  notify("You are logged out.", () => location.assign(loginUrl()), "Log in");
});
