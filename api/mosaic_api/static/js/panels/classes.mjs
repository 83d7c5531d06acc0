// The classes of the product: each is a range of values or one value, with a colour and a name.

import { button, byId, iconButton, make } from "../lib/dom.mjs";
import { filled } from "../lib/spec.mjs";

/** @typedef {Schemas["ProductClass"]} ProductClass */

const MAX_CLASSES = 64;
/** Colours of new classes, from low to high values. */
const COLOURS = ["#4575b4", "#d8b365", "#c7e59b", "#1a7837", "#762a83", "#e08214", "#2166ac", "#b2182b"];
const KINDS = { range: "Range", value: "One value" };

const list = byId("classes");
const section = /** @type {HTMLDetailsElement} */ (list.closest("details"));

const changed = () => list.dispatchEvent(new Event("input", { bubbles: true }));
/** @param {HTMLInputElement} field */
const numberIn = (field) => (field.value === "" ? undefined : Number(field.value));
/** @param {string} label @param {number | null | undefined} value @param {string} placeholder */
const numberField = (label, value, placeholder = "") =>
  make("input", { type: "number", step: "any", value: value ?? "", placeholder, title: label, "aria-label": label });

/** @typedef {ReturnType<typeof classRow>} ClassRow */

/** The fields of one class. @param {Draft<ProductClass>} given @param {(row: HTMLElement) => void} onRemove */
function classRow(given, onRemove) {
  const colour = make("input", { type: "color", value: given.colour?.toLowerCase() ?? "#808080", title: "Colour", "aria-label": "Colour" });
  const name = make("input", { value: given.name ?? "", placeholder: "Name", maxLength: 64, spellcheck: false, "aria-label": "Name of the class" });
  const kind = make("select", { title: "Kind", "aria-label": "Kind of the class" }, ...Object.entries(KINDS).map(([value, label]) => make("option", { value }, label)));
  kind.value = given.range ? "range" : given.value === undefined ? "range" : "value";
  const value = numberField("Value", given.value);
  const lower = numberField("From (included)", given.range?.atLeast, "from");
  const upper = numberField("To (not included)", given.range?.below, "below");
  const remove = iconButton("close", "Remove class", () => onRemove(element));
  const element = make("li", {}, make("div", { class: "row" }, colour, name, remove), make("div", { class: "row" }, kind, value, lower, upper));
  const show = () => {
    value.hidden = kind.value === "range";
    lower.hidden = upper.hidden = !value.hidden;
  };
  kind.addEventListener("change", show);
  show();
  return {
    element,
    focus: () => name.focus(),
    /** The class as in the spec. @returns {Draft<ProductClass>} */
    read() {
      const limits = kind.value === "value" ? { value: numberIn(value) } : { range: filled({ atLeast: numberIn(lower), below: numberIn(upper) }) ?? {} };
      return filled({ ...limits, colour: colour.value, name: name.value.trim() }) ?? {};
    },
    /** @param {number} index of the class in the spec. */
    nameFields(index) {
      const path = `spec.product.classes[${index}]`;
      const fields = { "": element, ".name": name, ".colour": colour, ".value": value, ".range": lower, ".range.below": upper };
      for (const [end, field] of Object.entries(fields)) field.dataset.field = path + end;
    },
  };
}

/** @type {ClassRow[]} */
let rows = [];

/** The classes as in the spec. @returns {Draft<ProductClass>[]} */
export function classesOf() {
  rows.forEach((row, index) => row.nameFields(index));
  byId("add-class", HTMLButtonElement).disabled = rows.length >= MAX_CLASSES;
  return rows.map((row) => row.read());
}

/** @param {Draft<ProductClass>} given */
function add(given) {
  const row = classRow(given, (element) => { element.remove(); rows = rows.filter((other) => other !== row); changed(); });
  rows.push(row);
  list.append(row.element);
  return row;
}

/** Show the fields of some classes. @param {Draft<ProductClass>[]} next */
export function setClasses(next) {
  rows = [];
  list.replaceChildren();
  for (const each of next) add(each);
  section.open = rows.length > 0;
  classesOf();
}

/** Add a class that begins where the last range ends. */
function addClass() {
  const last = rows.at(-1)?.read().range?.below;
  add({ colour: COLOURS[rows.length % COLOURS.length], ...(last === undefined || last === null ? {} : { range: { atLeast: last } }) }).focus();
  changed();
}

byId("add-class").replaceWith(button("Add class", addClass, { id: "add-class" }));
