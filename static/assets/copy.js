// Copies text, and reports whether that worked.

/**
 * What became of an attempt to copy: "copied"; "fallback", copied by selection because
 * the page is not a secure context; "refused", the browser requires a click first;
 * "impossible".
 * @typedef {"copied" | "fallback" | "refused" | "impossible"} Outcome
 */

/**
 * Puts text into the clipboard.
 * @param {string} text
 * @returns {Promise<Outcome>}
 */
export async function copyText(text) {
  if (!navigator.clipboard) return copyBySelection(text) ? "fallback" : "impossible";
  try {
    await navigator.clipboard.writeText(text);
    return "copied";
  } catch {
    return copyBySelection(text) ? "copied" : "refused";
  }
}

/**
 * The way that works where navigator.clipboard does not exist: select and execCommand.
 * @param {string} text
 */
function copyBySelection(text) {
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "offscreen";
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    // Left false: the caller says that it did not work.
  }
  area.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}

/**
 * Says in a sentence what became of copying something.
 * @param {Outcome} outcome
 * @param {string} what such as "Token"
 */
export function inWords(outcome, what) {
  switch (outcome) {
    case "copied":
      return `${what} copied.`;
    case "fallback":
      return `${what} copied. This page is not served over https, so an older method was used.`;
    case "refused":
      return "Not copied: the browser requires a click on this page first. Press Copy.";
    default:
      return "Not copied: this browser does not let the page copy. Select the text and press Ctrl+C or ⌘C.";
  }
}

/**
 * Says something in the page's live region. The same words twice are said twice.
 * @param {string} words
 */
export function say(words) {
  const region = document.querySelector("[role=status]");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = words;
  });
}

/**
 * Shows on a button for a moment that it has copied.
 * @param {HTMLElement} button
 * @param {Outcome} outcome
 */
export function mark(button, outcome) {
  if (outcome !== "copied" && outcome !== "fallback") return;
  button.dataset.done = "";
  setTimeout(() => delete button.dataset.done, 1600);
}

// A button with data-copy="name" copies the text of the element with that id or data-id.
document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
  if (!button) return;
  const name = button.dataset.copy;
  const source = document.getElementById(name) ?? document.querySelector(`[data-id="${name}"]`);
  if (!source) return;
  const outcome = await copyText(source.dataset.full || source.value || source.textContent);
  mark(button, outcome);
  say(inWords(outcome, button.dataset.what ?? "Text"));
  if (outcome === "impossible" || outcome === "refused") getSelection()?.selectAllChildren(source);
});

// Copy buttons are of no use without this script, so they arrive hidden.
for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
