// The spec of a MosaicRequest from what the form holds, and the other way. No document is needed here.
//
// What the form does not show (conditions of execution, details of files) is kept from the request that is tried again.

const CATALOGUES = ["earth-search", "planetary-computer"];
const number = (text) => (text === undefined || text === "" ? undefined : Number(text));

/** An object without what is undefined; undefined if nothing is left. */
function filled(object) {
  const left = Object.entries(object).filter(([, value]) => value !== undefined);
  return left.length ? Object.fromEntries(left) : undefined;
}

/** What is written as JSON in a field; if it is not JSON, the text itself, which the API refuses by name. */
export function json(text) {
  if (!text?.trim()) return undefined;
  try { return JSON.parse(text); } catch { return text; }
}

/** The interval from a first and a last day, either of which may be open. */
function interval(from, to, before) {
  if (before && from === days(before)[0] && to === days(before)[1]) return before; // with its hours, if it has them
  if (!from && !to) return undefined;
  return `${from || ".."}/${to || ".."}`;
}

/** The first and the last day of an interval. */
function days(text) {
  const [from, to] = text.includes("/") ? text.split("/") : [text, text];
  return [from, to].map((end) => (end === ".." ? "" : end.slice(0, 10)));
}

const names = (text) => text.split(",").map((name) => name.trim()).filter((name) => name);

/**
 * The spec of what is asked for.
 * @param {object} form what the fields hold, by name; `mask` is a list, check boxes are true or false.
 * @param {object|null} area as in the spec.
 * @param {object[]} scenes of `source.files`.
 * @param {object} base the spec of the request that is tried again, or {}.
 */
export function specOf(form, area, scenes, base = {}) {
  return filled({
    area: area ?? undefined,
    source: { ...sourceOf(form, scenes, base.source ?? {}), ...(form.skip ? { onUnreadable: "skip" } : {}) },
    product: productOf(form),
    composite: filled({
      method: form.method,
      percentile: form.method === "percentile" ? number(form.percentile) : undefined,
      of: form.of === "bands" ? "bands" : undefined,
      mask: form.mask.length ? form.mask : undefined,
      dilate: number(form.dilate),
      count: form.count || undefined,
      chosen: form.chosen || undefined,
    }),
    grid: filled({
      crs: form.crs === "epsg" ? `EPSG:${form.epsg}` : form.crs || undefined,
      resolution: number(form.resolution),
      resampling: form.resampling || undefined,
    }),
    output: filled({
      ...base.output,
      dtype: form.dtype === "int16" ? "int16" : undefined,
      colormap: form.colormap,
      stretch: stretchOf(form),
    }),
    execution: filled({ ...base.execution, cancel: undefined, suspend: undefined }),
  });
}

function sourceOf(form, scenes, before) {
  if (form.source === "files") return { files: { scenes } };
  const [from, to, assets] = [form.from, form.to, json(form.assets)];
  if (form.source === "earthDaily") {
    const datetime = interval(from, to, before.earthDaily?.datetime);
    return { earthDaily: filled({ collection: form.mosaics || undefined, datetime, assets }) };
  }
  return {
    stac: filled({
      url: form.source === "stac" ? form.url || undefined : form.source,
      collection: form.collection || undefined,
      datetime: interval(from, to, before.stac?.datetime),
      maxCloudCover: number(form.cloud),
      query: json(form.query),
      assets,
    }),
  };
}

function productOf(form) {
  if (form.product === "index") return { index: form.index.trim() };
  if (form.product === "bands") return { bands: names(form.bands) };
  return { expression: form.expression };
}

function stretchOf(form) {
  if (form.stretch === "minmax") return { minmax: {} };
  if (form.stretch === "fixed") return { fixed: filled({ lower: number(form.lower), upper: number(form.upper) }) ?? {} };
  return { percentile: filled({ lower: number(form.low), upper: number(form.high) }) ?? {} };
}

const text = (value) => (value === undefined || value === null ? "" : String(value));
/** A value as it is written in a field of JSON. */
export const written = (value) => (value === undefined ? "" : JSON.stringify(value));

/** What the fields of the form hold for a spec, by name; as `specOf` takes it. */
export function formOf(spec) {
  const { source, product, composite = {}, grid = {}, output = {} } = spec;
  const catalogue = source.stac ?? source.earthDaily;
  const [from, to] = catalogue ? days(catalogue.datetime) : ["", ""];
  const epsg = grid.crs?.startsWith("EPSG:");
  const stretch = output.stretch ?? { percentile: {} };
  return {
    source: source.files ? "files" : source.earthDaily ? "earthDaily" : CATALOGUES.includes(source.stac.url) ? source.stac.url : "stac",
    url: source.stac && !CATALOGUES.includes(source.stac.url) ? source.stac.url : "",
    collection: source.stac?.collection ?? "sentinel-2-l2a",
    mosaics: source.earthDaily?.collection ?? "ai-ready-mosaics",
    from, to,
    cloud: text(source.stac?.maxCloudCover),
    query: written(source.stac?.query),
    assets: written(catalogue?.assets),
    skip: source.onUnreadable === "skip",
    product: Object.keys(product)[0],
    index: product.index ?? "NDVI",
    bands: (product.bands ?? ["red", "green", "blue"]).join(", "),
    expression: product.expression ?? "",
    method: composite.method ?? "median",
    percentile: text(composite.percentile ?? 25),
    of: composite.of ?? "product",
    mask: composite.mask ?? [],
    dilate: text(composite.dilate),
    count: composite.count ?? false,
    chosen: composite.chosen ?? false,
    crs: epsg ? "epsg" : grid.crs ?? "",
    epsg: epsg ? grid.crs.slice("EPSG:".length) : "",
    resolution: text(grid.resolution),
    resampling: grid.resampling ?? "",
    dtype: output.dtype ?? "float32",
    colormap: output.colormap ?? "nipy_spectral",
    stretch: Object.keys(stretch)[0],
    low: text(stretch.percentile?.lower ?? 2),
    high: text(stretch.percentile?.upper ?? 98),
    lower: text(stretch.fixed?.lower),
    upper: text(stretch.fixed?.upper),
  };
}

/** What a request makes, in a word or two. */
export function productName({ index, bands, expression }) {
  return index ?? bands?.join(", ") ?? expression;
}

/** How many bands the picture of a form's product has: 1 or 3. */
export const pictureBands = (form) => (form.product === "bands" && names(form.bands).length === 3 ? 3 : 1);
