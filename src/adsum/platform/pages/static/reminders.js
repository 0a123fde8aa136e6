// The notice of registers that the office reminds a teacher of. It appears on open pages, and goes once they are taken.
const EVERY = 30_000;
const place = document.querySelector("[data-reminders]");

async function update() {
  if (document.hidden || !navigator.onLine) return;
  try {
    // The header keeps this request from counting as a use of the sign-in.
    const headers = { "HX-Request": "true", "HX-Current-URL": location.origin + location.pathname };
    const response = await fetch("/reminders", { headers, redirect: "error" });
    if (!response.ok) return;
    const text = await response.text();
    const content = new DOMParser().parseFromString(text, "text/html").body;
    if (content.textContent.trim() !== place.textContent.trim()) place.replaceChildren(...content.childNodes);
  } catch {
    // Without a connection the notice stays as it is.
  }
}

if (place) {
  // A page that shows nothing yet asks at once; the server has put the notice into the others.
  if (!place.hasAttribute("data-complete")) update();
  setInterval(update, EVERY);
  document.addEventListener("visibilitychange", update);
}
