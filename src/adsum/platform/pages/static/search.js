// The search of every page. "/" or Ctrl+K opens it; where a page has a filter of its own, "/" belongs to that filter.
// Visitors can turn "/" off in their profile. Without this script the link leads to the page of the search.
import { Finding } from "./finding.js";

const PAGE = "/search";
const opener = document.querySelector("[data-finder]");
const template = document.getElementById("finder-template");
const page = document.querySelector("main.page-search");
const hasSingleKeys = !("noSingleKeys" in document.documentElement.dataset);

if (page) new Finding(page, { all: true, page: PAGE });

if (opener && template) {
  const dialog = template.content.querySelector("dialog");
  const finding = new Finding(dialog, { page: PAGE });
  const filter = document.getElementById(opener.dataset.finder);

  opener.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    const isCtrlK = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k";
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const isSlash = hasSingleKeys && event.key === "/" && isPlain && !isTyping(event.target);
    if (event.defaultPrevented || !(isCtrlK || isSlash) || document.querySelector("dialog[open]:not(#finder)")) return;
    event.preventDefault();
    if (isSlash && filter) { filter.select(); filter.focus(); } else open();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog || event.target.closest("[data-close]")) close(); });
  // A browser closes the dialog by itself, too. This event comes after other keys, which may have opened it again.
  dialog.addEventListener("close", () => { if (!dialog.open) close(); });
  // Browsers clear a field of this type first.
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.preventDefault(); close(); }
  });

  function open() {
    if (!dialog.isConnected) document.body.append(dialog);
    if (!dialog.open) dialog.showModal();
    finding.input.select();
    finding.input.focus();
  }

  // The hidden field would keep the focus until the next frame, and "/" would be a letter in it.
  function close() {
    finding.stop();
    finding.input.blur();
    dialog.close();
  }
}

function isTyping(element) {
  return element.isContentEditable || element.matches("input:not([type=radio], [type=checkbox], [type=button], [type=submit]), textarea, select");
}
