// Numbers, dates and plurals in the language of the browser.

/** @param {Intl.NumberFormatOptions} options */
const numbers = (options) => new Intl.NumberFormat(undefined, options);
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dayUtc = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const whole = numbers({ maximumFractionDigits: 0 });
const rough = numbers({ maximumSignificantDigits: 3 });
const fine = numbers({ maximumSignificantDigits: 6 });
const degrees = numbers({ minimumFractionDigits: 4, maximumFractionDigits: 4 });
const percents = numbers({ style: "percent", maximumFractionDigits: 0 });
const finePercents = numbers({ style: "percent", maximumFractionDigits: 1 });
const list = new Intl.ListFormat(undefined, { type: "unit" });
const plurals = new Intl.PluralRules("en"); // the page's texts are in English

/** @param {number} number */
export const integer = (number) => whole.format(number);
/** A number with 3 significant digits. @param {number} number */
export const about = (number) => rough.format(number);
/** A value of a band; null is no data. @param {number | null} number */
export const value = (number) => (number === null ? "no data" : fine.format(number));
/** A share of 1 as a percentage. @param {number} share */
export const percent = (share) => percents.format(share);
/** The same with a digit after the point. @param {number} share */
export const finePercent = (share) => finePercents.format(share);
/** @param {number} squareMetres */
export const area = (squareMetres) => `${about(squareMetres / 1e6)} km²`;
/** @param {string} text in ISO 8601. */
export const date = (text) => day.format(new Date(text));
/** The UTC day of a scene. @param {string} text in ISO 8601. */
export const dateUtc = (text) => dayUtc.format(new Date(text));
/** @param {string} text in ISO 8601. */
export const time = (text) => moment.format(new Date(text));
/** @param {string[]} texts */
export const joined = (texts) => list.format(texts);

/** A number with its noun: "1 scene", "3 scenes". @param {number} number @param {string} one @param {string} other */
export const count = (number, one, other = `${one}s`) => `${integer(number)} ${plurals.select(number) === "one" ? one : other}`;

/** The coordinates of a point, as "48.4284° N, 123.3656° W". @param {number} latitude @param {number} longitude */
export function coordinates(latitude, longitude) {
  const [ns, ew] = [latitude < 0 ? "S" : "N", longitude < 0 ? "W" : "E"];
  return `${degrees.format(Math.abs(latitude))}° ${ns}, ${degrees.format(Math.abs(longitude))}° ${ew}`;
}

/** @param {number} number @param {string} name */
const unit = (number, name, digits = 0) =>
  numbers({ style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(number);

/** Bytes in the largest unit that fits. @param {number} size */
export function bytes(size) {
  const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(Math.floor(Math.log10(Math.max(size, 1)) / 3), names.length - 1);
  const number = size / 1000 ** step;
  return unit(number, names[step], number < 10 && step > 0 ? 1 : 0);
}

/** A duration with at most two units: "2 hr 5 min". @param {number} seconds */
export function duration(seconds) {
  const rounded = Math.max(1, Math.round(seconds));
  if (rounded < 60) return unit(rounded, "second");
  const minutes = Math.round(rounded / 60);
  if (minutes < 60) return unit(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  return joined([unit(hours, "hour"), ...(minutes % 60 ? [unit(minutes % 60, "minute")] : [])]);
}

/** How long ago a time is: "5 minutes ago" within a day, else its date. @param {string} text in ISO 8601. */
export function ago(text, now = Date.now()) {
  const seconds = (new Date(text).getTime() - now) / 1000;
  if (seconds > -60) return relative.format(0, "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return relative.format(Math.round(seconds / 3600), "hour");
  return date(text);
}
