// The estimate of a mosaic while the user describes it: scenes, pixels, time and size.

import { isAbort, post } from "../lib/api.mjs";
import { button, byId, debounced, make, messageOf } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";

/** @typedef {import("../lib/spec.mjs").Spec} Spec */

const DELAY_MILLISECONDS = 500;
const box = byId("estimate");
const found = byId("found");
/** @type {{key: string, count: number | null}} */
let known = { key: "", count: null };
/** @type {AbortController | null} */
let request = null;
/** @type {Spec} */
let latest = { source: {}, product: {} };

/** @param {...import("../lib/dom.mjs").Child} children */
const hint = (...children) => box.replaceChildren(make("p", { class: "hint" }, ...children));

/** @param {unknown} error */
const showProblem = (error) => { if (!isAbort(error)) hint(messageOf(error)); };

/** Whether the size is known only after reading the files. @param {Spec} spec */
const isInFiles = ({ area, source, grid }) => Boolean(source.files && (!area || !grid?.crs)) || grid?.crs === "source";

/** Whether a spec has what an estimate needs. @param {Spec} spec */
const isComplete = ({ area, source, product }) =>
  Boolean((area?.geometry || area?.bbox?.every((/** @type {unknown} */ side) => side !== null))
    && (source.stac?.datetime || source.earthDaily?.datetime || source.files?.scenes.length)
    && (product.index || product.bands?.length || product.expression));

/** @param {Schemas["Estimate"]} estimate */
function showEstimate({ width, height, megapixels, limit_megapixels: limit, seconds, bytes, resolution, crs, scenes, warnings }) {
  const meter = make("meter", { min: 0, max: limit, high: limit * 0.8, value: megapixels, ariaLabel: "Share of the pixel limit" });
  const parts = [`about ${locale.duration(seconds)}`, locale.bytes(bytes), ...(scenes ? [locale.count(scenes, "scene")] : [])];
  box.replaceChildren(
    make("p", {}, make("strong", {}, `${locale.integer(width)} × ${locale.integer(height)} pixels`), `, ${locale.joined(parts)}`),
    meter,
    make("p", { class: "hint" }, `${locale.about(megapixels)} Mpx (limit ${locale.integer(limit)} Mpx), ${locale.about(resolution)} ${crs === "EPSG:4326" ? "°" : "m"}, ${crs}`),
    ...warnings.map((warning) => make("p", { class: "warning" }, warning)));
}

/** @param {Schemas["SceneCount"]} scenes */
function showScenes({ count, first, last, least_cloud: least, most_cloud: most, message }) {
  const days = first && last ? `, ${[...new Set([first, last].map(locale.dateUtc))].join(" to ")}` : "";
  const clouds = [least, most].filter((cloud) => typeof cloud === "number");
  const cloud = clouds.length ? `, ${[...new Set(clouds.map(locale.about))].join(" to ")} % clouds` : "";
  found.className = count === 0 ? "found warning" : "found";
  found.textContent = `${locale.count(count, "scene")}${days}${cloud}.${message ? ` ${message}` : ""}`;
}

/** What the number of scenes depends on. @param {Spec} spec */
const keyOf = ({ area, source, minus }) => JSON.stringify([area, source, minus]);

/** Count the scenes of a search, unless they are known. @param {Spec} spec @param {AbortSignal} signal */
async function countScenes(spec, signal) {
  if (!spec.source.stac?.datetime && !spec.source.earthDaily?.datetime) found.textContent = "";
  else if (spec.area && keyOf(spec) !== known.key) await search(spec, signal);
}

/** @param {Spec} spec @param {AbortSignal} signal */
async function search(spec, signal) {
  found.className = "found";
  found.textContent = "Searching for scenes …";
  try {
    const scenes = await post("scenes", { source: spec.source, minus: spec.minus, area: spec.area }, signal);
    known = { key: keyOf(spec), count: scenes.count };
    showScenes(scenes);
  } catch (error) {
    if (!isAbort(error)) [found.className, found.textContent] = ["found warning", messageOf(error)];
  }
}

/** Whether all scenes are local, so that reading them is fast. @param {Spec} spec */
const isLocal = ({ source: { files } }) => Boolean(files?.scenes.length && files.scenes.every(({ item, safe }) => (item ?? safe)?.startsWith("/")));

/** A signal that ends with the next estimate. */
function startEstimate() {
  request?.abort();
  request = new AbortController();
  return request.signal;
}

/** Read the files and show the estimate; this takes a while if they are remote. @param {Spec} spec @param {AbortSignal} signal */
async function estimateFromFiles(spec, signal) {
  hint("Reading files …");
  await post("estimate?whole=true", { spec }, signal).then(showEstimate, showProblem);
}

/** Read the files of the latest spec at once, in place of an estimate that waits. */
function readFilesNow() {
  showSoon.cancel();
  return estimateFromFiles(latest, startEstimate());
}

/** @param {Spec} spec @param {AbortSignal} signal */
async function estimate(spec, signal) {
  const scenes = keyOf(spec) === known.key ? known.count : null;
  await post("estimate", scenes ? { spec, scenes } : { spec }, signal).then(showEstimate, showProblem);
}

/** Show the estimate of a spec, and again when its scenes are counted. @param {Spec} spec */
async function show(spec) {
  const signal = startEstimate();
  if (isInFiles(spec)) {
    if (isLocal(spec)) {
      await estimateFromFiles(spec, signal);
      return;
    }
    if (!box.querySelector("button")) hint("The size is known after reading the files. ", button("Read files now", readFilesNow, { class: "link" }));
    await countScenes(spec, signal);
    return;
  }
  if (!isComplete(spec)) {
    hint("Choose an area and dates to see size and time.");
    found.textContent = "";
    return;
  }
  await Promise.all([estimate(spec, signal), countScenes(spec, signal)]);
  if (!signal.aborted && known.count && keyOf(spec) === known.key) await estimate(spec, signal);
}

const showSoon = debounced(() => show(latest), DELAY_MILLISECONDS);

/** Show the estimate of a spec when the user stops typing. @param {Spec} spec */
export function estimateSoon(spec) {
  latest = spec;
  showSoon();
}

show(latest);
