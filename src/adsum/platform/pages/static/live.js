// Parts of a page that poll for updates. Polling pauses while the page is hidden, and a note shows stale content.
// It stops when a form is submitted: a response that reloads the page would replace the response of the form.
// A poll is refused, and the page reloaded, if another user has signed in: its forms would be theirs.
// A form that changes a part of the page makes the polls stale that began before its response was shown.
let leaving = false;
let changes = 0;
const begun = new WeakMap();
const stale = document.querySelector("[data-stale]");

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (!event.target.matches("[data-live]")) changes += 1;
  else if (document.hidden || leaving) event.preventDefault();
  else {
    ctx.request.headers["X-Page-Visitor"] = document.body.dataset.visitor;
    begun.set(ctx, changes);
  }
});
document.addEventListener("htmx:before:response", (event) => {
  const isStale = leaving || begun.get(event.detail.ctx) !== changes;
  if (isStale && event.target.matches("[data-live]")) event.preventDefault();
});
document.addEventListener("htmx:after:settle", () => {
  changes += 1;
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
