// A request in the list: its name, how it stands, and, opened, all that is known of it and what can be done.

import { me } from "./account.mjs";
import { patch, post, remove } from "../lib/api.mjs";
import { again } from "./request_form.mjs";
import { ask, button, make, notify, terms } from "../lib/dom.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { outline } from "../layers/map.mjs";
import { boxOf, downloadsOf, isOver } from "../layers/mosaic_layer.mjs";
import { productName } from "../lib/spec.mjs";

let count = 0;

export class RequestRow {
  #acts;
  #opener = make("button", { type: "button", class: "opener", ariaExpanded: "false" });
  #says = make("small", {});
  #why = make("small", { class: "why" });
  #state = make("span", {});
  #progress = make("progress", { max: 100 });
  #left = make("small", {});
  #show = make("button", { type: "button" }, "Show");
  #details = make("div", { class: "details" });

  /** @param acts what the list does: toggle, changed, removed, opened. */
  constructor(request, acts) {
    this.#acts = acts;
    const id = `request-${++count}`;
    this.first = make("tr", {},
      make("td", {}, this.#opener, this.#says, this.#why),
      make("td", {}, this.#state, this.#progress, this.#left),
      make("td", {}, this.#show));
    this.last = make("tr", { class: "more", id, hidden: true }, make("td", { colspan: 3 }, this.#details));
    this.#opener.setAttribute("aria-controls", id);
    this.#opener.addEventListener("click", () => this.open(this.last.hidden));
    this.#show.addEventListener("click", () => acts.toggle(this.request));
    for (const event of ["pointerenter", "focusin"]) this.first.addEventListener(event, () => outline(boxOf(this.request)));
    for (const event of ["pointerleave", "focusout"]) this.first.addEventListener(event, () => outline(null));
    this.update(request);
  }

  get isOpen() { return !this.last.hidden; }

  remove() {
    this.first.remove();
    this.last.remove();
    outline(null);
  }

  /** Open the row, or close it. */
  open(wanted = true) {
    this.last.hidden = !wanted;
    this.#opener.ariaExpanded = String(wanted);
    if (wanted) this.#tell();
    this.#acts.opened();
  }

  /** Take over how the request stands. */
  update(request) {
    if (JSON.stringify(request) === JSON.stringify(this.request)) { this.#says.textContent = this.#when(); return; }
    this.request = request;
    const { name, phase, status, cancelling } = request;
    this.#opener.textContent = name;
    this.#says.textContent = this.#when();
    this.#why.textContent = phase === "Failed" ? status.message ?? "" : "";
    this.#state.className = `phase ${phase}`;
    this.#state.textContent = cancelling ? "Stopping" : phase;
    const { percent, etaSeconds } = status.progress ?? {};
    const working = ["Running", "Finalizing", "Planning"].includes(phase);
    this.#progress.hidden = !working;
    this.#progress.ariaLabel = `Progress of ${name}`;
    if (percent === undefined) this.#progress.removeAttribute("value");
    else this.#progress.value = percent;
    const left = etaSeconds === undefined || etaSeconds === null ? "" : `, ${locale.duration(etaSeconds)} left`;
    this.#left.textContent = working && percent !== undefined ? `${locale.percent(percent / 100)}${left}` : "";
    this.mark();
    if (this.isOpen) this.#tell();
  }

  /** Whether the mosaic is on the map by now. */
  mark() {
    const { phase, name, id } = this.request;
    const there = Boolean(layers.find(`m.${id}`));
    this.#show.textContent = there ? "Hide" : "Show";
    this.#show.ariaPressed = String(there);
    this.#show.ariaLabel = `${there ? "Hide" : "Show"} ${name}`;
    this.#show.disabled = !there && phase !== "Succeeded" && isOver(this.request);
  }

  #when() {
    const { spec, created, owner, mine } = this.request;
    return [productName(spec.product), locale.ago(created), ...(mine || !owner ? [] : [owner])].join(" · ");
  }

  #tell() {
    const { status, phase, started, completed, shared, mine, origin } = this.request;
    const { plan, result } = status;
    const seconds = started && completed ? (new Date(completed) - new Date(started)) / 1000 : null;
    const { minimum, maximum, mean, validPercent } = result?.statistics ?? {};
    const number = (value) => (value === undefined || value === null ? null : locale.value(value));
    const focused = this.#details.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.#details.replaceChildren(...[
      status.message && make("p", { class: phase === "Failed" ? "message bad" : "message" }, status.message),
      ...[...(plan?.warnings ?? []), ...(result?.notes ?? [])].map((warning) => make("p", { class: "warning" }, warning)),
      terms({
        "Asked for": locale.time(this.request.created),
        "Took": seconds === null ? null : locale.duration(seconds),
        "Scenes": plan ? locale.integer(plan.scenes) : null,
        "Size": plan ? `${locale.about(plan.megapixels)} million pixels, about ${locale.bytes(plan.estimatedBytes)}` : null,
        "Values": minimum === undefined || minimum === null ? null : `${number(minimum)} to ${number(maximum)}, mean ${number(mean)}`,
        "With data": validPercent === undefined ? null : locale.percent(validPercent / 100),
        "Seen by": me.single_user ? null : shared ? "everybody here" : mine ? "you" : null,
        "Came by": { cluster: "kubectl", overlays: "the overlays table", command: "the command mosaic" }[origin],
      }),
      make("div", { class: "buttons" }, ...this.#buttons()),
    ].filter(Boolean));
    if (focused) [...this.#details.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
  }

  #buttons() {
    const { phase, shared, mine, cancelling, id, name } = this.request;
    const path = `requests/${id}`;
    const may = mine || me.role === "admin";
    const act = (work) => async () => { try { await work(); } catch (error) { notify(error.message); } };
    const files = Object.entries(downloadsOf(this.request)).map(([label, href]) => make("a", { class: "button", href, download: "" }, label));
    return [
      ...files,
      button(phase === "Succeeded" ? "Ask again with changes" : "Try again with changes", () => again(this.request)),
      may && !isOver(this.request) && button("Cancel", act(async () => this.#acts.changed(await post(`${path}/cancel`))), { disabled: cancelling }),
      may && !me.single_user && button(shared ? "Share no longer" : "Share with all here", act(async () => this.#acts.changed(await patch(path, { shared: !shared })))),
      may && button("Remove …", act(async () => {
        if (!(await ask(`Remove ${name} and its files? This cannot be taken back.`, "Remove it"))) return;
        await remove(path);
        this.#acts.removed(this.request);
        notify(`${name} is removed.`);
      }), { class: "danger" }),
    ];
  }
}
