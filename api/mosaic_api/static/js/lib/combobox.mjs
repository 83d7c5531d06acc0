// A field whose words are searched in a list (the combobox pattern of ARIA 1.2).

import { make } from "./dom.mjs";

const MOST = 60;
let count = 0;

/**
 * @param {HTMLInputElement} input with role combobox.
 * @param {HTMLElement} list with role listbox.
 * @param {(text: string) => {value: string, says: string}[]} find what fits a text, the best first.
 */
export function combobox(input, list, find) {
  let chosen = -1;

  const options = () => [...list.children];
  const close = () => { list.hidden = true; input.ariaExpanded = "false"; input.removeAttribute("aria-activedescendant"); chosen = -1; };

  function mark(place) {
    const all = options();
    chosen = all.length ? (place + all.length) % all.length : -1;
    all.forEach((option, at) => { option.ariaSelected = String(at === chosen); });
    if (chosen < 0) return;
    input.setAttribute("aria-activedescendant", all[chosen].id);
    all[chosen].scrollIntoView({ block: "nearest" });
  }

  function take(option) {
    input.value = option.dataset.value;
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    close();
  }

  function show(text) {
    const found = find(text).slice(0, MOST);
    list.replaceChildren(...found.map(({ value, says }) => make("li", {
      role: "option", id: `option-${++count}`, "data-value": value, ariaSelected: "false",
      onpointerdown: (event) => { event.preventDefault(); take(event.currentTarget); },
    }, value, make("small", {}, says))));
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
      event.preventDefault(); // of sending the form
      take(options()[Math.max(chosen, 0)]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
}
