// The register page: keys, search, undo. Without scripts the page is a form that the server reads.
import { showHistory } from "./register-history.js";
import { Notices } from "./register-notices.js";
import { Saving } from "./register-saving.js";
import { Sheet, forgetDrafts } from "./register-sheet.js";
import { Undo, listenForUndo } from "./register-undo.js";

const form = document.getElementById("register");
if (form) {
  const data = JSON.parse(document.getElementById("register-data").textContent);
  const { texts } = data;
  const sheet = new Sheet(form, data);
  const notices = new Notices(sheet);
  const saving = new Saving(form, sheet, notices);
  const search = document.getElementById("search");
  const rest = document.getElementById("rest");
  const undo = document.getElementById("undo");
  const nobody = document.getElementById("nobody");
  const undoing = new Undo(sheet);
  let rested = null; // the step of the undo that marked the rest present
  let pressed = null; // the segment that was chosen already when it was pressed
  let isSignedOut = false;
  const hasSingleKeys = !("noSingleKeys" in document.documentElement.dataset); // of the page; the keys of a row stay

  for (const each of document.querySelectorAll(".no-script")) each.hidden = true;
  for (const tool of [rest, search?.parentElement]) if (tool) tool.hidden = false;

  form.addEventListener("submit", (event) => { event.preventDefault(); save(); });
  form.addEventListener("change", (event) => {
    const row = sheet.rowOf(event.target);
    if (event.target.type === "radio") {
      const before = row.described;
      row.chosenNow();
      undoing.push([{ row, before, after: row.mark }]);
    }
    if (row) sheet.changed([row]);
  });
  form.addEventListener("input", (event) => {
    const row = sheet.rowOf(event.target);
    if (row && event.target.type !== "radio") sheet.changed([row]);
  });
  // A second press on the chosen status takes the mark back.
  form.addEventListener("pointerdown", ({ target }) => { pressed = target.type === "radio" && target.checked ? target : null; });
  form.addEventListener("click", (event) => {
    const row = sheet.rowOf(event.target);
    if (event.target === pressed) takeBack(row);
    else if (event.target.matches(".history") && !event.ctrlKey && !event.metaKey) { event.preventDefault(); showHistory(row, event.target, texts); }
    pressed = null;
  });
  // On a phone the note and the times open over the page.
  form.addEventListener("toggle", (event) => {
    const row = sheet.rowOf(event.target);
    if (!row) return; // the reason of the office
    event.target.dataset.name = row.name;
    for (const each of sheet.rows) each.element.inert = event.newState === "open" && each !== row;
    if (event.newState === "open" && !row.hasTime) row.note.focus();
  }, true);
  rest?.addEventListener("click", markRest);
  undo?.addEventListener("click", takeBackNewest);
  undoing.onChange = () => { if (undo) undo.hidden = !rested || undoing.newest !== rested; };
  listenForUndo(takeBackNewest);
  search?.addEventListener("input", narrow);
  form.addEventListener("keydown", onKey);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); save(); }
  });
  addEventListener("beforeunload", (event) => { if (saving.wouldLose && !isSignedOut) event.preventDefault(); });
  addEventListener("adsum-discarded", () => { isSignedOut = true; }); // the user has agreed while signing out
  new BroadcastChannel("adsum-signed-out").addEventListener("message", () => {
    isSignedOut = true;
    forgetDrafts();
    location.replace("/sign-in");
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) saving.refresh(); });
  setInterval(() => { if (!document.hidden) saving.refresh(); }, 15000);

  sheet.onChange = () => { saving.tell(); describeRest(); notices.dropMended(); };
  sheet.restore();
  saving.showContested();
  if (sheet.failed.length) saving.finish(data.sheet);
  if (data.sheet.newestRun?.state === "processing") saving.update(data.sheet, "own");
  else if (matchMedia("(hover: hover)").matches) sheet.firstOpen?.focus({ preventScroll: true });

  function save() {
    undoing.forget();
    saving.save();
  }

  // Removes a mark, or a change, that is not saved yet.
  function takeBack(row) {
    const wasTouched = row.isTouched;
    if (!row.isFixed) undoing.record([row], () => row.revert());
    sheet.changed([row]);
    if (!wasTouched && row.base && !row.isFixed) notices.say(texts.staysSaved, "warn");
  }

  function markRest() {
    const rows = sheet.rest;
    if (!rows.length) return;
    undoing.record(rows, () => { for (const row of rows) row.choose("present"); });
    rested = undoing.newest;
    undoing.onChange();
    sheet.changed(rows);
    notices.say(texts.someRest.replace("{count}", rows.length), "good");
    sheet.firstOpen?.focus();
  }

  function takeBackNewest() {
    const rows = undoing.back();
    if (rows.length) rows[0].focus();
    else notices.say(texts.nothingToUndo);
  }

  function narrow() {
    sheet.narrow(search.value);
    nobody.hidden = sheet.shown.length > 0;
  }

  // Marking the rest never touches a row that the search hides, and the button says so.
  function describeRest() {
    if (!rest) return;
    const { length } = sheet.rest;
    rest.disabled = length === 0;
    rest.firstElementChild.textContent = sheet.isFiltered ? texts.restOfShown.replace("{count}", length) : texts.rest;
  }

  function clearSearch() {
    search.value = "";
    narrow();
  }

  function onKey(event) {
    const isText = event.target.matches("input:not([type=radio], [type=checkbox])");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = sheet.rowOf(event.target);
    if (event.target === search) onSearchKey(event);
    else if (isText) onTextKey(event, row);
    else if (hasSingleKeys && event.key === "/" && search) { event.preventDefault(); search.select(); search.focus(); }
    else if (hasSingleKeys && event.key === "0" && rest) { event.preventDefault(); markRest(); }
    else if (event.key === "Escape" && search?.value) clearSearch();
    else if (row && event.target.matches("[type=radio]")) onRowKey(event, row);
  }

  function onSearchKey(event) {
    const { shown } = sheet;
    const target = { Enter: shown[0], ArrowDown: shown[0], ArrowUp: shown.at(-1), "/": null, Escape: null };
    if (!(event.key in target)) return;
    event.preventDefault();
    if (event.key === "/") search.select();
    else if (event.key === "Escape" && search.value) clearSearch();
    else (target[event.key] ?? sheet.firstOpen ?? shown[0])?.focus();
  }

  function onTextKey(event, row) {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.preventDefault();
    row?.element.querySelector(".extra").hidePopover?.();
    row?.focus();
  }

  function onRowKey(event, row) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      sheet.neighbour(row, event.key === "ArrowDown" ? 1 : -1)?.focus();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      takeBack(row);
    } else if (event.key === "Enter") {
      event.preventDefault();
      row.openNote();
    } else {
      const status = sheet.statusOfKey(event.key);
      if (!status) return;
      event.preventDefault();
      undoing.record([row], () => row.choose(status.code));
      sheet.changed([row]);
      sheet.neighbour(row, 1)?.focus();
    }
  }
}
