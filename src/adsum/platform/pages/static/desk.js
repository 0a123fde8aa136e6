// The search at the desk: finds students while a name is typed. Enter opens the first, the arrows move.
const form = document.querySelector("[data-find]");
const input = form.querySelector("input[type=search]");
const found = form.querySelector("[data-found]");
const failed = form.querySelector("[data-failed]");
const AFTER_MS = 120; // the last key
let timer = 0;
let asking = null;
let shown = input.value.trim(); // the words of the hits
let waiting = false; // Enter was pressed before the hits came

input.addEventListener("input", () => {
  clearTimeout(timer);
  waiting = false;
  timer = setTimeout(ask, AFTER_MS);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (input.value.trim() === shown) openFirst();
  else { waiting = true; ask(); }
});

form.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const stops = [input, ...found.querySelectorAll("a")];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const words = input.value.trim();
  try {
    const body = new URLSearchParams({ words });
    const answer = await fetch(form.dataset.find, { method: "POST", body, headers: { Accept: "text/html" }, signal: asking.signal });
    if (answer.status === 401 || answer.redirected) location.reload(); // leads to the sign-in, and back
    else if (answer.ok) show(words, await answer.text());
    else fail();
  } catch (error) {
    if (error.name !== "AbortError") fail();
  }
}

function show(words, text) {
  failed.hidden = true;
  found.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  shown = words;
  if (waiting) openFirst();
}

function openFirst() {
  waiting = false;
  found.querySelector("a")?.click();
}

function fail() {
  failed.hidden = false;
  found.replaceChildren();
  shown = null;
  waiting = false;
}

// Each form is sent once. A disabled button would not send its value, so that this waits until the form is sent.
for (const once of document.querySelectorAll("form[data-once]")) {
  const buttons = once.querySelectorAll("button");
  once.addEventListener("submit", () => setTimeout(() => buttons.forEach((button) => { button.disabled = true; })));
  window.addEventListener("pageshow", () => buttons.forEach((button) => { button.disabled = false; }));
}
