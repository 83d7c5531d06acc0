// The four panels and their tabs; on a phone, a panel that can be folded away.

import { the } from "./dom.mjs";

const tabs = [...document.querySelectorAll("[role=tab]")];
const nameOf = (tab) => tab.id.slice("tab-".length);

/** The name of the panel that is open. */
export const opened = () => nameOf(tabs.find((tab) => tab.ariaSelected === "true"));

/** Open a panel by its name; `document` hears `panel`. */
export function open(name, focus = false) {
  for (const tab of tabs) {
    const chosen = nameOf(tab) === name;
    tab.ariaSelected = String(chosen);
    tab.tabIndex = chosen ? 0 : -1;
    the(`panel-${nameOf(tab)}`).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  fold(false);
  the("panels").scrollTop = 0;
  document.dispatchEvent(new CustomEvent("panel", { detail: name }));
}

/** Fold the panels away, so that a phone's screen is the map's, or show them again. */
export function fold(away) {
  document.body.classList.toggle("folded", away);
  the("fold").ariaExpanded = String(!away);
}

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => open(nameOf(tab)));
  tab.addEventListener("keydown", ({ key }) => {
    const to = key === "Home" ? 0 : key === "End" ? tabs.length - 1 : STEPS[key] && (place + STEPS[key] + tabs.length) % tabs.length;
    if (to !== undefined) open(nameOf(tabs[to]), true);
  });
});
the("fold").addEventListener("click", () => fold(!document.body.classList.contains("folded")));
document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-open]")?.dataset.open;
  if (name) open(name, true);
});
