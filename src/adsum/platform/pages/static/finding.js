// Finds while words are typed: a form sends them to the address in `data-find` and shows the hits of the answer. Enter
// opens the first hit, the arrows move between the field and the hits. Words are sent in bodies only, never in addresses.
const AFTER_MS = 120; // the last key

export class Finding {
  // `all`: ask for all hits. `page`: the page that is opened if the sign-in has ended; it leads to the sign-in and back.
  constructor(root, { all = false, page }) {
    this.form = root.querySelector("[data-find]") ?? root;
    this.input = this.form.querySelector("input[type=search]");
    this.found = root.querySelector("[data-found]");
    this.failed = root.querySelector("[data-failed]");
    this.status = root.querySelector("[role=status]");
    this.all = all;
    this.page = page;
    this.shown = this.input.value.trim(); // the words of the hits
    this.opensFirst = false; // Enter was pressed before the hits came
    this.timer = 0;
    this.asking = null;
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.opensFirst = false;
      this.timer = setTimeout(() => this.ask(this.all), AFTER_MS);
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.value.trim() === this.shown) this.openFirst();
      else { this.opensFirst = true; this.ask(this.all); }
    });
    this.found.addEventListener("click", (event) => {
      if (event.target.closest("[data-show-all]")) this.ask(true).then(() => this.found.querySelector("a")?.focus());
    });
    root.addEventListener("keydown", (event) => this.move(event));
  }

  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.opensFirst = false;
  }

  async ask(all) {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.asking = new AbortController();
    const words = this.input.value.trim();
    if (!words) { this.show("", ""); return; }
    try {
      const body = new URLSearchParams(all ? { words, all } : { words });
      const { signal } = this.asking;
      const answer = await fetch(this.form.dataset.find, { method: "POST", body, headers: { Accept: "text/html" }, signal });
      if (answer.status === 401 || answer.redirected) location.assign(this.page);
      else if (answer.ok) this.show(words, await answer.text());
      else this.fail();
    } catch (error) {
      if (error.name !== "AbortError") this.fail();
    }
  }

  show(words, text) {
    this.failed.hidden = true;
    this.found.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    this.shown = words;
    if (this.status) this.status.textContent = this.found.querySelector("[data-count]")?.dataset.count ?? "";
    if (this.opensFirst) this.openFirst();
  }

  openFirst() {
    this.opensFirst = false;
    this.found.querySelector("a")?.click();
  }

  fail() {
    this.failed.hidden = false;
    this.found.replaceChildren();
    this.shown = null;
    this.opensFirst = false;
  }

  // A letter that is typed on a hit goes into the field.
  move(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const stops = [this.input, ...this.found.querySelectorAll("a, button")];
    const at = stops.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && at >= 0 && stops.length > 1) {
      event.preventDefault();
      const to = at + step;
      // Up from the field leads to the last hit.
      stops.at(Math.min(to, stops.length - 1)).focus();
    } else if (at > 0 && (event.key.length === 1 || event.key === "Backspace") && event.key !== " ") {
      this.input.focus();
    }
  }
}
