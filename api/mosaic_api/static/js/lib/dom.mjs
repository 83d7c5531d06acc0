// Creates and finds elements, shows notices and dialogs. Text is never parsed as HTML.

/**
 * The element with an id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] class that the element must have.
 * @returns {T}
 * @throws {TypeError} if there is no such element.
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof (kind ?? HTMLElement))) throw new TypeError(`no ${kind?.name ?? "element"} has the id ${id}`);
  return /** @type {T} */ (element);
}

/** @typedef {Node | string | number | null | undefined | false} Child null, undefined and false are skipped. */

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name tag name.
 * @param {Record<string, any>} properties DOM properties; `class`, `for`, `role`, `aria-*`, `data-*` and the like are set as attributes.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (/^(class|for|role|scope|colspan|list|form|aria-.*|data-.*)$/.test(key)) element.setAttribute(key, value);
    else /** @type {any} */ (element)[key] = value;
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  return element;
}

/** A button with a click handler. @param {string} label @param {(event: MouseEvent) => void} onclick @param {Record<string, any>} properties */
export const button = (label, onclick, properties = {}) => make("button", { type: "button", onclick, ...properties }, label);

/**
 * A button that shows an icon; the label is its tooltip and its name for screen readers.
 * @param {string} icon
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 */
export function iconButton(icon, label, onclick) {
  const made = button("", onclick, { class: "bare", title: label, "aria-label": label });
  made.append(iconOf(icon));
  return made;
}

/** One of the icons in icons.svg. @param {string} name */
export function iconOf(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

let ids = 0;
/** An id that no other element has. */
export const newId = () => `made-${++ids}`;

/** A label above its field, which gets an id if it has none. @param {string} label @param {HTMLElement} field */
export function labelled(label, field) {
  field.id ||= newId();
  return make("div", { class: "field" }, make("label", { for: field.id }, label), field);
}

/** A definition list; pairs with an empty value are skipped. @param {Record<string, Child>} pairs */
export function definitions(pairs) {
  const shown = Object.entries(pairs).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", { class: "terms" }, ...shown.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

/**
 * A progress bar, which each part of the page uses.
 * @param {HTMLProgressElement} bar
 * @param {number | null | undefined} share done, 0 to 1; null if it is not known, undefined to hide the bar.
 */
export function showProgress(bar, share) {
  bar.hidden = share === undefined;
  if (typeof share === "number") [bar.max, bar.value] = [1, share];
  else bar.removeAttribute("value");
}

const NOTICE_SECONDS = 8;

/**
 * Show a notice for some seconds, with a button if there is something to do about it.
 * @param {string} text
 * @param {(() => void) | null} act what the button does.
 * @param {string} label of the button.
 */
export function notify(text, act = null, label = "Undo") {
  const notice = make("div", {}, make("span", {}, text));
  const close = () => notice.remove();
  if (act) notice.append(button(label, () => { close(); act(); }));
  byId("notices").append(notice);
  let timer = setTimeout(close, NOTICE_SECONDS * 1000);
  for (const event of ["focusin", "pointerenter"]) notice.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["focusout", "pointerleave"]) {
    notice.addEventListener(event, () => { clearTimeout(timer); timer = setTimeout(close, NOTICE_SECONDS * 1000); });
  }
}

/** Ask for confirmation. @param {string} text the question. @param {string} action label of the button that confirms. @returns {Promise<boolean>} */
export function confirmed(text, action) {
  const dialog = byId("question", HTMLDialogElement);
  byId("question-text").textContent = text;
  byId("question-action").textContent = action;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * Show an error in the element for errors of a panel, or hide that element.
 * @param {HTMLElement} element
 * @param {unknown} error an Error, or null.
 */
export function showError(element, error) {
  element.textContent = error ? messageOf(error) : "";
  element.hidden = !error;
}

/** The message of something that was thrown. @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * A function that waits until it is no longer called, then runs once with the last arguments; `cancel()` drops a waiting call.
 * @template {any[]} A
 * @param {(...given: A) => void} act
 * @param {number} milliseconds
 */
export function debounced(act, milliseconds) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const later = (/** @type {A} */ ...given) => { clearTimeout(timer); timer = setTimeout(() => act(...given), milliseconds); };
  later.cancel = () => clearTimeout(timer);
  return later;
}
