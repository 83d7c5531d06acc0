// The panel of requests: a page of them, each as it stands by now.

import { get } from "../lib/api.mjs";
import { make, notify, settled, tell, the } from "../lib/dom.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { lookAt } from "../layers/map.mjs";
import { MosaicLayer, boxOf, isOver } from "../layers/mosaic_layer.mjs";
import { RequestRow } from "./request_row.mjs";
import { open } from "../lib/tabs.mjs";

const PAGE = 25;
const MOST = 200;
const POLL_SECONDS = { working: 4, quiet: 30 };
const rows = new Map();
const filter = the("requests-filter");
let next = null;
let total = 0;
let watching = { id: null, source: null };
let timer = null;
let turn = 0;

/** Put a mosaic on the map, on top. */
function putOnMap(request) {
  const layer = layers.add(new MosaicLayer(request));
  layers.move(layer, 0);
  return layer;
}

const acts = {
  /** Show a mosaic and go there, or take it off. */
  toggle(request) {
    const there = layers.find(`m.${request.id}`);
    if (there) { layers.remove(there); return; }
    putOnMap(request);
    const box = boxOf(request);
    if (box) lookAt(box);
  },
  changed: heard,
  removed(request) { forget(request.id); },
  opened: () => choose(),
};

function forget(id) {
  const layer = layers.find(`m.${id}`);
  if (layer) layers.remove(layer);
  if (!rows.has(id)) return;
  rows.get(id).remove();
  rows.delete(id);
  total -= 1;
  summarize();
  choose();
}

/** Take over how a request stands. */
function heard(request) {
  const layer = layers.find(`m.${request.id}`);
  const before = rows.get(request.id)?.request ?? layer?.request;
  rows.get(request.id)?.update(request);
  layer?.update(request);
  if (layer && before && !isOver(before) && request.phase === "Succeeded") notify(`${request.name} is done, and on the map.`);
  if (before?.phase !== request.phase) choose();
}

/** Listen to one request that is under way: the one that is open, else the newest; all others are asked after now and then. */
function choose() {
  const working = [...rows.values()].filter(({ request }) => !isOver(request))
    .sort((one, other) => (one.request.created < other.request.created ? 1 : -1));
  const id = (working.find((row) => row.isOpen) ?? working[0])?.request.id ?? null;
  if (id === watching.id && watching.source?.readyState !== EventSource.CLOSED) return;
  watching.source?.close();
  watching = { id, source: null };
  if (!id) return;
  const source = new EventSource(new URL(`api/v1/requests/${id}/events`, document.baseURI));
  source.addEventListener("request", (event) => heard(JSON.parse(event.data)));
  source.addEventListener("removed", () => { source.close(); forget(id); });
  watching.source = source;
}

const query = (limit) => {
  const told = new FormData(filter);
  const asked = new URLSearchParams({ limit, text: told.get("text") });
  for (const phase of told.get("phase").split(" ").filter((name) => name)) asked.append("phase", phase);
  return `requests?${asked}`;
};

function summarize() {
  const filtered = [...new FormData(filter).values()].some((value) => value);
  the("requests-table").hidden = rows.size === 0;
  the("requests-empty").hidden = rows.size > 0;
  the("requests-more").hidden = !next;
  the("requests-total").textContent = rows.size ? `${locale.integer(rows.size)} of ${locale.integer(total)}` : "";
  if (rows.size) return;
  the("requests-empty").replaceChildren(...(filtered
    ? [make("p", {}, "No request is like this. Search for less, or look at all states.")]
    : [make("p", {}, make("strong", {}, "No mosaic was asked for yet.")),
      make("p", {}, "Draw an area on the map, choose scenes and an index, and ", make("button", { type: "button", class: "link", "data-open": "ask" }, "ask for one"), "; here you then see how it comes along.")]));
}

/** Show what a page tells: known rows stay and are brought up to date. */
function show(page, whole) {
  ({ next, total } = page);
  const told = new Set(page.requests.map(({ id }) => id));
  if (whole) for (const [id, row] of rows) if (!told.has(id)) { row.remove(); rows.delete(id); }
  const body = the("requests-rows");
  let before = whole ? null : body.lastElementChild;
  for (const request of page.requests) {
    if (!rows.has(request.id)) rows.set(request.id, new RequestRow(request, acts));
    else heard(request);
    const row = rows.get(request.id);
    const after = before ? before.nextSibling : body.firstChild;
    if (after !== row.first) body.insertBefore(row.first, after);
    row.first.after(row.last);
    before = row.last;
  }
  summarize();
  choose();
}

/** Ask for the list anew. */
export async function load() {
  clearTimeout(timer);
  const mine = ++turn;
  try {
    const page = await get(query(Math.min(MOST, Math.max(PAGE, rows.size))));
    if (mine !== turn) return; // what was asked later is shown
    show(page, true);
    tell(the("requests-problem"), null);
  } catch (error) {
    tell(the("requests-problem"), error);
  }
  const working = [...rows.values()].some(({ request }) => !isOver(request));
  timer = setTimeout(() => (document.hidden ? null : load()), 1000 * (working ? POLL_SECONDS.working : POLL_SECONDS.quiet));
}

/** Put the newest mosaic on the map, for whom the address tells nothing. */
export function showNewest() {
  const newest = [...rows.values()].find(({ request }) => request.phase === "Succeeded");
  if (newest) acts.toggle(newest.request);
}

/** What was just asked for: on top of the list and on the map, where its tiles appear. */
function asked({ detail: request }) {
  filter.reset();
  putOnMap(request);
  open("requests", true);
  load().then(() => rows.get(request.id)?.open());
  notify(`${request.name} is asked for.`);
}

the("requests-more").addEventListener("click", async () => {
  const last = the("requests-rows").lastElementChild;
  await get(next).then((page) => show(page, false), (error) => tell(the("requests-problem"), error));
  last.nextElementSibling?.querySelector("button").focus();
});
filter.addEventListener("input", settled(load, 250));
filter.addEventListener("submit", (event) => { event.preventDefault(); load(); });
document.addEventListener("asked", asked);
document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
document.addEventListener("panel", ({ detail }) => { if (detail === "requests") load(); });
layers.addEventListener("change", () => { for (const row of rows.values()) row.mark(); });
