// A button that prints the page. Without scripts it stays hidden: every browser has a command of its own for it.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
