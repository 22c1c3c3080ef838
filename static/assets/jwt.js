// Reads what a JWT says of itself (RFC 7519). Nothing here checks a signature.

/** @typedef {{header: Record<string, unknown>, claims: Record<string, unknown>}} Decoded */

/**
 * Decodes a signed JWT in compact form.
 * @param {string} token
 * @returns {Decoded | null} null for a token that is not a JWT
 */
export function decode(token) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  const [header, claims] = parts.slice(0, 2).map(decodePart);
  return typeof header?.alg === "string" && header.alg && claims ? { header, claims } : null;
}

/** @param {string} part */
function decodePart(part) {
  if (!/^[A-Za-z0-9_-]+=*$/.test(part)) return null;
  try {
    const letters = part.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(letters), (c) => c.charCodeAt(0));
    const value = JSON.parse(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
    return isObject(value) && !Array.isArray(value) && shallow(value, 100) ? value : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value */
const isObject = (value) => typeof value === "object" && value !== null;

/**
 * Whether lists and objects are nested at most so many levels deep, as the server reads them.
 * @param {unknown} value
 * @param {number} levels
 */
const shallow = (value, levels) =>
  !isObject(value) || (levels > 0 && Object.values(value).every((item) => shallow(item, levels - 1)));

const timeClaims = new Set(["exp", "iat", "nbf", "auth_time", "updated_at"]);

/**
 * The moment that a claim names, if it is a NumericDate.
 * @param {string} name
 * @param {unknown} value
 * @returns {Date | null}
 */
export function moment(name, value) {
  if (!timeClaims.has(name) || typeof value !== "number" || !(value > 0 && value < 253402300800)) return null;
  return new Date(value * 1000);
}

const clock = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});

/**
 * A moment as a date and time of day, such as 22 Nov 2026, 09:15:00 GMT+1.
 * @param {Date} date
 */
export function absolute(date) {
  return clock.format(date);
}

const words = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const units = /** @type {const} */ ([
  ["year", 31557600],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
]);

/**
 * A moment as seen from now, such as "in 58 minutes" or "2 days ago".
 * @param {Date} date
 * @param {number} now milliseconds since 1970
 */
export function relative(date, now) {
  const seconds = Math.round((date.getTime() - now) / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units.at(-1);
  return words.format(Math.trunc(seconds / size), unit);
}

/**
 * A span of time as a clock shows it: 4 d 3 h, 2 h 05 min, 58:12. A number and its unit
 * stay on one line.
 * @param {number} seconds
 */
export function countdown(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const days = Math.floor(left / 86400);
  const hours = Math.floor((left % 86400) / 3600);
  const minutes = Math.floor((left % 3600) / 60);
  if (days > 0) return `${days}\u00a0d ${hours}\u00a0h`;
  if (hours > 0) return `${hours}\u00a0h ${two(minutes)}\u00a0min`;
  return `${two(minutes)}:${two(left % 60)}`;
}

/**
 * The order in which people look for claims, with what each means.
 * @type {[string, string][]}
 */
export const known = [
  ["iss", "Issued by"],
  ["sub", "Subject"],
  ["name", "Name"],
  ["preferred_username", "User name"],
  ["email", "E-mail"],
  ["aud", "Meant for"],
  ["azp", "Given to"],
  ["client_id", "Client"],
  ["scope", "Scopes"],
  ["scp", "Scopes"],
  ["typ", "Type"],
  ["auth_time", "Signed in"],
  ["iat", "Issued"],
  ["nbf", "Valid from"],
  ["exp", "Expires"],
];
