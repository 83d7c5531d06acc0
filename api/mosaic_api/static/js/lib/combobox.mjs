// A text field with suggestions (the combobox pattern of ARIA 1.2).

import { make, newId } from "./dom.mjs";

const MAX_OPTIONS = 60;

/**
 * Give a text field suggestions.
 * @param {HTMLInputElement} input with the role combobox.
 * @param {HTMLElement} list with the role listbox.
 * @param {(text: string) => {value: string, description: string}[]} find the options that match a text, best first.
 */
export function combobox(input, list, find) {
  let chosen = -1;

  const options = () => /** @type {HTMLElement[]} */ ([...list.children]);
  const close = () => { list.hidden = true; input.ariaExpanded = "false"; input.removeAttribute("aria-activedescendant"); chosen = -1; };

  /** @param {number} index */
  function mark(index) {
    const all = options();
    chosen = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, at) => { option.ariaSelected = String(at === chosen); });
    if (chosen < 0) return;
    input.setAttribute("aria-activedescendant", all[chosen].id);
    all[chosen].scrollIntoView({ block: "nearest" });
  }

  /** @param {HTMLElement} option */
  function choose(option) {
    input.value = option.dataset.value ?? "";
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    close();
  }

  /** @param {string} text */
  function show(text) {
    const found = find(text).slice(0, MAX_OPTIONS);
    list.replaceChildren(...found.map(({ value, description }) => make("li", {
      role: "option", id: newId(), "data-value": value, ariaSelected: "false",
      onpointerdown: (/** @type {any} */ event) => { event.preventDefault(); choose(event.currentTarget); },
    }, value, make("small", {}, description))));
    chosen = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = found.length === 0;
    input.ariaExpanded = String(found.length > 0);
  }

  input.addEventListener("input", (event) => { if (event.isTrusted) show(input.value); });
  input.addEventListener("click", () => { if (list.hidden) show(""); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) show(event.altKey ? "" : input.value);
      mark(event.key === "ArrowDown" ? chosen + 1 : Math.max(chosen, 0) - 1);
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault(); // does not submit the form
      choose(options()[Math.max(chosen, 0)]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
}
