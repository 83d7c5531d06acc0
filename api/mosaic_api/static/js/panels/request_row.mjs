// The row of a request: its progress and, opened, the plan, the result and what the user can do.

import { post, remove } from "../lib/api.mjs";
import { button, confirmed, definitions, make, notify, showProgress } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";
import { productName } from "../lib/spec.mjs";
import { MosaicLayer, boxOf, downloadsOf, isPublished } from "../layers/mosaic_layer.mjs";
import { ListRow } from "./list_row.mjs";
import { copy } from "./request_form.mjs";

/** @typedef {import("../layers/mosaic_layer.mjs").Request} Request */

/** @type {Record<string, string>} */
const ORIGINS = { cluster: "kubectl", overlays: "the overlays table", command: "the mosaic command" };

/** @extends {ListRow<Request>} */
export class RequestRow extends ListRow {
  #failure = make("small", { class: "why" });
  #progress = make("progress", {});
  #remaining = make("small", {});

  /** @param {Request} request @param {import("./requests.mjs").RequestList} list */
  constructor(request, list) {
    super();
    this.list = list;
    this.description.after(this.#failure);
    this.state.after(this.#progress, this.#remaining);
    this.update(request);
  }

  get path() { return /** @type {const} */ (`requests/${this.item.id}`); }
  get layerKey() { return `m.${this.item.id}`; }
  get box() { return boxOf(this.item); }
  get finished() { return this.item.terminal; }
  get showable() { return !this.finished || isPublished(this.item); }

  get summary() {
    const { spec, created, owner, mine } = this.item;
    return [productName(spec), locale.ago(created), ...(mine || !owner ? [] : [owner])].join(" · ");
  }

  createLayer() { return new MosaicLayer(this.item); }
  toggled() { this.list.changed(); }
  saved(/** @type {Request} */ request) { this.list.update(request); }

  show() {
    const { name, phase, status, cancelling, working } = this.item;
    this.#failure.textContent = phase === "Failed" ? status.message ?? "" : "";
    this.state.className = `phase ${phase}`;
    this.state.textContent = cancelling ? "Cancelling" : phase;
    const { percent, etaSeconds } = status.progress ?? {};
    this.#progress.ariaLabel = `Progress of ${name}`;
    showProgress(this.#progress, working ? (percent === undefined ? null : percent / 100) : undefined);
    const remaining = etaSeconds === undefined || etaSeconds === null ? "" : `, ${locale.duration(etaSeconds)} left`;
    this.#remaining.textContent = working && percent !== undefined ? `${locale.percent(percent / 100)}${remaining}` : "";
  }

  describe() {
    const { status, phase, created, started, completed, origin } = this.item;
    const { plan, result } = status;
    const seconds = started && completed ? (Date.parse(completed) - Date.parse(started)) / 1000 : null;
    const { minimum, maximum, mean, validPercent } = result?.statistics ?? {};
    const number = (/** @type {number | null | undefined} */ value) => (value === undefined || value === null ? null : locale.value(value));
    return [
      status.message && make("p", { class: phase === "Failed" ? "message bad" : "message" }, status.message),
      ...[...(plan?.warnings ?? []), ...(result?.notes ?? [])].map((warning) => make("p", { class: "warning" }, warning)),
      definitions({
        "Created": locale.time(created),
        "Duration": seconds === null ? null : locale.duration(seconds),
        "Scenes": plan ? locale.integer(plan.scenes) : null,
        "Size": plan ? `${locale.about(plan.megapixels)} Mpx, about ${locale.bytes(plan.estimatedBytes)}` : null,
        "Values": minimum === undefined || minimum === null ? null : `${number(minimum)} to ${number(maximum)}, mean ${number(mean)}`,
        "Valid pixels": validPercent === undefined ? null : locale.percent(validPercent / 100),
        "Visible to": this.visibleTo,
        "Created with": ORIGINS[origin],
      }),
      make("div", { class: "buttons" }, ...this.#buttons()),
    ];
  }

  #buttons() {
    const { cancelling, id, name } = this.item;
    const files = Object.entries(downloadsOf(this.item)).map(([label, href]) => make("a", { class: "button", href, download: "" }, label));
    const cancel = this.attempt(async () => this.saved(await post(`${this.path}/cancel`)));
    const drop = this.attempt(async () => {
      if (!(await confirmed(`Delete ${name} and its files permanently?`, "Delete"))) return;
      await remove(this.path);
      this.list.remove(id);
      notify(`${name} deleted.`);
    });
    return [
      ...files,
      button("Duplicate and edit", () => copy(this.item)),
      this.editable && !this.finished && button("Cancel", cancel, { disabled: cancelling }),
      this.shareButton(),
      this.editable && button("Delete …", drop, { class: "danger" }),
    ];
  }
}
