// Numbers, times and names as text.

import { h } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en");
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const number = (value) => NUMBER.format(value);

/** A part of 1 in percent. */
export const percent = (part, digits = 1) => (100 * part).toFixed(digits) + " %";

/** A number with at most four significant digits, for weights and coefficients. */
export const short = (value) => String(Number(value.toPrecision(4)));

/** Coefficients in groups of parameters after the one for all others: `, early 0.2`. */
export const inGroups = (coefficients) =>
  Object.entries(coefficients)
    .map(([group, value]) => `, ${group} ${short(value)}`)
    .join("");

/** `1 shard` or `2 shards`. */
export const count = (value, one, many) => number(value) + " " + (value === 1 ? one : many);

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return (unit === 0 ? String(value) : value.toFixed(1)) + " " + units[unit];
}

/** A duration in seconds, in the unit that suits. */
export function duration(seconds) {
  if (seconds < 60) {
    return seconds < 10 ? seconds.toFixed(1) + " s" : Math.round(seconds) + " s";
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? minutes + " min" : Math.round(minutes / 60) + " h";
}

export const clock = (time) => CLOCK.format(time);

/** How long ago a time was. */
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, (now - time) / 1000);
  if (seconds < 5) {
    return "just now";
  }
  if (seconds < 60) {
    return Math.floor(seconds) + " s ago";
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return minutes + " min ago";
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? hours + " h ago" : Math.floor(hours / 24) + " days ago";
}

/** A time as an element that says how long ago it was; `tick` keeps it right. */
export function timeAgo(iso) {
  const element = h("time", { class: "ago" });
  setTime(element, iso);
  return element;
}

/** Changes the time of such an element. */
export function setTime(element, iso) {
  if (element.dateTime !== iso) {
    element.dateTime = iso;
    element.title = DATE.format(new Date(iso));
    element.textContent = ago(Date.parse(iso));
  }
}

/** Brings every age on the page up to date. */
export function tick() {
  for (const element of document.querySelectorAll("time.ago")) {
    element.textContent = ago(Date.parse(element.dateTime));
  }
}

/** Whether a name can stand in a command to copy; a rejected model may have any name. */
export const isPlain = (name) => /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name);
