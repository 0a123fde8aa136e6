// A part of a page that asks for itself again and again: it rests while nobody looks, and says when it is not fresh.
// Once a form is sent it asks no more: an answer that has the page loaded anew would take the place of the form's.
let leaving = false;
const stale = document.querySelector("[data-stale]");

document.addEventListener("htmx:before:request", (event) => {
  if ((document.hidden || leaving) && event.target.matches("[data-live]")) event.preventDefault();
});
document.addEventListener("htmx:before:response", (event) => {
  if (leaving && event.target.matches("[data-live]")) event.preventDefault();
});
document.addEventListener("submit", () => {
  leaving = true;
});
window.addEventListener("pageshow", () => {
  leaving = false;
});
document.addEventListener("htmx:after:request", (event) => {
  if (stale) stale.hidden = event.detail.ctx.response.status < 400;
});
document.addEventListener("htmx:error", () => {
  if (stale) stale.hidden = false;
});
