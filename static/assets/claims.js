// The card that shows what a JWT says of itself.

import { element } from "./element.js";
import { absolute, known, moment, relative } from "./jwt.js";

const find = (id) => document.getElementById(id);

/** Times in words, to be kept up to date. @type {[HTMLElement, Date][]} */
let moments = [];

/**
 * @param {import("./token.js").Held | null} held
 * @param {number} now milliseconds since 1970
 */
export function drawClaims(held, now) {
  const jwt = held?.jwt ?? null;
  moments = [];
  find("claims").hidden = held === null;
  find("claims-note").textContent = note(held);
  find("claims-list").replaceChildren(...(jwt ? rows(jwt.claims, now) : []));
  find("claims-raw").hidden = !jwt;
  find("claims-json").textContent = jwt ? JSON.stringify(jwt, null, 2) : "";
}

/** @param {number} now milliseconds since 1970 */
export function drawMoments(now) {
  for (const [words, date] of moments) words.textContent = relative(date, now);
}

/** @param {import("./token.js").Held | null} held */
function note(held) {
  if (!held?.jwt) return "This token is opaque: only the service that issued it can read it.";
  return "Read in this browser, not verified. Trust it as far as you trust your gateway.";
}

/** @param {Record<string, unknown>} claims @param {number} now */
function rows(claims, now) {
  const listed = known.filter(([name]) => name in claims);
  const made = listed.map(([name, label]) => row(name, label, claims[name], now));
  const rest = Object.keys(claims).filter((name) => !listed.some(([other]) => other === name));
  if (rest.length > 0) {
    const items = rest.map((name) => element("code", { class: "chip" }, name));
    const list = element("dd", {}, ...apart(items));
    made.push(element("div", { class: "wide" }, element("dt", {}, "Other claims"), list));
  }
  return made;
}

/** @param {string} name @param {string} label @param {unknown} value @param {number} now */
function row(name, label, value, now) {
  const date = moment(name, value);
  const title = element("dt", {}, label, " ", element("code", {}, name));
  return element(
    "div",
    { "data-claim": name },
    title,
    element("dd", {}, ...(date ? time(date, now) : texts(name, value))),
  );
}

/** @param {Date} date @param {number} now */
function time(date, now) {
  const words = element("span", {}, relative(date, now));
  moments.push([words, date]);
  return [
    words,
    " ",
    element("time", { class: "soft number", datetime: date.toISOString() }, absolute(date)),
  ];
}

/** @param {string} name @param {unknown} value */
function texts(name, value) {
  const list = name === "scope" && typeof value === "string" ? value.split(" ").filter(Boolean) : value;
  if (!Array.isArray(list)) return [plain(list)];
  return apart(list.map((item) => element("span", { class: "chip" }, plain(item))));
}

/**
 * Puts a space between chips, for who copies them or has them read out.
 * @param {HTMLElement[]} chips
 */
const apart = (chips) => chips.flatMap((chip, index) => (index === 0 ? [chip] : [" ", chip]));

/** @param {unknown} value */
const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));
