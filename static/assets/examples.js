// The card with ready-made examples: tabs, the address, and whether they contain the token.

import { element } from "./element.js";
import { tools } from "./snippets.js";

const key = "token2go.tool";
const find = (id) => document.getElementById(id);
const list = find("tabs");
const address = find("url");
const withToken = find("with-token");
const note = find("url-note").textContent;

let tool = tools[0];
let server = "";
/** @type {string | null} */
let token = null;

/**
 * @param {string} serverAddress this server's, for the token2go client
 * @param {(key: string, value: string) => void} keep
 */
export function startExamples(serverAddress, keep) {
  server = serverAddress;
  for (const { id, label } of tools) {
    list.append(
      element("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "panel" }, label),
    );
  }
  const pick = (index) => {
    choose(index);
    keep(key, tool.id);
  };
  list.addEventListener("click", (event) => {
    const index = [...list.children].indexOf(event.target);
    if (index >= 0) pick(index);
  });
  list.addEventListener("keydown", (event) => {
    const to = neighbour(event.key);
    if (to === undefined) return;
    event.preventDefault();
    pick(to);
    list.children[to].focus();
  });
  withToken.addEventListener("change", draw);
  address.addEventListener("input", draw);
  choose(
    Math.max(
      0,
      tools.findIndex(({ id }) => id === remembered()),
    ),
  );
}

/**
 * Gives the examples a token, or takes it away. It is put in only when asked for anew.
 * @param {string | null} secret
 */
export function setToken(secret) {
  token = secret;
  withToken.checked = false;
  withToken.disabled = secret === null;
  draw();
}

/** The tab that a key leads to (ARIA's pattern for tabs). @param {string} pressed */
function neighbour(pressed) {
  const at = tools.indexOf(tool);
  const last = tools.length - 1;
  return { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[
    pressed
  ];
}

function remembered() {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {number} index */
function choose(index) {
  tool = tools[index];
  [...list.children].forEach((tab, i) => {
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  find("panel").setAttribute("aria-labelledby", `tab-${tool.id}`);
  draw();
}

function draw() {
  const valid = usable(address.value);
  const inside = withToken.checked && !tool.bare ? token : null;
  address.setAttribute("aria-invalid", String(!valid));
  find("url-note").textContent = valid ? note : "This is not an http or https address, so the example stays.";
  find("snippet").textContent = tool.write({
    url: valid ? address.value.trim() : address.defaultValue,
    server,
    token: inside,
  });
  find("panel").dataset.secret = inside === null ? "no" : "yes";
  find("snippet-hint").textContent = tool.hint;
}

/** @param {string} text */
function usable(text) {
  return /^https?:\/\/[^\s\p{Cc}]+$/iu.test(text.trim()) && URL.canParse(text.trim());
}
