// Reads and fills forms, shows the parts that a choice needs, and shows problems beside the fields that caused them.

import { Problem } from "./api.mjs";
import { make, newId, showError } from "./dom.mjs";

/** @typedef {Record<string, any>} Values of a form's fields, by name. */

/**
 * A field of a form by its name.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @returns {HTMLInputElement & HTMLSelectElement} with what inputs and selects have in common.
 */
export const fieldOf = (form, name) => /** @type {any} */ (form.elements.namedItem(name));

/** The values of a form. Check boxes that share a name give a list, single ones true or false. @param {HTMLFormElement} form */
export function valuesOf(form) {
  /** @type {Values} */
  const values = {};
  for (const element of form.elements) {
    const field = /** @type {HTMLInputElement} */ (element);
    if (!field.name) continue;
    if (field.type === "checkbox" && field.hasAttribute("value")) {
      values[field.name] ??= [];
      if (field.checked) values[field.name].push(field.value);
    } else if (field.type === "checkbox") values[field.name] = field.checked;
    else if (field.type === "radio") { if (field.checked) values[field.name] = field.value; }
    else values[field.name] = field.value;
  }
  return values;
}

/** Set the values of a form; fields that `values` does not name keep theirs. @param {HTMLFormElement} form @param {Values} values */
export function fill(form, values) {
  for (const element of form.elements) {
    const field = /** @type {HTMLInputElement} */ (element);
    const value = values[field.name];
    if (value === undefined) continue;
    if (field.type === "checkbox") field.checked = Array.isArray(value) ? value.includes(field.value) : value;
    else if (field.type === "radio") field.checked = field.value === value;
    else field.value = value;
  }
}

/**
 * Show the parts of a form whose `data-for` is among some names, and hide its other parts.
 * @param {HTMLFormElement} form
 * @param {Set<string>} names
 */
export function showParts(form, names) {
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-for]"))) part.hidden = !names.has(part.dataset.for ?? "");
}

/** @param {string} path */
const steps = (path) => path.split(/(?=\[)|\./);

/** The number of steps that two paths share if one is the beginning of the other, else 0. @param {string} one @param {string} other */
function shared(one, other) {
  const [short, long] = [steps(one), steps(other)].sort((a, b) => a.length - b.length);
  return short.every((step, index) => step === long[index]) ? short.length : 0;
}

/** @param {Element} element */
const isField = (element) => element.matches("input, select, textarea");

/** The visible element that matches a path best. @param {HTMLFormElement} form @param {string} path */
function elementOf(form, path) {
  /** @type {{element: HTMLElement | null, score: number}} */
  let best = { element: null, score: 0 };
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-field]"))) {
    if (element.closest("[hidden]")) continue;
    for (const candidate of element.dataset.field?.split(" ") ?? []) {
      const score = shared(candidate, path);
      if (score > best.score) best = { element, score };
    }
  }
  return best.element;
}

/** Where a form shows problems that no field caused. @param {HTMLFormElement} form */
const above = (form) => /** @type {HTMLElement} */ (form.querySelector(".problem"));

/** Remove the problems that a form shows. @param {HTMLFormElement} form */
export function clearProblems(form) {
  showError(above(form), null);
  for (const note of form.querySelectorAll(".wrong[data-made]")) note.remove();
  for (const field of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[aria-invalid]"))) {
    field.removeAttribute("aria-invalid");
    if (field.dataset.described !== undefined) {
      field.setAttribute("aria-describedby", field.dataset.described);
      if (!field.dataset.described) field.removeAttribute("aria-describedby");
    }
  }
}

/**
 * Show a problem beside the field that caused it and focus that field; above the form if no field did.
 * @param {HTMLFormElement} form
 * @param {unknown} problem
 */
export function showProblem(form, problem) {
  clearProblems(form);
  const element = problem instanceof Problem && problem.field ? elementOf(form, problem.field) : null;
  if (!element) {
    showError(above(form), problem);
    above(form).focus();
    return;
  }
  const details = element.closest("details");
  if (details) details.open = true;
  const field = /** @type {HTMLElement | null} */ (isField(element) ? element : element.querySelector("input, select, textarea, button"));
  const note = make("p", { class: "wrong", id: newId(), "data-made": "" }, withoutPath(/** @type {Problem} */ (problem)));
  const parent = isField(element) ? element.closest(".compass, .field, .pair > *") ?? element.parentElement : element;
  parent?.append(note);
  if (!field) { note.tabIndex = -1; note.focus(); return; }
  field.dataset.described = field.getAttribute("aria-describedby") ?? "";
  field.setAttribute("aria-describedby", `${field.dataset.described} ${note.id}`.trim());
  field.setAttribute("aria-invalid", "true");
  field.focus();
  note.scrollIntoView({ block: "nearest" });
}

/**
 * Do some work when a form is submitted, with its button disabled, and show what goes wrong.
 * @param {HTMLFormElement} form
 * @param {() => Promise<unknown>} work
 */
export function onSubmit(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    const submit = /** @type {HTMLButtonElement} */ (form.querySelector("button.strong"));
    submit.disabled = true;
    try { await work(); } catch (error) { showProblem(form, error); } finally { submit.disabled = false; }
  });
}

/** The message of a problem without the path of the field that it is shown beside. @param {{message: string, field: string | null}} problem */
export function withoutPath({ message, field }) {
  const plain = message.replace(/^the request: /, "");
  const path = field && plain.startsWith(field) ? plain.slice(field.length).match(/^[\w.[\]]*(:?) /) : null;
  const sentence = path ? `${path[1] ? "" : "this field "}${plain.slice((field?.length ?? 0) + path[0].length)}` : plain;
  return sentence[0].toUpperCase() + sentence.slice(1);
}
