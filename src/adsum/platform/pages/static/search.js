// The search of every page. "/" or Ctrl+K opens it; where a page has a filter of its own, "/" belongs to that filter.
// Without this script the link leads to the page of the search.
const opener = document.querySelector("[data-finder]");
const template = document.getElementById("finder-template");
const page = document.querySelector("[data-finder-page]");
const AFTER_MS = 120; // the last key

if (opener && template) {
  const dialog = template.content.querySelector("dialog");
  const input = dialog.querySelector("input");
  const hits = dialog.querySelector("[data-hits]");
  const status = dialog.querySelector("[role=status]");
  const filter = document.getElementById(opener.dataset.finder);
  const failed = dialog.querySelector("[data-failed]");
  let timer = 0;
  let asking = null;
  let shown = ""; // the words of the hits
  let waiting = false; // Enter was pressed before the hits came

  opener.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    const isCtrlK = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k";
    const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    if (event.defaultPrevented || !(isCtrlK || isSlash) || document.querySelector("dialog[open]:not(#finder)")) return;
    event.preventDefault();
    if (isSlash && filter) { filter.select(); filter.focus(); } else open();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog || event.target.closest("[data-close]")) dialog.close(); });
  dialog.addEventListener("close", () => { clearTimeout(timer); asking?.abort(); waiting = false; });
  dialog.addEventListener("keydown", (event) => {
    // Browsers clear a field of this type first.
    if (event.key === "Escape") { event.preventDefault(); dialog.close(); } else move(event, input, hits);
  });
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim() === shown) openFirst();
    else { waiting = true; ask(); }
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    waiting = false;
    timer = setTimeout(ask, AFTER_MS);
  });

  function open() {
    if (!dialog.isConnected) document.body.append(dialog);
    if (!dialog.open) dialog.showModal();
    input.select();
    input.focus();
  }

  async function ask() {
    clearTimeout(timer);
    asking?.abort();
    asking = new AbortController();
    const words = input.value.trim();
    if (!words) { show("", ""); return; }
    try {
      const body = new URLSearchParams({ words });
      const answer = await fetch("/search/hits", { method: "POST", body, headers: { Accept: "text/html" }, signal: asking.signal });
      if (answer.status === 401 || answer.redirected) location.assign(`/search?words=${encodeURIComponent(words)}`);
      else if (answer.ok) show(words, await answer.text());
      else fail();
    } catch (error) {
      if (error.name !== "AbortError") fail();
    }
  }

  function show(words, text) {
    failed.hidden = true;
    hits.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    shown = words;
    status.textContent = hits.querySelector("[data-count]")?.dataset.count ?? "";
    if (waiting) openFirst();
  }

  function openFirst() {
    waiting = false;
    hits.querySelector("a")?.click();
  }

  function fail() {
    failed.hidden = false;
    hits.replaceChildren();
    shown = "";
    waiting = false;
  }
}

if (page) {
  const input = page.querySelector("input");
  page.addEventListener("keydown", (event) => move(event, input, page));
}

// Arrows move between the field and the hits. A letter that is typed on a hit goes into the field.
function move(event, input, hits) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const links = [...hits.querySelectorAll(".hits a, .all a")];
  const at = links.indexOf(document.activeElement);
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps && links.length) {
    event.preventDefault();
    const to = at + steps[event.key];
    (to < 0 ? (at < 0 ? links.at(-1) : input) : links[Math.min(to, links.length - 1)]).focus();
  } else if (at >= 0 && (event.key.length === 1 || event.key === "Backspace") && event.key !== " ") {
    input.focus();
  }
}

function isTyping(element) {
  return element.isContentEditable || element.matches("input:not([type=radio], [type=checkbox], [type=button], [type=submit]), textarea, select");
}
