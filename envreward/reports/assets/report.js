"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Colours: the reader's own choice over the system's.
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const toggle = document.getElementById("theme");
  const name = () => { toggle.textContent = dark() ? "Light" : "Dark"; };
  toggle.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  name();

  // The film starts by itself unless the reader asked for less motion.
  const film = document.querySelector("video");
  if (film && !matchMedia("(prefers-reduced-motion: reduce)").matches) film.play().catch(() => {});

  // What marks say when pointed at: at once, instead of after the browser's delay.
  const tip = document.createElement("div");
  tip.id = "tip"; tip.hidden = true;
  document.body.append(tip);
  const texts = new WeakMap();
  for (const title of document.querySelectorAll("svg title")) {
    texts.set(title.parentNode, title.textContent);
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  const show = (event) => {
    const text = texts.get(event.target);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(event.clientX + 14, innerWidth - width - 6)) + "px";
    tip.style.top = (event.clientY - height - 12 > 6 ? event.clientY - height - 12 : event.clientY + 18) + "px";
  };
  for (const chart of document.querySelectorAll("svg")) {
    chart.addEventListener("pointermove", show);
    chart.addEventListener("pointerleave", () => { tip.hidden = true; });
  }

  // A link to a candidate opens it.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", open);
  open();

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).dataset.text ?? document.getElementById(button.dataset.copy).textContent;
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { button.textContent = "Select and copy"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // Printed, every part is open.
  let shut = [];
  addEventListener("beforeprint", () => { shut = [...document.querySelectorAll("details.more:not([open])")]; shut.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { shut.forEach((d) => { d.open = false; }); });
})();
