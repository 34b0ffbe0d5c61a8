// Runs in every MiniWoB page before its own scripts: a clock that moves only when told to, and a guard that keeps what
// the neighbours do (taking the focus, moving the mouse) from being noticed.
(() => {
  "use strict";
  if (window === window.top) return;

  // --- clock: Date, timers and animation frames; one action is one second, whatever the machine is doing ---
  const RealDate = Date;
  const EPOCH = RealDate.UTC(2018, 0, 1, 12);
  const MAX_CALLBACKS = 20000; // in one advance: a page that re-arms a timer of 0 ms for ever must not hang the batch
  let now = 0;
  let nextId = 1;
  let timers = new Map();

  const add = (callback, delay, every, args) => {
    const wait = Math.max(Number(delay) || 0, every ? 1 : 0);
    const id = nextId++;
    timers.set(id, { at: now + wait, every: every ? wait : null, callback, args });
    return id;
  };
  const remove = (id) => { timers.delete(id); };
  window.setTimeout = (callback, delay, ...args) => add(callback, delay, false, args);
  window.setInterval = (callback, delay, ...args) => add(callback, delay, true, args);
  window.clearTimeout = window.clearInterval = remove;
  window.requestAnimationFrame = (callback) => add(() => callback(now), 16, false, []);
  window.cancelAnimationFrame = remove;
  performance.now = () => now;
  const current = () => EPOCH + now;
  window.Date = new Proxy(RealDate, {
    construct: (target, args) => Reflect.construct(target, args.length ? args : [current()]),
    apply: () => new RealDate(current()).toString(),
    get: (target, key) => (key === "now" ? current : Reflect.get(target, key)),
  });

  const advance = (ms) => {
    const end = now + ms;
    for (let count = 0; count < MAX_CALLBACKS; count++) {
      let due = null;
      let dueId = 0;
      for (const [id, timer] of timers) {
        if (timer.at <= end && (due === null || timer.at < due.at)) { due = timer; dueId = id; }
      }
      if (due === null) break;
      now = due.at;
      if (due.every === null) timers.delete(dueId); else due.at += due.every;
      try {
        if (typeof due.callback === "function") due.callback(...due.args); else (0, eval)(due.callback);
      } catch (error) { console.error(error); }
    }
    now = end;
  };

  // --- guard: trusted focus and mouse events reach the page only while its own action is being carried out ---
  let open = false;
  let begun = false;
  const guarded = ["focus", "blur", "focusin", "focusout"];
  for (const kind of ["mouse", "pointer"]) {
    for (const what of ["over", "out", "enter", "leave", "move"]) guarded.push(kind + what);
  }
  for (const type of guarded) {
    window.addEventListener(type, (event) => {
      if (!open && event.isTrusted) event.stopImmediatePropagation();
    }, true);
  }

  // --- what else may depend on wall time, on chance or on a person ---
  let state = 1;
  Math.random = () => { // until the episode's seed is set
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  window.addEventListener("submit", (event) => event.preventDefault()); // which would leave the page
  window.alert = () => undefined;
  window.confirm = () => true;
  window.prompt = () => null;
  document.addEventListener("DOMContentLoaded", () => {
    const style = document.createElement("style");
    style.textContent = "* { animation: none !important; transition: none !important; caret-color: transparent; }" +
      " #reward-display, #click-canvas { display: none !important; }";
    document.head.appendChild(style);
  });

  Object.defineProperty(window, "envreward", {
    value: {
      advance,
      begin: () => { timers = new Map(); now = 0; begun = true; },
      begun: () => begun,
      guard: (value) => { open = value; },
    },
  });
})();
