// What is to be seen in a MiniWoB page: one flat row for each element that can be used or read.
var listing = (() => {
  "use strict";
  const HIDDEN = new Set(["reward-display", "click-canvas", "sync-task-cover", "query", "attention-canvas"]);
  const CONTROLS = new Set(["INPUT", "BUTTON", "A", "SELECT", "TEXTAREA"]);
  const SHAPES = new Set(["rect", "circle", "ellipse", "polygon", "path", "line", "text"]);
  const SKIPPED = new Set(["SCRIPT", "STYLE", "OPTION", "OPTGROUP", "BR", "HR", "CANVAS", "defs"]);
  const CLEAR = "rgba(0, 0, 0, 0)";
  const MAX_TEXT = 300;
  const FLAGS = { checked: 1, disabled: 2, focused: 4, readonly: 8, multiple: 16, usable: 32 };

  const squeeze = (text) => text.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT);

  const ownText = (element) => {
    let text = "";
    for (const child of element.childNodes) if (child.nodeType === 3) text += " " + child.data;
    return squeeze(text);
  };

  const labelOf = (control) => {
    const label = control.labels && control.labels[0];
    return label ? squeeze(label.textContent) : squeeze(control.placeholder || control.name || "");
  };

  const textOf = (element, own) => {
    switch (element.tagName) {
      case "INPUT": return ["button", "submit"].includes(element.type) ? squeeze(element.value) : labelOf(element);
      case "SELECT": case "TEXTAREA": return labelOf(element);
      case "BUTTON": case "A": return squeeze(element.textContent);
      default: return own;
    }
  };

  const valueOf = (element) => {
    switch (element.tagName) {
      case "INPUT": return ["checkbox", "radio"].includes(element.type) ? "" : element.value;
      case "TEXTAREA": return element.value;
      case "SELECT": return [...element.selectedOptions].map((option) => squeeze(option.text)).join(", ");
      default: return "";
    }
  };

  // Numbers by which the elements of an episode are named, in the order in which they were first seen.
  const numberOf = (page, element) => {
    let number = page.numbers.get(element);
    if (number === undefined) {
      number = page.elements.length;
      page.elements.push(element);
      page.numbers.set(element, number);
    }
    return number;
  };

  const rowOf = (page, element, style, rect, own) => {
    const control = CONTROLS.has(element.tagName);
    const shape = SHAPES.has(element.tagName);
    const usable = control || style.cursor === "pointer" || element.isContentEditable;
    let colour = "";
    if (shape) colour = style.fill !== "none" ? style.fill : style.stroke;
    else if (!control && style.backgroundColor !== CLEAR) colour = style.backgroundColor;
    const flags =
      (element.checked ? FLAGS.checked : 0) |
      (element.disabled || element.classList.contains("ui-state-disabled") ? FLAGS.disabled : 0) |
      (element === element.ownerDocument.activeElement ? FLAGS.focused : 0) |
      (element.readOnly ? FLAGS.readonly : 0) |
      (element.tagName === "SELECT" && element.multiple ? FLAGS.multiple : 0) |
      (usable ? FLAGS.usable : 0);
    const options = element.tagName === "SELECT" ? [...element.options].map((option) => squeeze(option.text)) : [];
    return [
      numberOf(page, element), element.tagName.toLowerCase(), element.type && control ? element.type : "",
      element.id, element.getAttribute("class") || "", textOf(element, own), valueOf(element), flags,
      Math.round(rect.left), Math.round(rect.top), Math.round(rect.width), Math.round(rect.height), colour, options,
    ];
  };

  const worthARow = (element, style, own) => {
    if (CONTROLS.has(element.tagName) || SHAPES.has(element.tagName) || own) return true;
    if (element.tagName === "LABEL" || element.firstElementChild) return false;
    return style.backgroundColor !== CLEAR || style.backgroundImage !== "none" || style.cursor === "pointer" ||
      style.content.startsWith("url");
  };

  const walk = (page, element, rows) => {
    if (SKIPPED.has(element.tagName) || HIDDEN.has(element.id)) return;
    const rect = element.getBoundingClientRect();
    const style = page.window.getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden" && !element.firstElementChild) return;
    const own = ownText(element);
    const said = element.tagName === "LABEL" && element.control; // by the control itself
    if (rect.width > 0 && rect.height > 0 && style.visibility !== "hidden" && !said && worthARow(element, style, own)) {
      rows.push(rowOf(page, element, style, rect, own));
    }
    if (["BUTTON", "A", "SELECT", "TEXTAREA"].includes(element.tagName)) return;
    const before = rows.length;
    for (const child of element.children) walk(page, child, rows);
    if (rows.length === before && element.firstElementChild && style.cursor === "pointer" && rect.width > 0) {
      rows.push(rowOf(page, element, style, rect, own)); // something to click on, with nothing to be seen in it
    }
  };

  return {
    of: (page) => {
      const rows = [];
      for (const child of page.window.document.body.children) walk(page, child, rows);
      return rows;
    },
  };
})();
