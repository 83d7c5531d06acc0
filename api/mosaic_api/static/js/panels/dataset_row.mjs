// An entry in the list: its name and kind, and, opened, all that is known of it and what can be done.

import { me } from "./account.mjs";
import { address, call, get, patch, post, remove } from "../lib/api.mjs";
import { button, make, notify, terms } from "../lib/dom.mjs";
import { layerOf } from "../layers/dataset_layer.mjs";
import { fill, held, showProblem } from "../lib/fields.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { lookAt, outline } from "../layers/map.mjs";

const FIELDS = [["name", "Name", "input"], ["description", "Description", "textarea"], ["creator", "Creator", "input"]];
let count = 0;

export class EntryRow {
  #acts;
  #there;
  #opener = make("button", { type: "button", class: "opener", ariaExpanded: "false" });
  #says = make("small", {});
  #kind = make("span", {});
  #action = make("button", { type: "button" });
  #details = make("div", { class: "details" });

  /**
   * @param acts what the list does: changed, removed, restored, fetched.
   * @param there `central`: whether the entry is in the central installation; `configured`: whether there is one.
   */
  constructor(entry, acts, there) {
    [this.#acts, this.#there] = [acts, there];
    const id = `entry-${++count}`;
    this.first = make("tr", {}, make("td", {}, this.#opener, this.#says), make("td", {}, this.#kind), make("td", {}, this.#action));
    this.last = make("tr", { class: "more", id, hidden: true }, make("td", { colspan: 3 }, this.#details));
    this.#opener.setAttribute("aria-controls", id);
    this.#opener.addEventListener("click", () => this.#open(this.last.hidden));
    this.#action.addEventListener("click", () => (there.central ? this.#fetch() : this.#toggle()));
    for (const event of ["pointerenter", "focusin"]) this.first.addEventListener(event, () => outline(this.entry.bounds));
    for (const event of ["pointerleave", "focusout"]) this.first.addEventListener(event, () => outline(null));
    this.update(entry);
  }

  /** Whether it is being changed by hand. */
  get isEdited() { return this.#details.querySelector("form") !== null; }

  remove() {
    this.first.remove();
    this.last.remove();
    outline(null);
  }

  update(entry) {
    this.entry = entry;
    this.#opener.textContent = entry.name;
    this.#says.textContent = [entry.creator, locale.ago(entry.created)].filter((text) => text).join(" · ");
    this.#kind.textContent = entry.kind;
    this.mark();
    if (!this.last.hidden) this.#tell();
  }

  /** Whether the entry is on the map by now. */
  mark() {
    const { name, id } = this.entry;
    const there = Boolean(layers.find(`e.${id}`));
    const label = this.#there.central ? "Fetch" : there ? "Hide" : "Show";
    this.#action.textContent = label;
    this.#action.ariaLabel = `${label} ${name}`;
    if (!this.#there.central) this.#action.ariaPressed = String(there);
  }

  #open(wanted) {
    this.last.hidden = !wanted;
    this.#opener.ariaExpanded = String(wanted);
    if (wanted) this.#tell();
  }

  #toggle() {
    const there = layers.find(`e.${this.entry.id}`);
    if (there) { layers.remove(there); return; }
    layers.add(layerOf(this.entry));
    lookAt(this.entry.bounds);
  }

  async #fetch() {
    this.#action.disabled = true;
    try {
      const fetched = await post(`central/datasets/${this.entry.id}/fetch`);
      notify(`${fetched.name} is here now.`);
      this.#acts.fetched(fetched);
    } catch (error) {
      notify(error.message);
    }
    this.#action.disabled = false;
  }

  #tell() {
    const { description, creator, owner, mine, shared, created, files, details, central } = this.entry;
    const original = files.original;
    const bands = details.bands?.map(({ name }) => name);
    this.#details.replaceChildren(...[
      description && make("p", { class: "message" }, description),
      terms({
        "Creator": creator, "Added": locale.time(created), "Owner": mine ? null : owner,
        "File": original && `${original.name}, ${locale.bytes(original.bytes)}`,
        "Bands": bands?.length ? locale.joined(bands) : null,
        "Seen by": me.single_user || this.#there.central ? null : shared ? "everybody here" : "you",
        "Central": central && sharing(central),
      }),
      !this.#there.central && make("div", { class: "buttons" }, ...this.#buttons()),
    ].filter(Boolean));
  }

  #buttons() {
    const { id, mine, shared, files, central } = this.entry;
    const path = `datasets/${id}`;
    const may = mine || me.role === "admin";
    const act = (work) => async () => { try { await work(); } catch (error) { notify(error.message); } };
    const told = async (answer) => this.#acts.changed(await answer);
    const wished = central?.wish === "share";
    return [
      files.original && make("a", { class: "button", href: address(`${path}/files/original`), download: "" }, "Download"),
      may && button("Edit", () => this.#edit()),
      may && !me.single_user && button(shared ? "Share no longer" : "Share with all here", act(() => told(patch(path, { shared: !shared })))),
      may && this.#there.configured && button(wished ? "Take back from the central one" : "Share with the central one", act(() => told(call(wished ? "DELETE" : "POST", `${path}/share`)))),
      may && button("Delete", act(async () => {
        await remove(path);
        const layer = layers.find(`e.${id}`);
        if (layer) layers.remove(layer);
        this.#acts.removed(this.entry);
        const there = wished ? " It is deleted on the central server too, as soon as that answers." : "";
        notify(`${this.entry.name} is deleted.${there}`, act(async () => { await post(`${path}/restore`); this.#acts.restored(); }));
      }), { class: "danger" }),
    ];
  }

  #edit() {
    const fields = FIELDS.map(([name, label, tag]) => {
      const id = `edit-${++count}`;
      return make("div", { class: "field" }, make("label", { for: id }, label), make(tag, { id, name, "data-field": name, maxLength: tag === "input" ? 100 : 5000 }));
    });
    const problem = make("p", { class: "problem", role: "alert", tabIndex: -1, hidden: true });
    const form = make("form", { class: "edit", noValidate: true }, problem, ...fields,
      make("div", { class: "buttons" }, make("button", { class: "strong" }, "Save"), button("Leave it", () => this.#tell())));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const changed = Object.fromEntries(Object.entries(held(form)).filter(([name, value]) => value !== before[name]));
      try {
        this.#acts.changed(await patch(`datasets/${this.entry.id}`, changed, this.entry.version));
      } catch (error) {
        if (error.status === 412) this.entry = await get(`datasets/${this.entry.id}`).catch(() => this.entry); // saved again, it replaces this one
        showProblem(form, problem, error);
      }
    });
    fill(form, this.entry);
    const before = held(form);
    this.#details.replaceChildren(form);
    form.querySelector("input").focus();
  }
}

/** How sharing with the central installation goes, in a sentence. */
function sharing({ state, wish, message, next }) {
  if (state === null) return "fetched from there";
  if (state === "done") return wish === "share" ? "shared" : "shared no longer";
  if (!message) return "on its way";
  return `${state}: ${message}${next ? `; tried again ${locale.time(next)}` : ""}`;
}
