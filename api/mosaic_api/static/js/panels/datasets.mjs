// The panel of data: the datasets of this server, or those that others shared on the central server.

import { get } from "../lib/api.mjs";
import { byId, debounced, make } from "../lib/dom.mjs";
import { map, viewBox } from "../layers/map.mjs";
import { DatasetRow } from "./dataset_row.mjs";
import { ListPanel } from "./list_panel.mjs";

/** @typedef {import("../layers/dataset_layer.mjs").Dataset} Dataset */

const POLL_MILLISECONDS = 2000;
const MOVE_MILLISECONDS = 400;

/** @extends {ListPanel<DatasetRow>} */
export class DatasetList extends ListPanel {
  /** The connection to the central server; null before the first call. @type {Schemas["CentralStatus"] | null} */
  #central = null;

  /** Whether the rows are datasets of the central server. */
  showsCentral = false;

  /** Whether a central server is configured. */
  get hasCentral() { return this.#central?.configured ?? false; }

  /** @param {number} limit */
  async fetchPage(limit) {
    const { text, scope, kind, view } = this.chosen;
    const fromCentral = scope === "central";
    if (fromCentral || !this.#central) this.#central = await get("central");
    byId("run-on").hidden = !this.#central?.reachable;
    const query = new URLSearchParams({ limit: String(limit), text, ...(fromCentral ? {} : { scope }), ...(kind ? { kind } : {}) });
    if (view) query.set("bbox", viewBox().join());
    const page = fromCentral && !this.#central?.reachable
      ? { datasets: [], total: 0, next: null }
      : await get(/** @type {const} */ (`${fromCentral ? "central/datasets" : "datasets"}?${query}`));
    return { ...page, fromCentral };
  }

  /** @param {{fromCentral: boolean}} page */
  received({ fromCentral }) {
    if (fromCentral !== this.showsCentral) this.clear();
    this.showsCentral = fromCentral;
  }

  /** @param {Dataset} dataset */
  createRow(dataset) { return new DatasetRow(dataset, this); }

  emptyText() {
    const { text, kind, view, scope } = this.chosen;
    if (text || kind || view) return [make("p", {}, "No datasets match. Clear the filters.")];
    if (scope === "mine") return [make("p", {}, "You have no datasets yet.")];
    if (scope === "shared") return [make("p", {}, "No datasets are shared on this server yet.")];
    if (scope === "central") return [make("p", {}, this.#central?.reachable ? "No datasets are shared on the central server yet." : this.#central?.message ?? "")];
    return [make("p", {}, make("strong", {}, "No datasets yet.")), make("p", {}, "Add an image, a vector file or a point to show it with mosaics and to share it.")];
  }

  changed() { this.#poll(); }

  /** @param {Dataset} dataset */
  update(dataset) {
    super.update(dataset);
    this.#poll();
  }

  /** Show the datasets of this server. */
  async showAll() {
    /** @type {HTMLSelectElement} */ (this.filter.elements.namedItem("scope")).value = "all";
    await this.load();
  }

  /** Update the datasets that the central server does not have yet, until it has them. */
  #poll = debounced(async () => {
    const waiting = [...this.rows.values()].filter(({ item, isEdited }) => item.central?.state === "waiting" && !isEdited);
    if (waiting.length === 0 || document.hidden) return;
    await Promise.all(waiting.map(({ path }) => get(path).then((dataset) => super.update(dataset), () => {})));
    this.#poll();
  }, POLL_MILLISECONDS);
}

const list = new DatasetList("data", "datasets");

export const load = () => list.load();

document.addEventListener("dataset-added", () => { list.filter.reset(); list.load(); });
map.on("moveend", debounced(() => { if (list.chosen.view && !byId("panel-data").hidden) list.load(); }, MOVE_MILLISECONDS));
