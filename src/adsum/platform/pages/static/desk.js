// The search at the desk: finds students while a name is typed. Enter opens the first, the arrows move.
const form = document.querySelector("[data-find]");
const input = form.querySelector("input[type=search]");
const found = form.querySelector("[data-found]");
let pending, sent = 0, shown = input.value.trim();

async function find() {
  const words = input.value.trim();
  const number = ++sent;
  const response = await fetch(`${form.dataset.find}&q=${encodeURIComponent(words)}`, { headers: { "HX-Request": "true" } });
  if (number !== sent || !response.ok || response.redirected) return;
  found.replaceChildren(...new DOMParser().parseFromString(await response.text(), "text/html").body.childNodes);
  shown = words;
}

function links() {
  return [...found.querySelectorAll("a")];
}

input.addEventListener("input", () => {
  clearTimeout(pending);
  pending = setTimeout(() => find().catch(() => {}), 120);
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearTimeout(pending);
  // The list may be that of fewer letters.
  if (shown !== input.value.trim()) await find().catch(() => form.submit());
  links()[0]?.click();
});

form.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const stops = [input, ...links()];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});
