// The desk finds students while a name is typed, and sends each of its forms once.
import { Finding } from "./finding.js";

const form = document.querySelector("[data-find]");
new Finding(form, { page: form.dataset.page });

// A disabled button would not send its value, so that this waits until the form is sent.
for (const once of document.querySelectorAll("form[data-once]")) {
  const buttons = once.querySelectorAll("button");
  once.addEventListener("submit", () => setTimeout(() => buttons.forEach((button) => { button.disabled = true; })));
  window.addEventListener("pageshow", () => buttons.forEach((button) => { button.disabled = false; }));
}
