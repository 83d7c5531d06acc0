// The panel of data: entries here, or those that others shared with the central installation.

import { get } from "../lib/api.mjs";
import { make, settled, tell, the } from "../lib/dom.mjs";
import { EntryRow } from "./dataset_row.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { map, viewBox } from "../layers/map.mjs";

const PAGE = 25;
const FOLLOW_MILLISECONDS = 2000;
const filter = the("data-filter");
const rows = new Map();
let next = null;
let total = 0;
let turn = 0;

/** How it stands with the central installation; null before it was asked. */
let central = null;

const chosen = () => Object.fromEntries(new FormData(filter));
const isCentral = () => chosen().scope === "central";

function query() {
  const { text, scope, kind, here } = chosen();
  const asked = new URLSearchParams({ limit: PAGE, text, ...(scope === "central" ? {} : { scope }), ...(kind ? { kind } : {}) });
  if (here) asked.set("bbox", viewBox().join());
  return `${scope === "central" ? "central/datasets" : "datasets"}?${asked}`;
}

const acts = {
  changed(entry) {
    rows.get(entry.id)?.update(entry);
    follow();
  },
  removed(entry) {
    rows.get(entry.id)?.remove();
    rows.delete(entry.id);
    total -= 1;
    summarize();
  },
  restored: () => load(),
  fetched() { filter.elements.scope.value = "all"; load(); },
};

/** Ask after what is on its way to the central installation, until it is there. */
const follow = settled(async () => {
  const waiting = [...rows.values()].filter(({ entry, isEdited }) => entry.central?.state === "waiting" && !isEdited);
  if (waiting.length === 0 || document.hidden) return;
  await Promise.all(waiting.map(({ entry }) => get(`datasets/${entry.id}`).then((told) => rows.get(told.id)?.update(told), () => {})));
  follow();
}, FOLLOW_MILLISECONDS);

function summarize() {
  const { text, kind, here, scope } = chosen();
  the("data-table").hidden = rows.size === 0;
  the("data-empty").hidden = rows.size > 0;
  the("data-more").hidden = !next;
  the("data-total").textContent = rows.size ? `${locale.integer(rows.size)} of ${locale.integer(total)}` : "";
  if (rows.size) return;
  const empty = text || kind || here
    ? [make("p", {}, "Nothing is like this. Search for less, or in all of the world.")]
    : {
      all: [make("p", {}, make("strong", {}, "There is no data yet.")), make("p", {}, "Add an image, a vector file or a point of yours, to see it beside mosaics and to share it.")],
      mine: [make("p", {}, "You have added nothing yet.")],
      shared: [make("p", {}, "Nobody has shared anything here yet.")],
      central: [make("p", {}, central?.reachable ? "Nobody has shared anything with the central installation yet." : central?.message ?? "")],
    }[scope];
  the("data-empty").replaceChildren(...empty);
}

function show(page, whole) {
  ({ next, total } = page);
  if (whole) {
    for (const row of rows.values()) row.remove();
    rows.clear();
  }
  for (const entry of page.datasets) {
    const row = new EntryRow(entry, acts, { central: isCentral(), configured: Boolean(central?.configured) });
    rows.set(entry.id, row);
    the("data-rows").append(row.first, row.last);
  }
  summarize();
  follow();
}

/** Ask for the list anew. */
export async function load() {
  const mine = ++turn;
  const problem = the("data-problem");
  try {
    central ??= await get("central");
    if (isCentral()) central = await get("central");
    const page = isCentral() && !central.reachable ? { datasets: [], total: 0, next: null } : await get(query());
    if (mine !== turn) return; // what was asked later is shown
    show(page, true);
    tell(problem, null);
  } catch (error) {
    if (mine === turn) tell(problem, error);
  }
  the("made-by").hidden = !central?.reachable;
}

the("data-more").addEventListener("click", async () => {
  const last = the("data-rows").lastElementChild;
  await get(next).then((page) => show(page, false), (error) => tell(the("data-problem"), error));
  last.nextElementSibling?.querySelector("button").focus();
});
filter.addEventListener("input", settled(load, 250));
filter.addEventListener("submit", (event) => { event.preventDefault(); load(); });
document.addEventListener("panel", ({ detail }) => { if (detail === "data") load(); });
document.addEventListener("entry", () => { filter.reset(); load(); });
map.on("moveend", settled(() => { if (chosen().here && !the("panel-data").hidden) load(); }, 400));
layers.addEventListener("change", () => { for (const row of rows.values()) row.mark(); });
