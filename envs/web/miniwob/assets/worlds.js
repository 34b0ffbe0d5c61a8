// N MiniWoB pages as iframes of one page, stepped together. Each function that the batch calls takes and returns plain
// data, and answers for all the worlds that it was asked about.
var worlds = (() => {
  "use strict";
  const WIDTH = 500; // MiniWoB's own window; a task draws in its upper left corner
  const HEIGHT = 240;
  const APART = 5000; // so far that no world is in view, and painted, unless it is put there
  const TICK_MS = 1000; // by which a page's clock moves with each action
  const NO_LIMIT_MS = 1e9;
  const TYPED = new Set(["text", "password", "search", "tel", "url", "email", "number", "date", "time", "input", ""]);
  const pages = [];
  let holder = -1; // the world whose element has the browser's focus
  let staged = -1; // the world that is in view

  // No time limit, the data on which agents are trained, and none of what is drawn for people who watch.
  const prepare = (win) => {
    const nothing = () => undefined;
    win.envreward.guard(true);
    win.envreward.advance(TICK_MS);
    win.envreward.guard(false);
    win.core.EPISODE_MAX_TIME = NO_LIMIT_MS;
    win.core.setDataMode("train");
    win.console.log = win.core.countdownTimer = win.core.clearTimer = nothing;
    win.core.canvasClear = win.core.updateDisplay = nothing;
  };

  const load = (index, url) => new Promise((resolve, reject) => {
    const old = pages[index];
    const frame = document.createElement("iframe");
    frame.width = WIDTH;
    frame.height = HEIGHT;
    frame.style.cssText = `position:absolute;border:0;top:0;left:${(index + 1) * APART}px`;
    frame.onload = () => {
      const page = { frame, url, window: frame.contentWindow,
        elements: [], numbers: new Map(), pointed: null, active: null, broken: false };
      pages[index] = page;
      if (!page.window.core || !page.window.envreward) return reject(new Error(`${url} is no MiniWoB page`));
      prepare(page.window);
      resolve();
    };
    if (old) old.frame.remove();
    if (holder === index) holder = -1;
    frame.src = url;
    document.getElementById("stage").appendChild(frame);
  });

  const isElement = (active) => active && active.isConnected && active !== active.ownerDocument.body;

  const enter = (index) => {
    const page = pages[index];
    if (holder !== index && isElement(page.active)) { // with the guard closed: the page never knew that it lost it
      page.active.focus({ preventScroll: true });
      holder = index;
    }
    page.window.envreward.guard(true);
    return page;
  };
  const leave = (page, index) => {
    page.window.envreward.guard(false);
    page.active = page.window.document.activeElement; // which is forgotten when another page gets the focus
    if (isElement(page.active)) holder = index;
  };

  const stage = (index) => {
    if (staged !== index) document.getElementById("stage").style.left = `${-(index + 1) * APART}px`;
    staged = index;
  };

  const observe = (index) => {
    const page = pages[index];
    const win = page.window;
    if (!win.envreward || !win.envreward.begun()) throw new Error("it was left for another page");
    const said = win.core.getUtterance();
    const utterance = typeof said === "string" ? said : said.utterance;
    const fields = typeof said === "string" ? null : said.fields;
    return [index, utterance, fields, win.WOB_DONE_GLOBAL, win.WOB_RAW_REWARD_GLOBAL, listing.of(page)];
  };

  // Undo what an episode may have left in the page and genProblem does not set anew.
  const tidy = (page) => {
    const doc = page.window.document;
    if (isElement(doc.activeElement)) doc.activeElement.blur();
    for (const control of doc.querySelectorAll("input, textarea, option")) {
      if (control.tagName === "OPTION") control.selected = control.defaultSelected;
      else {
        control.value = control.defaultValue;
        control.checked = control.defaultChecked;
      }
    }
    page.elements = [];
    page.numbers = new Map();
    page.pointed = page.active = null;
  };

  const begin = (index, seed) => {
    const page = enter(index);
    const win = page.window;
    try { // the scrolling first: while the layout is still that of the last look, asking for it costs nothing
      for (const element of win.document.querySelectorAll("*")) if (element.scrollTop) element.scrollTop = 0;
      win.core.endEpisode(0);
      tidy(page);
      win.envreward.begin();
      win.Math.seedrandom(seed);
      win.core.startEpisodeReal();
    } finally { leave(page, index); }
  };

  const broken = (index, error) => {
    pages[index].broken = true; // to be loaded anew for its next episode
    return [index, String(error)];
  };

  const centre = (element) => {
    const rect = element.getBoundingClientRect();
    return [rect.left + rect.width / 2, rect.top + rect.height / 2];
  };

  const mouse = (page, element, type, more = {}) => {
    const [clientX, clientY] = centre(element);
    const init = { bubbles: true, cancelable: true, composed: true, view: page.window, clientX, clientY, ...more };
    return element.dispatchEvent(new page.window.MouseEvent(type, init));
  };

  const point = (page, element) => {
    const old = page.pointed;
    if (old === element) return;
    if (old && old.isConnected) mouse(page, old, "mouseout", { relatedTarget: element });
    mouse(page, element, "mouseover", { relatedTarget: old && old.isConnected ? old : null });
    mouse(page, element, "mousemove");
    page.pointed = element;
  };

  const focusFor = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (at.tabIndex >= 0 && !at.disabled) return at.focus();
    }
    const active = element.ownerDocument.activeElement;
    if (active && active !== element.ownerDocument.body) active.blur();
  };

  const click = (page, element) => {
    point(page, element);
    if (mouse(page, element, "mousedown", { detail: 1 })) focusFor(element);
    mouse(page, element, "mouseup", { detail: 1 });
    mouse(page, element, "click", { detail: 1 });
  };

  const type = (page, element, text) => {
    const typed = element.tagName === "TEXTAREA" || (element.tagName === "INPUT" && TYPED.has(element.type));
    if (!typed) return "is not something to type into";
    if (element.readOnly) return "cannot be typed into: it is read-only";
    if (element.ownerDocument.activeElement !== element) element.focus();
    const before = element.value;
    element.value = text;
    if (element.value !== text) {
      const got = element.type;
      element.value = before;
      return `takes no such text: it is of type ${got}`;
    }
    const key = text.slice(-1) || "Backspace";
    const keyCode = key.length === 1 ? key.toUpperCase().charCodeAt(0) : 8;
    const init = { bubbles: true, cancelable: true, key, keyCode, which: keyCode };
    element.dispatchEvent(new page.window.KeyboardEvent("keydown", init));
    element.dispatchEvent(new page.window.InputEvent("input", { bubbles: true, data: text, inputType: "insertText" }));
    element.dispatchEvent(new page.window.KeyboardEvent("keyup", init));
    element.dispatchEvent(new page.window.Event("change", { bubbles: true }));
    return "";
  };

  const select = (page, element, text) => {
    if (element.tagName !== "SELECT") return "is not something to select from";
    const option = [...element.options].find((one) => one.text.replace(/\s+/g, " ").trim() === text);
    if (!option) return `has no option ${JSON.stringify(text)}`;
    element.focus();
    option.selected = element.multiple ? !option.selected : true;
    element.dispatchEvent(new page.window.Event("input", { bubbles: true }));
    element.dispatchEvent(new page.window.Event("change", { bubbles: true }));
    return "";
  };

  const find = (page, number) => {
    const element = page.elements[number];
    if (!element || !element.isConnected || !element.getClientRects().length) return `there is no element ${number}`;
    if (element.disabled) return `element ${number} is disabled`;
    return element;
  };

  const perform = (page, kind, number, text) => {
    if (kind === "wait") return "";
    const element = find(page, number);
    if (typeof element === "string") return element;
    if (kind === "click") { click(page, element); return ""; }
    const error = kind === "type" ? type(page, element, text) : select(page, element, text);
    return error && `element ${number} ${error}`;
  };

  return {
    open: async (count, url) => {
      await Promise.all([...Array(count).keys()].map((index) => load(index, url)));
    },

    // [[world, seed]], whether to load their pages anew -> [observation or [world, error]]
    reset: async (whom, anew) => {
      const lost = whom.map(([index]) => index).filter((index) => anew || pages[index].broken);
      await Promise.all(lost.map((index) => load(index, pages[index].url)));
      return JSON.stringify(whom.map(([index, seed]) => {
        try {
          begin(index, seed);
          return observe(index);
        } catch (error) { return broken(index, error); }
      }));
    },

    // [[world, kind, element, text]] -> [[why it could not be taken, observation or [world, error]]]
    act: (actions) => JSON.stringify(actions.map(([index, kind, number, text]) => {
      try {
        const page = enter(index);
        let refused = "";
        try {
          if (!page.window.WOB_DONE_GLOBAL) {
            refused = perform(page, kind, number, text);
            if (!refused) page.window.envreward.advance(TICK_MS);
          }
        } finally { leave(page, index); }
        return [refused, observe(index)];
      } catch (error) { return ["", broken(index, error)]; }
    })),

    stage,

    // Put a world in view, let it have the focus, and say where the elements are that real events should go to.
    aim: (index, numbers) => {
      stage(index);
      const page = enter(index);
      if (holder !== index) page.window.focus(); // no element of it has the focus: keys go to the page itself
      holder = index;
      const points = [];
      for (const number of page.window.WOB_DONE_GLOBAL ? [] : numbers) {
        const element = find(page, number);
        if (typeof element === "string") return [element, []];
        points.push(centre(element));
      }
      return ["", points];
    },

    // After real events: let time pass, and look.
    settle: (index) => {
      const page = pages[index];
      try {
        try {
          if (!page.window.WOB_DONE_GLOBAL) page.window.envreward.advance(TICK_MS);
        } finally { leave(page, index); }
        return JSON.stringify(observe(index));
      } catch (error) { return JSON.stringify(broken(index, error)); }
    },

    peek: (index, expression) => JSON.stringify(pages[index].window.eval(expression)),
  };
})();
