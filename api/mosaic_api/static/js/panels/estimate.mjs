// What a mosaic would be, told while it is described: scenes, pixels, time, size.

import { post } from "../lib/api.mjs";
import { button, make, settled, the } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";

const QUIET = 500;
const [box, found] = [the("estimate"), the("found")];
let known = { key: "", count: null };
let asking = null;

const hint = (text) => box.replaceChildren(make("p", { class: "hint" }, text));

/** Whether only the files themselves tell how large a mosaic is. */
const inFiles = ({ area, source, grid }) => Boolean(source.files && (!area || !grid?.crs)) || grid?.crs === "source";

/** Whether a spec says enough to be estimated. */
const complete = ({ area, source, product }) =>
  Boolean((area?.geometry || area?.bbox?.every((side) => side !== null)) && (source.stac?.datetime || source.earthDaily?.datetime || source.files?.scenes.length)
    && (product.index || product.bands?.length || product.expression));

function showEstimate(told) {
  const { width, height, megapixels, limit_megapixels: limit, seconds, bytes, resolution, crs, scenes, warnings } = told;
  const meter = make("meter", { min: 0, max: limit, high: limit * 0.8, value: megapixels, ariaLabel: "Share of the pixels that this installation allows" });
  const parts = [`about ${locale.duration(seconds)}`, locale.bytes(bytes), ...(scenes ? [`${locale.integer(scenes)} scenes`] : [])];
  box.replaceChildren(
    make("p", {}, make("strong", {}, `${locale.integer(width)} × ${locale.integer(height)} pixels`), `, ${locale.joined(parts)}`),
    meter,
    make("p", { class: "hint" }, `${locale.about(megapixels)} of at most ${locale.integer(limit)} million pixels, ${locale.about(resolution)} ${crs === "EPSG:4326" ? "°" : "m"} each in ${crs}`),
    ...warnings.map((warning) => make("p", { class: "warning" }, warning)));
}

function showScenes({ count, first, last, least_cloud: least, most_cloud: most, message }) {
  const days = first ? `, ${[...new Set([first, last].map(locale.dateUtc))].join(" to ")}` : "";
  const cloud = least === null || least === undefined ? "" : `, ${[...new Set([least, most].map(locale.about))].join(" to ")} % clouds`;
  const scenes = count === 0 ? "No scene" : count === 1 ? "1 scene" : `${locale.integer(count)} scenes`;
  found.className = count === 0 ? "found warning" : "found";
  found.textContent = `${scenes}${days}${cloud}.${message ? ` ${message}` : ""}`;
}

/** What the number of scenes depends on. */
const keyOf = ({ area, source }) => JSON.stringify([area, source]);

async function count(spec, signal) {
  if (!spec.source.stac?.datetime && !spec.source.earthDaily?.datetime) found.textContent = "";
  else if (spec.area && keyOf(spec) !== known.key) await search(spec, signal);
}

async function search(spec, signal) {
  found.className = "found";
  found.textContent = "Looking for scenes …";
  try {
    const told = await post("scenes", { source: spec.source, area: spec.area }, signal);
    known = { key: keyOf(spec), count: told.count };
    showScenes(told);
  } catch (error) {
    if (error.name !== "AbortError") [found.className, found.textContent] = ["found warning", error.message];
  }
}

/** Whether all scenes lie on this machine, whose files are opened in no time. */
const isNear = ({ source }) => source.files?.scenes.length > 0 && source.files.scenes.every(({ item, safe }) => (item ?? safe)?.startsWith("/"));

/** Open the files, which takes a while if they are elsewhere, and tell. */
async function estimateWhole(spec, signal) {
  hint("Opening the files …");
  await post("estimate?whole=true", { spec }, signal).then(showEstimate, (error) => { if (error.name !== "AbortError") hint(error.message); });
}

async function estimate(spec, signal) {
  const scenes = keyOf(spec) === known.key ? known.count : null;
  try {
    showEstimate(await post("estimate", scenes ? { spec, scenes } : { spec }, signal));
  } catch (error) {
    if (error.name !== "AbortError") hint(error.message);
  }
}

/** Estimate what a spec would give, now and again when its scenes are counted. */
async function look(spec) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (inFiles(spec)) {
    if (isNear(spec)) {
      await estimateWhole(spec, signal);
      return;
    }
    hint("The size of this mosaic stands in its files. ");
    box.firstElementChild.append(button("Open them and tell", () => estimateWhole(spec, signal), { class: "link" }));
    await count(spec, signal);
    return;
  }
  if (!complete(spec)) {
    hint("Say where, and which days: then it is told here how large the mosaic is, and how long it takes.");
    found.textContent = "";
    return;
  }
  await Promise.all([estimate(spec, signal), count(spec, signal)]);
  if (!signal.aborted && known.count && keyOf(spec) === known.key) await estimate(spec, signal);
}

export const estimateSoon = settled(look, QUIET);
look({ source: {}, product: {} });
