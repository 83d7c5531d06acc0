// The panel of mosaics: the requests, with their current state.

import { get } from "../lib/api.mjs";
import { make, notify } from "../lib/dom.mjs";
import { open } from "../lib/tabs.mjs";
import { layers } from "../layers/layers.mjs";
import { MosaicLayer, isPublished } from "../layers/mosaic_layer.mjs";
import { ListPanel } from "./list_panel.mjs";
import { RequestRow } from "./request_row.mjs";

/** @typedef {import("../layers/mosaic_layer.mjs").Request} Request */

const POLL_SECONDS = { working: 4, idle: 30 };

/** @extends {ListPanel<RequestRow>} */
export class RequestList extends ListPanel {
  /** @type {{id: string | null, source: EventSource | null}} */
  #watched = { id: null, source: null };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** The rows of unfinished requests, newest first. */
  get #working() {
    return [...this.rows.values()].filter((row) => !row.finished)
      .sort((one, other) => (one.item.created < other.item.created ? 1 : -1));
  }

  /** @param {number} limit */
  async fetchPage(limit) {
    const { text, phase } = this.chosen;
    const query = new URLSearchParams({ limit: String(limit), text });
    for (const name of phase.split(" ").filter(Boolean)) query.append("phase", name);
    return get(`requests?${query}`);
  }

  /** @param {Request} request */
  createRow(request) { return new RequestRow(request, this); }

  emptyText() {
    if (this.chosen.text || this.chosen.phase) return [make("p", {}, "No mosaics match. Clear the filters.")];
    return [make("p", {}, make("strong", {}, "No mosaics yet.")),
      make("p", {}, make("button", { type: "button", class: "link", "data-open": "new" }, "Create one"), " to see its progress here.")];
  }

  /** Load the list, now and again after a while. */
  async load() {
    clearTimeout(this.#timer);
    await super.load();
    clearTimeout(this.#timer);
    const seconds = this.#working.length ? POLL_SECONDS.working : POLL_SECONDS.idle;
    this.#timer = setTimeout(() => { if (!document.hidden) this.load(); }, 1000 * seconds);
  }

  /** Show the state of a request in its row and its layer, and a notice when it finishes. @param {Request} request */
  update(request) {
    const layer = layers.find(`m.${request.id}`);
    const mosaic = layer instanceof MosaicLayer ? layer : null;
    const before = this.rows.get(request.id)?.item ?? mosaic?.request;
    super.update(request);
    mosaic?.update(request);
    if (before && !before.terminal) {
      if (request.phase === "Failed") notify(`${request.name} failed: ${request.status.message ?? ""}`);
      if (isPublished(request) && mosaic) notify(`${request.name} is ready.`);
    }
    if (before?.phase !== request.phase) this.changed();
  }

  /** Receive the events of one unfinished request: the open one, else the newest; the list is polled for the others. */
  changed() {
    const working = this.#working;
    const id = (working.find((row) => row.isOpen) ?? working[0])?.item.id ?? null;
    if (id === this.#watched.id && this.#watched.source?.readyState !== EventSource.CLOSED) return;
    this.#watched.source?.close();
    this.#watched = { id, source: null };
    if (!id) return;
    const source = new EventSource(new URL(`api/v1/requests/${id}/events`, document.baseURI));
    source.addEventListener("request", (event) => this.update(JSON.parse(event.data)));
    source.addEventListener("removed", () => { source.close(); this.remove(id); });
    this.#watched.source = source;
  }

  /** Show a request that was just created: at the top of the list and of the map. @param {Request} request */
  async created(request) {
    this.filter.reset();
    layers.move(layers.add(new MosaicLayer(request)), 0);
    open("requests", true);
    notify(`${request.name} queued.`);
    await this.load();
    this.rows.get(request.id)?.open();
  }

  /** Show the newest mosaic on the map. */
  showNewest() { [...this.rows.values()].find(({ item }) => isPublished(item))?.act(); }
}

const list = new RequestList("requests", "requests");

export const load = () => list.load();
export const showNewest = () => list.showNewest();

document.addEventListener("created", (event) => list.created(/** @type {CustomEvent} */ (event).detail));
document.addEventListener("visibilitychange", () => { if (!document.hidden) list.load(); });
