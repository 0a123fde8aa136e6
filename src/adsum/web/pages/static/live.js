// A part of a page that asks for itself again and again: it rests while nobody looks, and says when it is not fresh.
const stale = document.querySelector("[data-stale]");

document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && event.target.matches("[data-live]")) event.preventDefault();
});
document.addEventListener("htmx:after:request", (event) => {
  if (stale) stale.hidden = event.detail.ctx.response.status < 400;
});
document.addEventListener("htmx:error", () => {
  if (stale) stale.hidden = false;
});
