// Draws a problem as the server's templates draw it.

import { element } from "./element.js";

/** @typedef {{title: string, detail: string, fix?: string, wanted?: string[], arrived?: string[]}} Problem */

/**
 * What a problem says, in the manner of errors, as a sentence.
 * @param {string} detail
 */
export const sentence = (detail) =>
  detail.charAt(0).toUpperCase() + detail.slice(1) + (/[^.!?:]$/.test(detail) ? "." : "");

/** @param {Problem} problem */
export function describe({ title, detail, fix, wanted, arrived }) {
  const parts = [
    element("h2", { class: "problem-title", id: "problem-title" }, title),
    element("p", { id: "problem-detail" }, ...spans(sentence(detail))),
  ];
  if (fix) {
    parts.push(
      element(
        "div",
        { class: "fix", id: "problem-fix" },
        element("h2", { class: "sub" }, "What to do"),
        ...rich(fix),
      ),
    );
  }
  const lists = [
    names("Headers looked for", "problem-wanted", wanted),
    names("Headers that arrived", "problem-arrived", arrived),
  ].filter(Boolean);
  if (lists.length > 0) parts.push(element("div", { class: "names" }, ...lists));
  return parts;
}

/** @param {string} title @param {string} id @param {string[] | undefined} list */
function names(title, id, list) {
  if (!Array.isArray(list) || list.length === 0) return null;
  const items = list.map((name) => element("li", {}, element("code", {}, name)));
  return element("div", {}, element("h2", { class: "sub" }, title), element("ul", { id }, ...items));
}

const indent = /^(?: {4}|\t)/;

/**
 * Empty lines part paragraphs, lines indented by four spaces or a tab are code.
 * @param {string} text
 */
function rich(text) {
  const blocks = [];
  let open = null;
  for (const line of text.split(/\r?\n/)) {
    const code = indent.test(line);
    if (line.trim() === "") open = null;
    else if (open?.code === code) open.lines.push(line);
    else {
      open = { code, lines: [line] };
      blocks.push(open);
    }
  }
  return blocks.map(({ code, lines }) =>
    code
      ? element(
          "pre",
          { tabindex: "0" },
          element("code", {}, lines.map((line) => line.replace(indent, "")).join("\n")),
        )
      : element("p", {}, ...spans(lines.join(" "))),
  );
}

/** Text in `backticks` is code. @param {string} text */
function spans(text) {
  return text.split(/`([^`]*)`/).map((piece, i) => (i % 2 ? element("code", {}, piece) : piece));
}
