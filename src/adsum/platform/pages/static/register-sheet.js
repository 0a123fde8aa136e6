// The rows of a register: counts, search, drafts, and the marks that arrive from the server.
import { Row, sameMark } from "./register-row.js";

// A local time HH:MM in the language of the page.
export function clock(time) {
  if (!time) return "";
  return new Intl.DateTimeFormat(document.documentElement.lang, { hour: "numeric", minute: "2-digit", timeZone: "UTC" }).format(new Date(`2000-01-01T${time}Z`));
}

// Removes the unsaved marks of this tab: all, or those with these keys.
export function forgetDrafts(isForgotten = () => true) {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("adsum:") && isForgotten(key)) sessionStorage.removeItem(key);
}

export class Sheet {
  constructor(form, data) {
    this.data = data;
    this.texts = data.texts;
    this.statuses = data.statuses;
    this.userId = Number(form.elements.visitor.value);
    this.visitor = form.dataset.visitor;
    this.version = form.elements.rosterVersion;
    this.list = document.getElementById("students");
    this.receivedAt = data.sheet.receivedAt;
    // Of this user: another one, who signs in in the same tab, does not get the marks.
    const own = `adsum:${this.userId}:`;
    this.draftKey = `${own}${location.pathname}`;
    forgetDrafts((key) => !key.startsWith(own));
    this.page = { statuses: data.statuses, texts: data.texts, now: () => this.now(), clock, receivedAt: () => this.receivedAt };
    const known = new Map(data.sheet.rows.map((each) => [each.studentId, each]));
    this.rows = [...this.list.children].map((each) => new Row(each, known.get(Number(each.dataset.student)), this.page));
    this.byId = new Map(this.rows.map((row) => [row.id, row]));
  }

  rowOf(element) { return this.byId.get(Number(element.closest?.("[data-student]")?.dataset.student)); }
  get shown() { return this.rows.filter((row) => row.isShown); }
  get firstOpen() { return this.rows.find((row) => row.summary.chosen === null && row.isShown) ?? null; }
  get touched() { return this.rows.filter((row) => row.summary.isTouched); }
  get toSend() { return this.rows.filter((row) => row.summary.isToSend); }
  get contested() { return this.rows.filter((row) => row.isContested); }
  get failed() { return this.rows.filter((row) => row.known.failure && !row.isGone); }
  get unmarked() { return this.rows.filter((row) => row.summary.chosen === null && !row.isGone); }
  // The rows whose mark of the office stays, although this page sent another one.
  get kept() { return this.rows.filter((row) => row.isKept); }
  get loose() { return this.rows.filter((row) => row.isLoose); }
  get isFiltered() { return this.rows.some((row) => row.element.hidden); }

  neighbour(row, step) {
    let i = this.rows.indexOf(row) + step;
    while (this.rows[i] && !this.rows[i].isShown) i += step;
    return this.rows[i];
  }

  statusOfKey(key) {
    return this.statuses[Number(key) - 1] ?? this.statuses.find((each) => each.letter.toLowerCase() === key.toLowerCase());
  }

  // The present time at the school, while the session meets; '' before and after it, and on other days.
  now() {
    if (!this.data.timeZone) return "";
    const now = new Intl.DateTimeFormat("en-GB", { timeZone: this.data.timeZone, hour: "2-digit", minute: "2-digit" }).format(new Date());
    const meets = this.data.times.some(([begins, ends]) => begins <= now && now <= ends);
    return meets || !this.data.times.length ? now : "";
  }

  // The rows that are shown and have no mark.
  get rest() { return this.unmarked.filter((row) => row.isShown && !row.isFixed); }

  revert(rows) {
    for (const row of rows) row.revert();
    this.changed(rows);
  }

  // Describes rows whose mark has changed.
  changed(rows) {
    for (const row of rows) {
      row.isContested &&= row.isTouched;
      row.describe();
    }
    this.count();
    this.keep();
    this.onChange?.();
  }

  count() {
    const counts = new Map();
    for (const row of this.rows) if (!row.isGone) counts.set(row.summary.chosen ?? "", (counts.get(row.summary.chosen ?? "") ?? 0) + 1);
    for (const each of document.querySelectorAll("[data-count]")) each.textContent = String(counts.get(each.dataset.count) ?? 0);
  }

  narrow(words) {
    // data-search has the spellings that search_spellings makes of the name, and the name as it is.
    const wanted = words.toLowerCase().split(/[\s,;]+/).filter(Boolean);
    const folded = (word) => word.normalize("NFKD").replace(/[\p{M}\p{Lm}'`´‘’′]/gu, "");
    for (const row of this.rows) {
      const { search } = row.element.dataset;
      row.element.hidden = !wanted.every((each) => search.includes(each) || search.includes(folded(each)));
    }
    this.onChange?.();
  }

  // Updates the known marks. A row that the user has not changed shows the new one. One that the user has changed is
  // contested if the recorded mark is neither the one that this page sent, nor one that the user has seen, nor theirs.
  update(sheet) {
    this.receivedAt = sheet.receivedAt;
    const rows = [];
    for (const each of sheet.rows) {
      const row = this.byId.get(each.studentId);
      if (!row) continue;
      const { base, known, isTouched } = row;
      row.known = each;
      if (row.isLoose && row.base) row.adopt();
      const isDisputed = each.disputedStatus && each.disputedStatus === row.sent?.status && sameMark(row.mark, row.sent);
      if (!isTouched || isDisputed || !row.isTouched) {
        if (!sameMark(base, row.base) || isDisputed) row.revert();
        row.noteSeen();
        row.isContested = false;
      } else if (each.recorded && each.version !== known.version && ![row.seen, row.sent].some((mark) => sameMark(mark, each.recorded))) {
        row.isContested = true;
      }
      rows.push(row);
    }
    this.changed(rows);
  }

  // Inserts the rows of students who joined. `students` has the rows of all students, in the order of the server.
  add(students, known) {
    let next = null;
    for (const element of students.reverse()) {
      const id = Number(element.dataset.student);
      if (!this.byId.has(id)) {
        this.list.insertBefore(element, next);
        element.classList.add("joined");
        this.byId.set(id, new Row(element, known.get(id), this.page));
      }
      next = this.byId.get(id).element;
    }
    this.rows = [...this.list.children].map((each) => this.byId.get(Number(each.dataset.student)));
  }

  remove(ids) {
    const rows = ids.map((id) => this.byId.get(id)).filter(Boolean);
    for (const row of rows) row.element.classList.add("gone");
    this.changed(rows);
  }

  // Keeps unsaved marks in the session storage of this tab, so that they survive a reload.
  keep() {
    const marks = this.touched.map((row) => [row.id, row.mark, row.seen]);
    if (marks.length) sessionStorage.setItem(this.draftKey, JSON.stringify(marks));
    else sessionStorage.removeItem(this.draftKey);
  }

  // A mark that was recorded since the user changed theirs is contested.
  restore() {
    for (const [id, mark, seen] of JSON.parse(sessionStorage.getItem(this.draftKey) ?? "[]")) {
      const row = this.byId.get(id);
      if (!row) continue;
      row.take(mark);
      row.isContested = row.isTouched && row.base !== null && !sameMark(row.base, seen);
      row.seen = seen;
    }
    this.changed(this.rows);
  }
}
