// Numbers, dates and times as the reader's language writes them.

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
const list = new Intl.ListFormat(undefined, { type: "unit" });

export const integer = (number) => whole.format(number);
export const about = (number) => rough.format(number);
export const value = (number) => (number === null ? "no data" : fine.format(number));
/** A part of 1. */
export const percent = (part) => percents.format(part);
export const date = (text) => day.format(new Date(text));
/** A day of a catalogue, which counts in UTC. */
export const dateUtc = (text) => dayUtc.format(new Date(text));
export const time = (text) => moment.format(new Date(text));
export const joined = (texts) => list.format(texts);

/** A place, as "48.4284° N, 123.3656° W". */
export function place(latitude, longitude) {
  const [ns, ew] = [latitude < 0 ? "S" : "N", longitude < 0 ? "W" : "E"];
  return `${degrees.format(Math.abs(latitude))}° ${ns}, ${degrees.format(Math.abs(longitude))}° ${ew}`;
}

const unit = (number, name, digits = 0) =>
  numbers({ style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(number);

/** Bytes in the largest unit that fits. */
export function bytes(count) {
  const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), names.length - 1);
  const number = count / 1000 ** step;
  return unit(number, names[step], number < 10 && step > 0 ? 1 : 0);
}

/** A duration in seconds, to two units: "2 hr 5 min". */
export function duration(seconds) {
  const rounded = Math.max(1, Math.round(seconds));
  if (rounded < 60) return unit(rounded, "second");
  const minutes = Math.round(rounded / 60);
  if (minutes < 60) return unit(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  return joined([unit(hours, "hour"), ...(minutes % 60 ? [unit(minutes % 60, "minute")] : [])]);
}

/** When something was: "5 minutes ago" within a day, else the date. */
export function ago(text, now = Date.now()) {
  const seconds = (new Date(text).getTime() - now) / 1000;
  if (seconds > -60) return relative.format(0, "second");
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return relative.format(Math.round(seconds / 3600), "hour");
  return date(text);
}
