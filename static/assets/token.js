// Fetches the token, and tells a session that ended from everything else that may fail.

import { decode, moment } from "./jwt.js";

/**
 * What /token answers, and what follows from it.
 * @typedef {object} Held
 * @property {string} secret
 * @property {string} fingerprint
 * @property {string} header where it came in; may be empty
 * @property {import("./jwt.js").Decoded | null} jwt
 * @property {number | null} expires milliseconds since 1970
 * @property {number | null} issued milliseconds since 1970
 * @property {number} ahead how far the server's clock is ahead of this one, in milliseconds
 */

/** A refusal in the words of an RFC 9457 document. */
export class Refusal extends Error {
  /** @param {import("./problem.js").Problem} problem @param {boolean} [signIn] signing in again helps */
  constructor(problem, signIn = false) {
    super(problem.title);
    this.problem = problem;
    this.signIn = signIn;
  }
}

/**
 * Asks for the token. The Accept header makes gateways answer 401 when the session has
 * ended; without it they redirect to another site, which looks like a network error.
 * @param {string} address
 * @returns {Promise<Held>}
 * @throws {Refusal}
 */
export async function fetchToken(address) {
  let response;
  try {
    response = await fetch(address, {
      headers: { Accept: "application/json" },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
    });
  } catch {
    throw new Refusal({
      title: "The server cannot be reached",
      detail: "Check your connection, then try again.",
    });
  }
  return read(response);
}

/** @param {Response} response */
async function read(response) {
  const type = (response.headers.get("Content-Type") ?? "").split(";")[0].trim();
  if (type === "application/problem+json") throw await refusal(response);
  if (response.type === "opaqueredirect" || response.status === 401 || response.status === 403)
    throw sessionEnded();
  if (!response.ok) {
    throw new Refusal({
      title: "The gateway gave no token",
      detail: `It answered with status ${response.status}. Try again in a moment.`,
    });
  }
  if (type !== "application/json") throw sessionEnded();
  const answer = await response.json().catch(() => null);
  if (typeof answer?.secret !== "string" || answer.secret === "") {
    throw new Refusal({
      title: "The answer holds no token",
      detail: "Something between this page and Token2go has changed it.",
    });
  }
  return understand(answer);
}

const sessionEnded = () =>
  new Refusal({ title: "Your session ended", detail: "Sign in again to get a new token." }, true);

/** @param {Response} response */
async function refusal(response) {
  const problem = await response.json().catch(() => null);
  if (typeof problem?.title !== "string") return sessionEnded();
  return new Refusal({ detail: "", ...problem });
}

/** @param {Record<string, string>} answer @returns {Held} */
function understand(answer) {
  const jwt = decode(answer.secret);
  const claimed = (name) => (jwt ? (moment(name, jwt.claims[name])?.getTime() ?? null) : null);
  return {
    secret: answer.secret,
    fingerprint: answer.fingerprint ?? "",
    header: answer.header ?? "",
    jwt,
    expires: milliseconds(answer.expires) ?? claimed("exp"),
    issued: claimed("iat"),
    ahead: (milliseconds(answer.timestamp) ?? Date.now()) - Date.now(),
  };
}

/** @param {string | undefined} text */
function milliseconds(text) {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? null : time;
}
