// The colours in the form: the usual ones of the product, which the choice "automatic" names, and the colour map.

import { byId } from "../lib/dom.mjs";
import { fieldOf } from "../lib/fields.mjs";
import * as locale from "../lib/locale.mjs";
import { settings } from "../lib/settings.mjs";
import { pictureBands } from "../lib/spec.mjs";
import { ramp } from "../layers/legend.mjs";
import { chosenIndex } from "./indices.mjs";

/** @typedef {import("../lib/spec.mjs").Spec} Spec */

/** The usual colours of a product of one band; undefined for an unknown index. @param {Spec["product"]} product */
function usualColours({ index, bands }) {
  if (index !== undefined) return chosenIndex()?.colours;
  return bands ? settings.colours.band : settings.colours.expression;
}

/** What the usual stretch is. @param {Spec} spec @param {string[]} shown bands of the picture */
function usualStretch({ product, minus }, shown) {
  if (minus) return "automatic: centred at 0";
  const { trueColour } = settings.colours;
  if (isTrueColour(shown)) return `automatic: reflectance ${span(trueColour.limits)}, brighter pixels compressed`;
  const usual = shown.length < 3 ? usualColours(product) : { limits: null };
  if (!usual) return "automatic";
  return usual.limits ? `automatic: ${span(usual.limits)}` : "automatic: percentiles 2 to 98";
}

/** @param {string[]} shown bands of the picture */
const isTrueColour = (shown) => shown.join() === settings.colours.trueColour.bands.join();
/** @param {[number, number]} limits */
const span = ([lower, upper]) => `${locale.about(lower)} to ${locale.about(upper)}`;

/** Name the usual colours of the product, and show the chosen colour map. @param {HTMLFormElement} form @param {Spec} spec */
export function showColours(form, spec) {
  const { product, minus, output = {} } = spec;
  const shown = pictureBands(product, output.picture);
  const usual = minus ? undefined : usualColours(product);
  fieldOf(form, "colormap").options[0].textContent = minus ? "automatic: diverging" : usual ? `automatic: ${usual.colormap}` : "automatic";
  fieldOf(form, "stretch").options[0].textContent = usualStretch(spec, shown);
  const toned = isTrueColour(shown) && !output.stretch && !minus;
  fieldOf(form, "gamma").placeholder = locale.about(toned ? settings.colours.trueColour.gamma : 1);
  const colormap = output.colormap ?? usual?.colormap;
  byId("ramp").style.background = colormap ? ramp(settings.colormaps[colormap]) : "none";
}
