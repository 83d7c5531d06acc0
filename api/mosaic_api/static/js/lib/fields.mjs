// What a form holds, which parts of it are shown, and problems beside the fields that are to blame.

let count = 0;

/** What the fields of a form hold, by name; check boxes of one name and many values as a list, single ones as true or false. */
export function held(form) {
  const told = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type === "checkbox" && field.hasAttribute("value")) {
      told[field.name] ??= [];
      if (field.checked) told[field.name].push(field.value);
    } else if (field.type === "checkbox") told[field.name] = field.checked;
    else if (field.type === "radio") { if (field.checked) told[field.name] = field.value; }
    else told[field.name] = field.value;
  }
  return told;
}

/** Let the fields of a form hold something else; those that are not named stay. */
export function fill(form, values) {
  for (const field of form.elements) {
    const value = values[field.name];
    if (value === undefined) continue;
    if (field.type === "checkbox") field.checked = Array.isArray(value) ? value.includes(field.value) : value;
    else if (field.type === "radio") field.checked = field.value === value;
    else field.value = value;
  }
}

/** Show the parts of a form that a choice needs: those whose data-for is among the names. */
export function showParts(form, names) {
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = !names.has(part.dataset.for);
}

const steps = (path) => path.split(/(?=\[)|\./);

/** How many steps two paths share from their beginning, where one is the beginning of the other; 0 where it is not. */
function shared(one, other) {
  const [short, long] = [steps(one), steps(other)].sort((a, b) => a.length - b.length);
  return short.every((step, place) => step === long[place]) ? short.length : 0;
}

const isField = (element) => element.matches("input, select, textarea");

/** The element that stands for a field of what was sent; the most exact one that is shown. */
function elementOf(form, field) {
  let best = { element: null, score: 0 };
  for (const element of form.querySelectorAll("[data-field]")) {
    if (element.closest("[hidden]")) continue;
    for (const path of element.dataset.field.split(" ")) {
      const score = shared(path, field);
      if (score > best.score) best = { element, score };
    }
  }
  return best.element;
}

/** Take away what is said of wrong fields. */
export function clearProblems(form) {
  for (const told of form.querySelectorAll(".wrong[data-made]")) told.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    if (field.dataset.described !== undefined) {
      field.setAttribute("aria-describedby", field.dataset.described);
      if (!field.dataset.described) field.removeAttribute("aria-describedby");
    }
  }
}

/**
 * Say what is wrong beside the field that is to blame, and go there; above the form where there is none.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} above where problems without a field are told.
 * @param {Problem} problem
 */
export function showProblem(form, above, problem) {
  clearProblems(form);
  above.hidden = true;
  const element = problem.field && elementOf(form, problem.field);
  if (!element) {
    above.textContent = problem.message;
    above.hidden = false;
    above.focus();
    return;
  }
  const details = element.closest("details");
  if (details) details.open = true;
  const field = isField(element) ? element : element.querySelector("input, select, textarea, button");
  const told = document.createElement("p");
  Object.assign(told, { className: "wrong", id: `wrong-${++count}`, textContent: withoutField(problem) });
  told.dataset.made = "";
  const place = isField(element) ? element.closest(".compass, .field, .pair > *") ?? element.parentElement : element;
  place.append(told);
  if (!field) { told.tabIndex = -1; told.focus(); return; }
  field.dataset.described = field.getAttribute("aria-describedby") ?? "";
  field.setAttribute("aria-describedby", `${field.dataset.described} ${told.id}`.trim());
  field.setAttribute("aria-invalid", "true");
  field.focus();
  told.scrollIntoView({ block: "nearest" });
}

/** The sentence without the field's path at its beginning, for it stands beside the field. */
function withoutField({ message, field }) {
  const plain = message.replace(/^the request: /, "");
  const rest = [[`${field}: `, ""], [`${field} is `, "it is "]].find(([beginning]) => plain.startsWith(beginning));
  const sentence = rest ? rest[1] + plain.slice(rest[0].length) : plain;
  return sentence[0].toUpperCase() + sentence.slice(1);
}
