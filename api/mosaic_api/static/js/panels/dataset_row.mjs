// The row of a dataset: opened, it shows what is known of it, and lets the user edit, share and delete it.

import { Problem, call, get, patch, post, remove, urlOf } from "../lib/api.mjs";
import { button, definitions, labelled, make, messageOf, notify } from "../lib/dom.mjs";
import { fill, onSubmit, valuesOf } from "../lib/fields.mjs";
import * as locale from "../lib/locale.mjs";
import { layerOf } from "../layers/dataset_layer.mjs";
import { ListRow } from "./list_row.mjs";

/** @typedef {import("../layers/dataset_layer.mjs").Dataset} Dataset */

/** @type {[name: string, label: string, tag: "input" | "textarea"][]} */
const FIELDS = [["name", "Name", "input"], ["description", "Description", "textarea"], ["creator", "Creator", "input"]];

/** @extends {ListRow<Dataset>} */
export class DatasetRow extends ListRow {
  /** @param {Dataset} dataset @param {import("./datasets.mjs").DatasetList} list */
  constructor(dataset, list) {
    super();
    this.list = list;
    this.update(dataset);
  }

  get path() { return /** @type {const} */ (`datasets/${this.item.id}`); }
  get layerKey() { return `d.${this.item.id}`; }
  get box() { return this.item.bounds; }
  get summary() { return [this.item.creator, locale.ago(this.item.created)].filter((text) => text).join(" · "); }

  createLayer() { return layerOf(this.item); }
  saved(/** @type {Dataset} */ dataset) { this.list.update(dataset); }
  show() { this.state.textContent = this.item.kind; }

  mark() {
    if (this.list.showsCentral) this.label("Fetch");
    else super.mark();
  }

  act() {
    if (this.list.showsCentral) this.#fetch();
    else super.act();
  }

  /** Copy the dataset from the central server to this one. */
  async #fetch() {
    this.action.disabled = true;
    try {
      const fetched = await post(`central/datasets/${this.item.id}/fetch`);
      notify(`${fetched.name} copied to this server.`);
      this.list.showAll();
    } catch (error) {
      notify(messageOf(error));
    }
    this.action.disabled = false;
  }

  describe() {
    const { description, creator, owner, mine, created, files, details, central } = this.item;
    const { original } = files;
    const bands = /** @type {import("../layers/dataset_layer.mjs").ImageDetails} */ (details).bands?.map(({ name }) => name);
    return [
      description && make("p", { class: "message" }, description),
      definitions({
        "Creator": creator, "Added": locale.time(created), "Owner": mine ? null : owner,
        "File": original && `${original.name}, ${locale.bytes(original.bytes)}`,
        "Bands": bands?.length ? locale.joined(bands) : null,
        "Visible to": this.list.showsCentral ? null : this.visibleTo,
        "Central server": central && sharingState(central),
      }),
      !this.list.showsCentral && make("div", { class: "buttons" }, ...this.#buttons()),
    ];
  }

  #buttons() {
    const { files, central } = this.item;
    const shared = central?.action === "share";
    const share = this.attempt(async () => this.saved(await call(shared ? "DELETE" : "POST", `${this.path}/share`)));
    return [
      files.original && make("a", { class: "button", href: urlOf(`${this.path}/files/original`), download: "" }, "Download"),
      this.editable && button("Edit", () => this.#edit()),
      this.shareButton(),
      this.editable && this.list.hasCentral && button(shared ? "Stop sharing on the central server" : "Share on the central server", share),
      this.editable && button("Delete", this.attempt(() => this.#delete(shared)), { class: "danger" }),
    ];
  }

  /** @param {boolean} shared on the central server. */
  async #delete(shared) {
    const { path } = this;
    await remove(path);
    this.list.remove(this.item.id);
    const there = shared ? " It will be deleted on the central server when that is reachable." : "";
    notify(`${this.item.name} deleted.${there}`, this.attempt(async () => { await post(`${path}/restore`); await this.list.load(); }));
  }

  #edit() {
    const fields = FIELDS.map(([name, label, tag]) =>
      labelled(label, make(tag, { name, "data-field": name, maxLength: tag === "input" ? 100 : 5000 })));
    const problem = make("p", { class: "problem", role: "alert", tabIndex: -1, hidden: true });
    const form = make("form", { class: "edit", noValidate: true }, problem, ...fields,
      make("div", { class: "buttons" }, make("button", { class: "strong" }, "Save"), button("Cancel", () => this.showDetails())));
    fill(form, this.item);
    const before = valuesOf(form);
    onSubmit(form, async () => {
      const changes = Object.fromEntries(Object.entries(valuesOf(form)).filter(([name, value]) => value !== before[name]));
      try {
        this.saved(await patch(this.path, changes, this.item.version));
        this.showDetails();
      } catch (error) {
        if (error instanceof Problem && error.status === 412) { // saving again replaces the other change
          const current = await get(this.path).catch(() => null);
          if (current) this.update(current);
        }
        throw error;
      }
    });
    this.details.replaceChildren(form);
    form.querySelector("input")?.focus();
  }
}

/** The state of sharing with the central server. @param {Schemas["DatasetSharing"]} central */
function sharingState({ state, action, message, next }) {
  if (state === null) return "fetched from there";
  if (state === "done") return action === "share" ? "shared" : "no longer shared";
  if (!message) return "waiting";
  return `${state}: ${message}${next ? `; next try ${locale.time(next)}` : ""}`;
}
