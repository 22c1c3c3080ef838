// Holds back every button, box and link of a page until the person can have read it: a website
// may have had the person hold a key, double-click or press Tab before the page came.
//
// Loaded before anything is drawn. Nothing counts until the page has been visible and in
// focus for a while, a press that comes too early begins the wait anew, and a held key
// never counts. What is marked data-read must have been on screen before: a website may
// open a window too small for more than a button. Without this script, Allow sends `review`, which only leads to another
// question; a press that counts makes it `allow`.
(() => {
  const wait = 1000; // milliseconds; a held key repeats sooner, and so begins the wait anew
  const controls = "a, button, input, label, summary";
  const typed = "textarea, input:not([type=checkbox], [type=radio])";

  let held = true;
  let since = 0; // when the page came to be readable
  let timer = 0;
  let pressed = ""; // what was pressed in time: "pointer" or, until it is released, a key's code
  let refused = false; // whether the latest press came too early

  function show() {
    document.documentElement.toggleAttribute("data-held", held);
    for (const button of document.querySelectorAll("button[name=decision]"))
      button.setAttribute("aria-disabled", String(held));
  }

  function begin() {
    clearTimeout(timer);
    held = true;
    pressed = "";
    since = performance.now();
    show();
    if (document.readyState !== "complete" || document.hidden || !document.hasFocus()) return;
    if (document.querySelector("[data-read]")) return;
    timer = setTimeout(() => {
      held = false;
      show();
    }, wait);
  }

  // An event may be older than the moment at which a busy browser delivers it.
  const early = (event) => held || !document.hasFocus() || event.timeStamp - since < wait;

  /** @param {Event} event @returns {HTMLElement | null} */
  const control = (event) => (event.target instanceof Element ? event.target.closest(controls) : null);

  function stop(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
    for (const note of document.querySelectorAll("[data-hold]")) note.textContent = note.dataset.hold;
  }

  const activates = (event) => (event.key === "Enter" || event.key === " ") && !event.target.matches?.(typed);

  const handlers = {
    pointerdown(event) {
      refused = early(event);
      if (refused) begin();
      else pressed = "pointer";
    },
    keydown(event) {
      if (!activates(event)) return;
      refused = early(event) || event.repeat || event.code === pressed; // some browsers do not tell repeats
      if (refused) begin();
      else pressed = event.code;
      if (refused && control(event)) stop(event);
    },
    keyup(event) {
      if (!activates(event)) return;
      if (event.code !== pressed && control(event)) stop(event);
      pressed = "";
    },
    click(event) {
      const pushed = control(event);
      if (!pushed) return;
      const byPointer = event.detail > 0;
      if (refused || early(event) || (byPointer && pressed !== "pointer")) stop(event);
      else if (pushed.value === "review") pushed.value = "allow";
    },
    copy: (event) => early(event) && stop(event),
    cut: (event) => early(event) && stop(event),
    dragstart: (event) => early(event) && stop(event),
  };
  // Takes the mark off what comes on screen.
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        target.removeAttribute("data-read");
        begin();
      }
    },
    { threshold: 0.5 },
  );

  function watch() {
    for (const part of document.querySelectorAll("[data-read]")) observer.observe(part);
  }

  document.addEventListener("DOMContentLoaded", watch);
  for (const [name, handle] of Object.entries(handlers)) addEventListener(name, handle, true);
  for (const name of ["pageshow", "focus", "blur"]) addEventListener(name, begin);
  for (const name of ["DOMContentLoaded", "visibilitychange"]) document.addEventListener(name, begin);
  begin();

  // A fragment in the link that led here must not move the focus.
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
})();
