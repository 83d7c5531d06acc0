// A panel that lists what the server has: a filter, pages of rows, and a text where there are none. Requests and datasets
// are its kinds; their rows are ListRows.

import { get } from "../lib/api.mjs";
import { byId, debounced, showError } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";
import { layers } from "../layers/layers.mjs";

/**
 * @typedef {import("./list_row.mjs").ListRow<any>} ListRow
 * @typedef {import("./list_row.mjs").Item} Item
 */

const PAGE = 25;
/** The most rows that one call returns. */
const MAX_ROWS = 200;
const DELAY_MILLISECONDS = 250;

/** @template {ListRow} R */
export class ListPanel {
  /** @type {Map<string, R>} */
  rows = new Map();
  /** @type {string | null} */
  #next = null;
  #total = 0;
  #turn = 0;

  /** @param {string} name of the panel: its elements' ids begin with it. @param {string} key of the list in the API's pages. */
  constructor(name, key) {
    this.name = name;
    this.key = key;
    this.filter = byId(`${name}-filter`, HTMLFormElement);
    this.problem = byId(`${name}-problem`);
    const body = this.body = byId(`${name}-rows`);
    byId(`${name}-more`).addEventListener("click", async () => {
      const last = body.lastElementChild;
      await get(/** @type {any} */ (this.#next)).then((page) => this.#show(page, false), (error) => showError(this.problem, error));
      /** @type {HTMLElement | null | undefined} */ (last?.nextElementSibling?.querySelector("button"))?.focus();
    });
    this.filter.addEventListener("input", debounced(() => this.load(), DELAY_MILLISECONDS));
    this.filter.addEventListener("submit", (event) => { event.preventDefault(); this.load(); });
    document.addEventListener("panel", (event) => { if (/** @type {CustomEvent} */ (event).detail === name) this.load(); });
    layers.addEventListener("change", () => { for (const row of this.rows.values()) row.mark(); });
  }

  /** The filter's values. */
  get chosen() { return /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(this.filter))); }

  /** The first page of what the filter allows, from the API. @param {number} _limit the most items in it. @returns {Promise<any>} */
  async fetchPage(_limit) { throw new Error("a kind of panel fetches its pages"); }

  /** Called with a page before its rows replace the present ones. @param {any} _page */
  received(_page) {}

  /** A row for an item. @param {Item} _item @returns {R} */
  createRow(_item) { throw new Error("a kind of panel creates its rows"); }

  /** The text of an empty list. @returns {Node[]} */
  emptyText() { return []; }

  /** Called after rows were added, removed or updated. */
  changed() {}

  /** Load the list again; rows that remain keep their state. */
  async load() {
    const turn = ++this.#turn;
    try {
      const page = await this.fetchPage(Math.min(MAX_ROWS, Math.max(PAGE, this.rows.size)));
      if (turn !== this.#turn) return; // a later call shows newer rows
      this.received(page);
      this.#show(page, true);
      showError(this.problem, null);
    } catch (error) {
      if (turn === this.#turn) showError(this.problem, error);
    }
  }

  /** Show the state of an item in its row, if it has one. @param {Item} item */
  update(item) { this.rows.get(item.id)?.update(item); }

  /** Remove an item's row and layer. @param {string} id */
  remove(id) {
    const row = this.rows.get(id);
    if (!row) return;
    const layer = layers.find(row.layerKey);
    if (layer) layers.remove(layer);
    row.remove();
    this.rows.delete(id);
    this.#total -= 1;
    this.#summarize();
  }

  /** Remove all rows, such as those of another server. */
  clear() {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  /** @param {any} page @param {boolean} first whether it is the first page, which replaces the rows. */
  #show(page, first) {
    this.#next = page.next;
    this.#total = page.total;
    const ids = new Set(page[this.key].map((/** @type {Item} */ { id }) => id));
    if (first) for (const [id, row] of this.rows) if (!ids.has(id)) { row.remove(); this.rows.delete(id); }
    let before = first ? null : this.body.lastElementChild;
    for (const item of page[this.key]) {
      const row = this.rows.get(item.id) ?? this.createRow(item);
      if (this.rows.has(item.id)) this.update(item);
      else this.rows.set(item.id, row);
      const after = before ? before.nextSibling : this.body.firstChild;
      if (after !== row.first) this.body.insertBefore(row.first, after);
      row.first.after(row.last);
      before = row.last;
    }
    this.#summarize();
  }

  #summarize() {
    const { size } = this.rows;
    byId(`${this.name}-table`).hidden = size === 0;
    byId(`${this.name}-empty`).hidden = size > 0;
    byId(`${this.name}-more`).hidden = !this.#next;
    byId(`${this.name}-total`).textContent = size ? `${locale.integer(size)} of ${locale.integer(this.#total)}` : "";
    if (!size) byId(`${this.name}-empty`).replaceChildren(...this.emptyText());
    this.changed();
  }
}
