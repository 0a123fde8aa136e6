// Buttons that copy a text. Without scripts, and over plain HTTP, they stay hidden: the text can be selected.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    } catch {
      return; // the browser refuses: the text can be selected
    }
    button.textContent = button.dataset.done;
  });
}
