// Who is here, and the tokens by which programs come in as them.

import { get, post, remove } from "../lib/api.mjs";
import { button, iconOf, make, notify, tell, the } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";

const box = the("account");
const SESSION = "session";

/** Who is here: name, role, single_user; the name is null for nobody. */
export const me = { name: null, role: null, single_user: false };

/** Ask who is here; `document` hears `me`. */
export async function load() {
  const told = await get("me").catch((error) => { notify(error.message); return {}; });
  Object.assign(me, told);
  show(told.login_url);
  document.dispatchEvent(new Event("me"));
  return me.name !== null;
}

function show(login) {
  if (me.single_user) { box.replaceChildren(); return; }
  if (!me.name) {
    const target = `${login}?target=${encodeURIComponent(location.pathname)}`;
    box.replaceChildren(...(login ? [make("a", { class: "button strong", href: target }, "Log in")] : []));
    return;
  }
  const out = make("form", { method: "post", action: "/logout" }, make("button", { class: "plain" }, "Log out"));
  const opener = button("", openDialog, { "aria-haspopup": "dialog", class: "plain", title: `${me.name}, ${me.role}: your tokens` });
  opener.append(iconOf("person"), me.name);
  box.replaceChildren(opener, out);
}

/** The dialog of tokens, made when it is opened. */
function openDialog() {
  const list = make("ul", { class: "tokens" });
  const problem = make("p", { class: "problem", role: "alert", hidden: true });
  const secret = make("div", { role: "status" });
  const label = make("input", { id: "token-label", maxLength: 100, required: true, autocomplete: "off" });
  const scope = make("select", { id: "token-scope" }, make("option", { value: "read" }, "look"), make("option", { value: "write", selected: true }, "ask and keep"));
  const days = make("select", { id: "token-days" }, ...[[30, "30 days"], [90, "90 days"], [365, "a year"]].map(([value, text]) => make("option", { value, selected: value === 90 }, text)));

  async function refresh() {
    const { tokens } = await get("tokens");
    const line = (token) => make("li", {},
      make("span", {}, token.label, make("br"), make("small", { class: "hint" },
        `${token.scopes.includes(SESSION) ? "login in a browser" : token.scopes.join(", ")}${token.expires ? ` until ${locale.date(token.expires)}` : ""}${token.last_used ? `, used ${locale.ago(token.last_used)}` : ""}`)),
      button("End", async () => { await remove(`tokens/${token.id}`).catch((error) => tell(problem, error)); await refresh(); }, { class: "plain danger", "aria-label": `End ${token.label}` }));
    list.replaceChildren(...tokens.map(line));
  }

  const form = make("form", {
    async onsubmit(event) {
      event.preventDefault();
      tell(problem, null);
      try {
        const made = await post("tokens", { label: label.value, scopes: [scope.value], days: Number(days.value) });
        secret.replaceChildren("Copy it now; it is shown this once:", make("code", { class: "secret", tabIndex: 0 }, made.secret));
        form.reset();
        await refresh();
      } catch (error) { tell(problem, error); }
    },
  },
    make("div", { class: "field" }, make("label", { for: "token-label" }, "A new token, for"), label),
    make("div", { class: "pair" }, make("div", { class: "field" }, make("label", { for: "token-scope" }, "It may"), scope),
      make("div", { class: "field" }, make("label", { for: "token-days" }, "It ends after"), days)),
    make("div", { class: "buttons" }, button("Close", () => dialog.close()), make("button", { class: "strong" }, "Make it")));
  const dialog = make("dialog", { "aria-labelledby": "tokens-title", onclose: () => dialog.remove() },
    make("div", { class: "body" }, make("h2", { id: "tokens-title" }, "Tokens"),
      make("p", { class: "hint" }, `Programs come in with them as ${me.name} (${me.role}).`), problem, list, secret, form));
  document.body.append(dialog);
  dialog.showModal();
  refresh().catch((error) => tell(problem, error));
}

let asked = false;
document.addEventListener("logged-out", () => {
  if (asked || !me.name) return;
  asked = true;
  notify("You are logged out.", () => location.assign(`/login?target=${encodeURIComponent(location.pathname)}`), "Log in");
});
