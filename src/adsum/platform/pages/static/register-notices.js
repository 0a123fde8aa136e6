// What the page says: the line beside the buttons, the problems at the top, and the card of a saved register.

const MAX_LISTED = 30;

export function el(name, text, className) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

export class Notices {
  constructor(sheet) {
    this.sheet = sheet;
    this.texts = sheet.texts;
    this.message = document.getElementById("message");
    this.banner = document.getElementById("banner");
    this.done = document.getElementById("done");
    this.wrong = []; // entries that go once their fault is mended
  }

  // The line beside the buttons. It has a height of its own, so that nothing moves.
  say(text, kind = "") {
    if (!this.message) return;
    if (this.message.textContent !== text) this.message.textContent = text;
    this.message.parentElement.className = `message ${kind}`;
  }

  // The problems at the top: `items` are texts, or elements.
  show(kind, title, items = [], tools = []) {
    const notice = el("div", "", `notice ${kind}`);
    notice.setAttribute("role", "alert");
    const heading = el("p");
    heading.append(el("strong", title));
    notice.append(heading);
    const list = el("ul", "", "names");
    for (const item of items.slice(0, MAX_LISTED)) {
      const entry = el("li");
      entry.append(item);
      if (item.isWrong) this.wrong.push({ entry, notice, isWrong: item.isWrong });
      list.append(entry);
    }
    if (items.length) notice.append(list);
    if (items.length > MAX_LISTED) notice.append(el("p", this.texts.cut.replace("{shown}", MAX_LISTED).replace("{count}", items.length), "definition"));
    if (tools.length) {
      const row = el("p", "", "row");
      row.append(...tools);
      notice.append(row);
    }
    this.banner.append(notice);
    return notice;
  }

  clear() {
    this.wrong = [];
    this.banner.replaceChildren();
  }

  // Removes the entries whose fault is mended, and the notice after its last entry.
  dropMended() {
    this.wrong = this.wrong.filter(({ entry, notice, isWrong }) => {
      if (isWrong()) return true;
      entry.remove();
      if (!notice.querySelector("li")) notice.remove();
      return false;
    });
  }

  // The students who could not be recorded, each with the reason.
  showFailed(retry) {
    const { failed } = this.sheet;
    this.banner.querySelectorAll("[data-failed]").forEach((each) => each.remove());
    if (!failed.length) return false;
    const items = failed.map((row) => this.named(row, this.texts.reasons[row.known.failure] ?? row.known.failure));
    const notice = this.show("bad", this.texts.notSaved.replace("{count}", failed.length), items, retry ? [retry] : []);
    notice.dataset.failed = "";
    this.banner.prepend(notice);
    return true;
  }

  // The rows that another user changed meanwhile. Each has both marks until the user chooses one.
  showContested(onDecided) {
    const { contested } = this.sheet;
    const shown = this.banner.querySelector("[data-contested]");
    const ids = contested.map((row) => `${row.id}:${row.known.version}`).join();
    if (shown?.dataset.contested === ids) return;
    shown?.remove();
    if (!contested.length) return;
    const items = contested.map((row) => {
      const entry = el("span", "", "choice");
      entry.append(el("bdi", row.name));
      const theirs = el("button", this.texts.theirs.replace("{mark}", this.label(row.base.status)), "compact");
      const mine = el("button", this.texts.mine.replace("{mark}", this.label(row.chosen)), "compact");
      theirs.addEventListener("click", () => { row.take(row.base); onDecided(row); });
      mine.addEventListener("click", () => onDecided(row));
      for (const button of [theirs, mine]) button.type = "button";
      entry.append(theirs, mine);
      return entry;
    });
    this.show("warn", this.texts.meanwhile, items).dataset.contested = ids;
    this.toTop();
  }

  // The card of a saved register: marks of the office that stay, and the students who are not simply present.
  showDone(warnings) {
    const { kept } = this.sheet;
    const unmarked = this.sheet.unmarked.filter((row) => !row.base);
    const toMark = unmarked.filter((row) => !row.isFixed);
    const title = toMark.length ? this.texts.doneInPart.replace("{count}", toMark.length) : unmarked.length ? this.texts.doneChanges : this.texts.done;
    this.done.replaceChildren(el("h2", title));
    this.done.classList.toggle("partly", toMark.length > 0);
    if (kept.length) this.done.append(this.keptMarks(kept));
    for (const code of warnings) {
      const warning = el("div", "", "notice warn");
      warning.append(el("p", this.texts.warnings[code]));
      this.done.append(warning);
    }
    const rows = this.sheet.rows.filter((row) => !row.isGone);
    const groups = el("div", "", "groups");
    const absent = this.sheet.statuses.filter((each) => ["absent", "authorised"].includes(each.look)).map((each) => each.code);
    for (const { code, label, look } of this.sheet.statuses) {
      const found = rows.filter((row) => row.known.recorded?.status === code);
      if (look !== "attended" && found.length) groups.append(this.group(label, found));
    }
    if (!unmarked.length && !rows.some((row) => absent.includes(row.known.recorded?.status))) this.done.append(el("p", this.texts.nobodyAbsent));
    this.done.append(groups);
    if (toMark.length) {
      const folded = el("details");
      const names = this.group("", toMark).querySelector("ul");
      folded.append(el("summary", `${this.texts.unmarked}: ${toMark.length}`), names);
      this.done.append(folded);
    }
    const back = el("a", this.texts.back, "button compact");
    back.href = document.querySelector(".crumbs a").href;
    this.done.append(back);
    this.done.hidden = false;
    this.done.focus({ preventScroll: true });
    this.toTop();
  }

  label(code) { return this.sheet.statuses.find((each) => each.code === code)?.label ?? code; }

  // What stays of the office, and what the teacher sent, by student.
  keptMarks(rows) {
    const notice = el("div", "", "notice warn");
    const heading = el("p");
    heading.append(el("strong", this.texts.kept.replace("{count}", rows.length)), " ", this.texts.keptDisputed);
    const list = el("ul");
    for (const row of rows) {
      const entry = el("li");
      const { recorded, disputedStatus } = row.known;
      entry.append(this.named(row, `${this.label(recorded.status)} (${this.texts.yours.replace("{mark}", this.label(disputedStatus))})`));
      list.append(entry);
    }
    notice.append(heading, list);
    return notice;
  }

  group(title, rows) {
    const section = el("section");
    const names = el("ul");
    for (const row of rows) {
      const item = el("li");
      item.append(el("bdi", row.name));
      const time = row.known.recorded?.arrivedAt;
      if (time) item.append(" ", el("span", this.sheet.page.clock(time), "soft"));
      names.append(item);
    }
    section.append(el("h3", `${title}: ${rows.length}`), names);
    return section;
  }

  hideDone() { this.done.hidden = true; }

  // The name of a student, which leads to their row, and a text. `isWrong` says how long the entry stays.
  named(row, text, isWrong = null) {
    const entry = el("span");
    const link = el("a");
    link.href = `#name-${row.id}`;
    link.append(el("bdi", row.name));
    link.addEventListener("click", (event) => {
      event.preventDefault();
      row.element.scrollIntoView({ block: "center" });
      row.focus({ preventScroll: true });
    });
    entry.append(link);
    if (text) entry.append(el("br"), el("small", text));
    entry.isWrong = isWrong;
    return entry;
  }

  toTop() { scrollTo({ top: 0 }); }
}
