// The tabs of the panels; on a phone, panels can be collapsed.

import { byId } from "./dom.mjs";

const tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[role=tab]")]);
/** @param {HTMLElement} tab */
const nameOf = (tab) => tab.id.slice("tab-".length);

/** The name of the open panel. */
export const openPanel = () => nameOf(tabs.find((tab) => tab.ariaSelected === "true") ?? tabs[0]);

/** Open a panel; `document` fires `panel`. @param {string} name @param {boolean} focus whether its tab gets the focus. */
export function open(name, focus = false) {
  for (const tab of tabs) {
    const chosen = nameOf(tab) === name;
    tab.ariaSelected = String(chosen);
    tab.tabIndex = chosen ? 0 : -1;
    byId(`panel-${nameOf(tab)}`).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  collapse(false);
  byId("panels").scrollTop = 0;
  document.dispatchEvent(new CustomEvent("panel", { detail: name }));
}

/** Hide the panels, so that the map has a phone's whole screen, or show them again. @param {boolean} hidden */
export function collapse(hidden) {
  document.body.classList.toggle("folded", hidden);
  byId("fold").ariaExpanded = String(!hidden);
}

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => open(nameOf(tab)));
  tab.addEventListener("keydown", ({ key }) => {
    const next = key === "Home" ? 0 : key === "End" ? tabs.length - 1 : STEPS[key] && (index + STEPS[key] + tabs.length) % tabs.length;
    if (next !== undefined) open(nameOf(tabs[next]), true);
  });
});
byId("fold").addEventListener("click", () => collapse(!document.body.classList.contains("folded")));
document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target.closest("[data-open]") : null;
  if (target instanceof HTMLElement && target.dataset.open) open(target.dataset.open, true);
});
