// A row of a ListPanel: name, state and an action; opened, it shows details and buttons.

import { patch } from "../lib/api.mjs";
import { button, make, messageOf, newId, notify } from "../lib/dom.mjs";
import { layers } from "../layers/layers.mjs";
import { lookAt, outline, outlineWith } from "../layers/map.mjs";
import { me } from "./account.mjs";

/**
 * @typedef {Schemas["Request"] | Schemas["Dataset"]} Item what a row shows.
 * @typedef {import("../layers/layers.mjs").Layer} Layer
 */

/** @template {Item} I */
export class ListRow {
  opener = make("button", { type: "button", class: "opener", ariaExpanded: "false" });
  description = make("small", {});
  state = make("span", {});
  action = make("button", { type: "button" });
  details = make("div", { class: "details" });
  item = /** @type {I} */ ({});

  constructor() {
    const id = newId();
    this.first = make("tr", {},
      make("td", {}, this.opener, this.description), make("td", {}, this.state), make("td", {}, this.action));
    this.last = make("tr", { class: "more", id, hidden: true }, make("td", { colspan: 3 }, this.details));
    this.opener.setAttribute("aria-controls", id);
    this.opener.addEventListener("click", () => this.open(!this.isOpen));
    this.action.addEventListener("click", () => this.act());
    outlineWith(this.first, () => this.box);
  }

  /** The path of the item in the API. @returns {`requests/${string}` | `datasets/${string}`} */
  get path() { throw new Error("a kind of row has a path"); }

  /** The key of the item's layer. */
  get layerKey() { return ""; }

  /** The extent of the item, if it is known. @returns {import("../layers/layers.mjs").Box | null} */
  get box() { return null; }

  /** The line below the name. */
  get summary() { return ""; }

  /** Whether the item can be shown on the map. */
  get showable() { return true; }

  /** Whether the user can change the item. */
  get editable() { return this.item.mine || me.role === "admin"; }

  /** Whether the details hold a form that the user fills. */
  get isEdited() { return this.details.querySelector("form") !== null; }

  get isOpen() { return !this.last.hidden; }

  /** The layer of the item. @returns {Layer} */
  createLayer() { throw new Error("a kind of row creates its layer"); }

  /** Show the item in the cells that only this kind of row has. */
  show() {}

  /** The details, with the buttons. @returns {(Node | null | false | undefined | "")[]} */
  describe() { return []; }

  /** Called after the item was changed on the server. */
  saved(/** @type {I} */ item) { this.update(item); }

  /** Called when the row is opened or closed. */
  toggled() {}

  remove() {
    this.first.remove();
    this.last.remove();
    outline(null);
  }

  /** Open the row, or close it. */
  open(wanted = true) {
    this.last.hidden = !wanted;
    this.opener.ariaExpanded = String(wanted);
    if (wanted) this.showDetails();
    this.toggled();
  }

  /** Show the current state of the item. @param {I} item */
  update(item) {
    const same = JSON.stringify(item) === JSON.stringify(this.item);
    this.item = item;
    this.description.textContent = this.summary;
    if (same) return;
    this.opener.textContent = item.name;
    this.show();
    this.mark();
    if (this.isOpen && !this.isEdited) this.showDetails();
  }

  /** Show whether the item is on the map. */
  mark() {
    const shown = Boolean(layers.find(this.layerKey));
    this.label(shown ? "Hide" : "Show");
    this.action.ariaPressed = String(shown);
    this.action.disabled = !shown && !this.showable;
  }

  /** Label the action. @param {string} label */
  label(label) {
    this.action.textContent = label;
    this.action.ariaLabel = `${label} ${this.item.name}`;
  }

  /** Show the item on the map, or hide it. */
  act() {
    const layer = layers.find(this.layerKey);
    if (layer) { layers.remove(layer); return; }
    layers.add(this.createLayer());
    if (this.box) lookAt(this.box);
  }

  /** Show the details again; the focus stays on the button with the same label. */
  showDetails() {
    const focused = this.details.contains(document.activeElement) ? document.activeElement?.textContent : null;
    const children = /** @type {Node[]} */ (this.describe().filter(Boolean));
    this.details.replaceChildren(...children);
    if (focused) [...this.details.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
  }

  /** A click handler that shows errors as notices. @param {() => Promise<unknown>} work */
  attempt(work) {
    return async () => { try { await work(); } catch (error) { notify(messageOf(error)); } };
  }

  /** Who can see the item; null where there are no other users. */
  get visibleTo() {
    if (me.single_user) return null;
    return this.item.shared ? "everyone on this server" : this.item.mine ? "you" : null;
  }

  /** The button that shares the item on this server, or stops that. */
  shareButton() {
    if (!this.editable || me.single_user) return null;
    const { shared } = this.item;
    const toggle = this.attempt(async () => this.saved(/** @type {I} */ (await patch(this.path, { shared: !shared }))));
    return button(shared ? "Stop sharing" : "Share with everyone on this server", toggle);
  }
}
