// Converts between the values of the form and the spec of a MosaicRequest. Pure: it does not touch the document.
//
// What the form does not show (execution settings, details of files) is kept from the request that was copied.

/**
 * @typedef {Schemas["RequestCreate"]["spec"]} Spec of a MosaicRequest.
 * @typedef {Schemas["FilesScene"]} Scene of `spec.source.files.scenes`.
 * @typedef {import("./fields.mjs").Values} Values
 */

const CATALOGUES = ["earth-search", "planetary-computer"];
/** @param {string | undefined} text */
const number = (text) => (text === undefined || text === "" ? undefined : Number(text));

/** An object without its undefined members; undefined if none remains. @template {object} T @param {NoInfer<T>} object @returns {T | undefined} */
export function filled(object) {
  const left = Object.entries(object).filter(([, value]) => value !== undefined);
  return left.length ? /** @type {T} */ (Object.fromEntries(left)) : undefined;
}

/** The value of a JSON field; the text itself if it is not JSON, so that the API names the field that is wrong. @param {string | undefined} text */
export function json(text) {
  if (!text?.trim()) return undefined;
  try { return JSON.parse(text); } catch { return text; }
}

/**
 * The interval between two days, either of which can be open.
 * @param {string} from
 * @param {string} to
 * @param {string | undefined} before interval of the copied request, kept with its hours if the days are the same.
 */
function interval(from, to, before) {
  if (before && from === days(before)[0] && to === days(before)[1]) return before;
  if (!from && !to) return undefined;
  return `${from || ".."}/${to || ".."}`;
}

/** The first and the last day of an interval. @param {string} text */
function days(text) {
  const [from, to] = text.includes("/") ? text.split("/") : [text, text];
  return [from, to].map((end) => (end === ".." ? "" : end.slice(0, 10)));
}

/** @param {string} list */
const names = (list) => list.split(",").map((name) => name.trim()).filter((name) => name);

/**
 * The spec that the form describes.
 * @param {Values} form `mask` is a list, check boxes are true or false.
 * @param {Spec["area"]} area
 * @param {Scene[]} scenes of `source.files`.
 * @param {Draft<Spec>} base the spec of the copied request, or {}.
 * @returns {Spec} incomplete if the form is.
 */
export function specOf(form, area, scenes, base = {}) {
  const picture = form.product === "bands" && form.picture ? names(form.picture) : undefined;
  /** @type {Draft<Spec> | undefined} */
  const draft = filled({
    area: area ?? undefined,
    source: { ...sourceOf(form, scenes, base.source ?? {}), ...(form.skip ? { onUnreadable: "skip" } : {}) },
    minus: minusOf(form, base.minus),
    product: productOf(form),
    composite: filled({
      method: form.method,
      percentile: form.method === "percentile" ? number(form.percentile) : undefined,
      of: form.of === "bands" ? "bands" : undefined,
      enough: number(form.enough),
      prefer: form.prefer || undefined,
      mask: form.mask.length ? form.mask : undefined,
      detect: form.detect || undefined,
      above: number(form.above),
      open: number(form.open),
      dilate: number(form.dilate),
      harmonise: form.harmonise === "none" ? undefined : form.harmonise,
      feather: number(form.feather),
      count: form.count || undefined,
      chosen: form.chosen || undefined,
      deviations: (form.method === "geomedian" && form.deviations) || undefined,
    }),
    grid: filled({
      crs: form.crs === "epsg" ? `EPSG:${form.epsg}` : form.crs || undefined,
      resolution: number(form.resolution),
      resampling: form.resampling || undefined,
    }),
    output: filled({
      ...base.output,
      dtype: form.dtype === "int16" ? "int16" : undefined,
      colormap: form.classes?.length ? undefined : form.colormap || undefined,
      stretch: form.classes?.length ? undefined : stretchOf(form),
      picture,
      gamma: pictureBands(productOf(form), picture).length === 3 ? number(form.gamma) : undefined,
    }),
    execution: filled({ ...base.execution, cancel: undefined, suspend: undefined }),
  });
  return /** @type {Spec} */ (draft);
}

/** @param {Values} form @param {Scene[]} scenes @param {Draft<Spec["source"]>} before source of the copied request. @returns {Draft<Spec["source"]>} */
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

/** What is subtracted: other scenes, or the search at another time. @param {Values} form @param {Draft<Spec["minus"]>} before of the copied request. */
function minusOf(form, before) {
  const scenes = json(form.minus);
  if (scenes !== undefined || form.source === "files") return scenes;
  const datetime = interval(form.minusFrom, form.minusTo, before?.datetime ?? undefined);
  return datetime && { datetime };
}

/** @param {Values} form @returns {Spec["product"]} */
function productOf(form) {
  const classes = form.classes?.length ? { classes: form.classes } : {};
  if (form.product === "index") return { index: form.index.trim(), ...classes };
  if (form.product === "bands") return { bands: names(form.bands), ...classes };
  return { expression: form.expression, ...classes };
}

/** @param {Values} form @returns {Draft<Schemas["Stretch"]> | undefined} undefined for the usual stretch of the product. */
function stretchOf(form) {
  if (!form.stretch) return undefined;
  if (form.stretch === "minmax") return { minmax: {} };
  if (form.stretch === "fixed") return { fixed: filled({ lower: number(form.lower), upper: number(form.upper) }) ?? {} };
  return { percentile: filled({ lower: number(form.low), upper: number(form.high) }) ?? {} };
}

/** @param {unknown} value */
const text = (value) => (value === undefined || value === null ? "" : String(value));
/** A value as the text of a JSON field. @param {unknown} value */
export const jsonText = (value) => (value === undefined ? "" : JSON.stringify(value));

/** The values of the form for a spec: the reverse of `specOf`. @param {Spec} spec */
export function formOf(spec) {
  const { source, minus, product, composite = {}, grid = {}, output = {} } = spec;
  const catalogue = source.stac ?? source.earthDaily;
  const [from, to] = catalogue ? days(catalogue.datetime) : ["", ""];
  const [minusFrom, minusTo] = minus?.datetime ? days(minus.datetime) : ["", ""];
  const named = CATALOGUES.find((name) => name === source.stac?.url);
  const epsg = grid.crs?.startsWith("EPSG:") ? grid.crs.slice("EPSG:".length) : null;
  const stretch = output.stretch ?? {};
  return {
    source: source.files ? "files" : source.earthDaily ? "earthDaily" : named ?? "stac",
    url: named ? "" : source.stac?.url ?? "",
    collection: source.stac?.collection ?? "sentinel-2-l2a",
    mosaics: source.earthDaily?.collection ?? "ai-ready-mosaics",
    from, to, minusFrom, minusTo,
    minus: minus?.datetime ? "" : jsonText(minus ?? undefined),
    cloud: text(source.stac?.maxCloudCover),
    query: jsonText(source.stac?.query),
    assets: jsonText(catalogue?.assets),
    skip: source.onUnreadable === "skip",
    product: /** @type {const} */ (["index", "bands", "expression"]).find((kind) => product[kind]) ?? "index",
    index: product.index ?? "NDVI",
    bands: (product.bands ?? ["red", "green", "blue"]).join(", "),
    expression: product.expression ?? "",
    method: composite.method ?? "median",
    percentile: text(composite.percentile ?? 25),
    of: composite.of ?? "product",
    enough: text(composite.enough),
    prefer: composite.prefer ?? "",
    mask: composite.mask ?? [],
    detect: composite.detect ?? "",
    above: text(composite.above),
    open: text(composite.open),
    dilate: text(composite.dilate),
    harmonise: composite.harmonise ?? "none",
    feather: text(composite.feather),
    count: composite.count ?? false,
    chosen: composite.chosen ?? false,
    deviations: composite.deviations ?? false,
    crs: epsg ? "epsg" : grid.crs ?? "",
    epsg: epsg ?? "",
    resolution: text(grid.resolution),
    resampling: grid.resampling ?? "",
    picture: (output.picture ?? []).join(", "),
    dtype: output.dtype ?? "float32",
    colormap: output.colormap ?? "",
    gamma: text(output.gamma),
    stretch: Object.keys(stretch)[0] ?? "",
    low: text(stretch.percentile?.lower ?? 2),
    high: text(stretch.percentile?.upper ?? 98),
    lower: text(stretch.fixed?.lower),
    upper: text(stretch.fixed?.upper),
  };
}

/** The name of what a spec computes: an index, bands or a formula, their difference, or classes of it. @param {Pick<Spec, "product" | "minus">} spec */
export function productName({ product: { index, bands, expression, classes }, minus }) {
  return `${index ?? bands?.join(", ") ?? expression}${minus ? " difference" : ""}${classes ? " classes" : ""}`;
}

const COLOURS = ["red", "green", "blue"];

/**
 * The bands that the picture of a product of bands shows: one or three. Empty for other products, which have one.
 * @param {Spec["product"]} product
 * @param {Schemas["Output"]["picture"]} [chosen]
 */
export function pictureBands({ bands }, chosen) {
  if (!bands || chosen) return chosen ?? [];
  if (bands.length > 3 && COLOURS.every((colour) => bands.includes(colour))) return COLOURS;
  return bands.slice(0, bands.length < 3 ? 1 : 3);
}
