// The register page: keys, counts, search. Without this script the page is a form that the server reads.
import { Sheet, forgetDrafts } from "./register-sheet.js";
import { Saving } from "./register-saving.js";

const form = document.getElementById("register");
if (form) {
  const data = JSON.parse(document.getElementById("register-data").textContent);
  const sheet = new Sheet(form, data);
  const saving = new Saving(form, sheet, data.texts);
  const search = document.getElementById("search");
  const rest = document.getElementById("rest");
  let isSignedOut = false;

  document.querySelector(".no-script").hidden = true;
  for (const tool of [rest, search]) if (tool) tool.hidden = false;

  form.addEventListener("submit", (event) => { event.preventDefault(); saving.save(); });
  form.addEventListener("change", (event) => {
    const row = sheet.rowOf(event.target);
    if (row) sheet.touched(row);
  });
  form.addEventListener("input", (event) => {
    if (event.target.name?.startsWith("note-")) sheet.touched(sheet.rowOf(event.target));
  });
  rest.addEventListener("click", () => markRest());
  search?.addEventListener("input", () => sheet.narrow(search.value));
  form.addEventListener("keydown", onKey);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); saving.save(); }
  });
  addEventListener("beforeunload", (event) => { if (saving.wouldLose && !isSignedOut) event.preventDefault(); });
  new BroadcastChannel("adsum-signed-out").addEventListener("message", () => {
    isSignedOut = true;
    forgetDrafts();
    location.replace("/sign-in");
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) saving.refresh(); });
  setInterval(() => { if (!document.hidden && !saving.isBusy) saving.refresh(); }, 15000);

  sheet.restore();
  if (data.sheet.newestRun?.state === "processing") saving.follow(data.sheet.newestRun.batchId);
  else if (matchMedia("(hover: hover)").matches) sheet.firstOpen()?.focus({ preventScroll: true });

  function markRest() {
    sheet.markRest();
    sheet.firstOpen()?.focus();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isText = event.target.matches("input:not([type=radio], [type=checkbox])");
    const row = sheet.rowOf(event.target);
    if (isText) {
      if (event.key === "Escape" || (event.key === "Enter" && row)) { event.preventDefault(); (row ?? sheet.rows[0]).focus(); }
      else if (event.key === "Enter") event.preventDefault(); // Enter in the search field must not submit the form
      return;
    }
    if (event.key === "/" && search) { event.preventDefault(); search.focus(); return; }
    if (event.key === "0") { event.preventDefault(); markRest(); return; }
    if (!row || !event.target.matches("[type=radio]")) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      sheet.neighbour(row, event.key === "ArrowDown" ? 1 : -1)?.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      row.openNote();
    } else {
      const status = sheet.statusOfKey(event.key);
      if (!status) return;
      event.preventDefault();
      row.choose(status.code);
      sheet.touched(row);
      sheet.neighbour(row, 1)?.focus();
    }
  }
}
