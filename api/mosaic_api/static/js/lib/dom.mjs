// Elements made in one expression, texts never read as HTML; notices; a question with two answers.

/** The element with an id, which is there. */
export const the = (id) => document.getElementById(id);

/**
 * A new element.
 * @param {string} name its tag.
 * @param {object} properties DOM properties; `class`, `for`, `role`, `aria-*` and `data-*` are set as attributes.
 * @param {...(Node|string|number|null|false)} children null and false are left out.
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (/^(class|for|role|scope|colspan|list|form|aria-.*|data-.*)$/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/** A button that does something. */
export const button = (label, act, properties = {}) => make("button", { type: "button", onclick: act, ...properties }, label);

/** A button that shows only an icon; its label is for those who do not see it, and for the pointer that rests on it. */
export function iconButton(icon, label, act, properties = {}) {
  const made = button("", act, { class: "bare", title: label, "aria-label": label, ...properties });
  made.append(iconOf(icon));
  return made;
}

/** One of the icons in icons.svg. */
export function iconOf(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A list of terms and what they mean; those without a meaning are left out. */
export function terms(pairs) {
  const told = Object.entries(pairs).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", { class: "terms" }, ...told.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

const NOTICE_SECONDS = 8;

/** Say something that goes away by itself, with a button to take back what was done, if there is one. */
export function notify(text, undo = null, label = "Undo") {
  const notice = make("div", {}, make("span", {}, text));
  const end = () => notice.remove();
  if (undo) notice.append(button(label, () => { end(); undo(); }));
  the("notices").append(notice);
  let timer = setTimeout(end, NOTICE_SECONDS * 1000);
  for (const event of ["focusin", "pointerenter"]) notice.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["focusout", "pointerleave"]) {
    notice.addEventListener(event, () => { clearTimeout(timer); timer = setTimeout(end, NOTICE_SECONDS * 1000); });
  }
}

/** Ask before something that cannot be taken back; whether the answer was yes. */
export function ask(text, yes) {
  const dialog = the("question");
  the("question-text").textContent = text;
  dialog.querySelector("[value=yes]").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}

/** Show an error where a panel tells of errors, or take it away. */
export function tell(element, error) {
  element.textContent = error ? error.message : "";
  element.hidden = !error;
}

/** Calls that come shortly after each other become one, the last; `cancel()` lets the waiting one go. */
export function settled(act, milliseconds) {
  let timer;
  const later = (...given) => { clearTimeout(timer); timer = setTimeout(() => act(...given), milliseconds); };
  later.cancel = () => clearTimeout(timer);
  return later;
}
