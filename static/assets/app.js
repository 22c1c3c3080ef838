// The page that shows the token. The token lives in this page's memory, and in the
// document only while the person looks at it or at an example that holds it.

import { drawClaims, drawMoments } from "./claims.js";
import { copyText, inWords, mark, say } from "./copy.js";
import { element } from "./element.js";
import { setToken, startExamples } from "./examples.js";
import { absolute, countdown, relative } from "./jwt.js";
import { describe, sentence } from "./problem.js";
import { fetchToken, Refusal } from "./token.js";

const deleteAfter = 10; // seconds, as in 1.0.3
const clockTolerance = 60_000; // milliseconds

const find = (id) => document.getElementById(id);
const app = find("app");
const well = find("token");

/** @type {import("./token.js").Held | null} */
let held = null;
let shown = false;
let deletion = 0; // when the token is to be deleted, milliseconds since 1970; 0 for never
let turnNumber = 0; // grows with each request and deletion: a late answer is dropped

// Preferences are kept per browser, under the names that 1.0.3 used.

/** @param {string} key */
function preferred(key) {
  try {
    return localStorage.getItem(key) === "true";
  } catch {
    return false;
  }
}

/** @param {string} key @param {string} value @returns {boolean} whether the browser keeps it */
function keep(key, value) {
  try {
    localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} id @param {string} key @param {(on: boolean) => void} changed */
function preference(id, key, changed) {
  const box = find(id);
  box.checked = preferred(key);
  box.addEventListener("change", () => {
    const kept = keep(key, String(box.checked));
    say(
      kept
        ? "Preference kept in this browser."
        : "This browser keeps no preferences: it lasts until you leave the page.",
    );
    changed(box.checked);
  });
  addEventListener("storage", (event) => {
    if (event.key === key) box.checked = event.newValue === "true";
  });
}

// The life of the token on this page.

async function load() {
  const mine = ++turnNumber;
  drop("loading");
  find("reload").setAttribute("aria-busy", "true");
  try {
    const answer = await fetchToken(app.dataset.token);
    if (mine === turnNumber) take(answer);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (mine === turnNumber) fail(error);
  } finally {
    if (mine === turnNumber) find("reload").removeAttribute("aria-busy");
  }
}

/** @param {import("./token.js").Held} answer */
function take(answer) {
  held = answer;
  app.dataset.state = "ready";
  find("problem").hidden = true;
  draw();
  if (find("auto-delete").checked) schedule();
  if (find("auto-copy").checked) copyToken();
  else if (app.dataset.state === "ready") say("Ready. Copy works without showing it.");
}

/** Forgets the token, here and in the document. @param {string} state */
function drop(state) {
  held = null;
  shown = false;
  deletion = 0;
  app.dataset.state = state;
  draw();
}

/** @param {Refusal} error */
function fail({ problem, signIn }) {
  drop(signIn ? "ended" : "failed");
  find("problem-body").replaceChildren(...describe(problem));
  find("problem").hidden = false;
  find("sign-in").hidden = !signIn;
  find("retry").hidden = signIn;
  find("doctor").hidden = !(problem.wanted || problem.arrived);
  say(`${problem.title}. ${sentence(problem.detail)}`);
}

function schedule() {
  deletion = Date.now() + deleteAfter * 1000;
  tick();
}

function deleteToken() {
  turnNumber++;
  const focused = find("actions").contains(document.activeElement) || document.activeElement === find("keep");
  drop("deleted");
  if (focused) find("reload").focus();
  say("Deleted from this page. Elsewhere it works until it expires.");
}

async function copyToken() {
  if (!held) return;
  const outcome = await copyText(held.secret);
  mark(find("copy"), outcome);
  say(inWords(outcome, "Token"));
  if (outcome !== "impossible") return;
  reveal(true);
  getSelection()?.selectAllChildren(well);
}

/** @param {boolean} on */
function reveal(on) {
  shown = on && held !== null;
  drawToken();
}

// Drawing.

const states = {
  loading: "Fetching",
  ready: "Ready",
  warning: "Expires soon",
  expired: "Expired",
  deleted: "Deleted",
  ended: "Signed out",
  failed: "No token",
};

const placeholders = {
  loading: "Fetching the token…",
  deleted: "Deleted from this page. Reload fetches it again.",
  ended: "Your session ended.",
  failed: "There is no token to show.",
};

function draw() {
  for (const id of ["copy", "show", "delete"]) find(id).disabled = held === null;
  drawFacts();
  drawToken();
  drawClock();
  drawClaims(held, now());
  setToken(held?.secret ?? null);
  tick();
}

function drawFacts() {
  const fingerprint = find("fingerprint");
  fingerprint.textContent = held ? held.fingerprint.slice(0, 12) : "–";
  fingerprint.dataset.full = fingerprint.title = held?.fingerprint ?? "";
  find("copy-fingerprint").hidden = held === null;
  find("header").textContent = held?.header || "–";
}

function drawToken() {
  find("show-label").textContent = shown ? "Hide" : "Show";
  well.dataset.look = held ? (shown ? "shown" : "masked") : "empty";
  if (!held) well.replaceChildren(placeholders[app.dataset.state] ?? "");
  else well.replaceChildren(...(shown ? parts(held) : mask(held)));
}

/** The parts of a JWT in colours of their own. @param {import("./token.js").Held} token */
function parts({ secret, jwt }) {
  if (!jwt) return [secret];
  return secret.split(/(\.)/).map((text) => (text === "." ? text : element("span", {}, text)));
}

/** @param {import("./token.js").Held} token */
function mask({ secret }) {
  return [
    element("span", { class: "dots", "aria-hidden": "true" }, "•".repeat(48)),
    element("span", { class: "unseen" }, "Hidden, "),
    element("span", { class: "length number" }, `${secret.length.toLocaleString("en")} characters`),
  ];
}

function drawClock() {
  const ahead = held?.ahead ?? 0;
  const minutes = Math.round(Math.abs(ahead) / 60_000);
  const span = minutes === 1 ? "a minute" : `${minutes.toLocaleString("en")} minutes`;
  find("clock").hidden = Math.abs(ahead) <= clockTolerance;
  find("clock").textContent =
    `This computer's clock is about ${span} ${ahead > 0 ? "behind" : "ahead of"} the server's. Times here follow the server.`;
}

/** Now by the server's clock, in milliseconds since 1970, unless the two agree anyway. */
function now() {
  const ahead = held?.ahead ?? 0;
  return Date.now() + (Math.abs(ahead) > clockTolerance ? ahead : 0);
}

function tick() {
  drawLifetime();
  drawDeletion();
}

function drawDeletion() {
  const wait = Math.ceil((deletion - Date.now()) / 1000);
  const due = held !== null && deletion !== 0;
  find("pending").hidden = !due;
  if (due && wait <= 0) deleteToken();
  else find("pending-text").textContent = `It is deleted in ${wait} s.`;
}

function drawLifetime() {
  const left = held?.expires ? (held.expires - now()) / 1000 : null;
  if (held) turn(lifeState(left));
  find("state").textContent = states[app.dataset.state];
  find("left").textContent = left === null ? "–" : countdown(left);
  find("dial").setAttribute("stroke-dashoffset", String(100 - 100 * share(left)));
  find("lifetime").textContent = lifeWords(left);
  find("expires").textContent = left === null ? "" : absolute(new Date(held.expires));
  find("renew").hidden = app.dataset.state !== "expired" || app.dataset.signIn === "";
}

/** Seconds that a token lives in all; an hour where it does not say when it was issued. */
const wholeLife = () =>
  held.issued && held.issued < held.expires ? (held.expires - held.issued) / 1000 : 3600;

/**
 * A warning comes five minutes before the end, or in the last fifth of a short life.
 * @param {number | null} left seconds
 */
function lifeState(left) {
  if (left === null) return "ready";
  if (left <= 0) return "expired";
  return left <= Math.min(300, wholeLife() / 5) ? "warning" : "ready";
}

/** What is left of the whole life, from 0 to 1. @param {number | null} left seconds */
const share = (left) => (left === null || left <= 0 ? 0 : Math.min(1, left / wholeLife()));

/** @param {number | null} left seconds */
function lifeWords(left) {
  if (!held) return "No token here";
  if (left === null) return "Lifetime unknown";
  return left > 0 ? "until it expires" : `Expired ${relative(new Date(held.expires), now())}`;
}

/** Announces a change of state, and not every second. @param {string} state */
function turn(state) {
  if (app.dataset.state === state) return;
  app.dataset.state = state;
  if (state === "warning") say("The token expires soon. Reload fetches a fresh one if there is one.");
  if (state === "expired") say("The token has expired. Reload; if that brings no fresh one, sign in again.");
}

// Wiring.

preference("auto-copy", "autoCopy", (on) => {
  if (on) copyToken();
});
preference("auto-delete", "autoDelete", (on) => {
  deletion = 0;
  if (on && held) schedule();
  tick();
});

find("copy").addEventListener("click", copyToken);
find("show").addEventListener("click", () => reveal(!shown));
find("reload").addEventListener("click", load);
find("retry").addEventListener("click", load);
find("delete").addEventListener("click", deleteToken);
find("keep").addEventListener("click", () => {
  deletion = 0;
  tick();
  find("copy").focus();
  say("Kept.");
});

// A browser may keep a page that was left, to show it again at once. It shall not keep
// the token with it.
addEventListener("pagehide", () => {
  turnNumber++;
  drop("loading");
});
addEventListener("pageshow", (event) => {
  if (event.persisted) load();
});

startExamples(app.dataset.server || new URL(`${app.dataset.base}/`, location.href).href, keep);
setInterval(() => {
  tick();
  drawMoments(now());
}, 1000);
if (app.dataset.state === "loading") load();
else draw();
