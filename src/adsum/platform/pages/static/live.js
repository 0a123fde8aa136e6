// Parts of a page that poll for updates. Polling pauses while the page is hidden, and a note shows stale content.
// It stops when a form is submitted: a response that reloads the page would replace the response of the form.
let leaving = false;
const stale = document.querySelector("[data-stale]");

document.addEventListener("htmx:before:request", (event) => {
  if ((document.hidden || leaving) && event.target.matches("[data-live]")) event.preventDefault();
});
document.addEventListener("htmx:before:response", (event) => {
  if (leaving && event.target.matches("[data-live]")) event.preventDefault();
});
document.addEventListener("submit", (event) => {
  leaving = !event.defaultPrevented; // a form that a script sends leaves the page as it is
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
