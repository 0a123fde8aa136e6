// The rows of a register: one per student, with the recorded and the selected mark.

// Removes the unsaved marks of this tab: all, or those with these keys.
export function forgetDrafts(isForgotten = () => true) {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("adsum:") && isForgotten(key)) sessionStorage.removeItem(key);
}

class Row {
  constructor(element, recorded) {
    this.element = element;
    this.id = Number(element.dataset.student);
    this.recorded = recorded;
    this.note = element.querySelector(`[name="note-${this.id}"]`);
    this.details = element.querySelector(".note");
    this.stateText = element.querySelector("[data-state-text]");
    this.state = element.dataset.state;
    this.plannedStatus = this.state === "planned" ? this.chosen : null; // of a planned absence
  }

  get name() { return this.element.querySelector(".who bdi").textContent; }
  get radios() { return [...this.element.querySelectorAll("[type=radio]")]; }
  get chosen() { return this.element.querySelector("[type=radio]:checked")?.value ?? null; }
  get isGone() { return this.element.classList.contains("gone"); }
  get isShown() { return !this.element.hidden && !this.isGone; }

  choose(code) { for (const radio of this.radios) radio.checked = radio.value === code; }
  focus(options) { (this.element.querySelector("[type=radio]:checked") ?? this.radios[0])?.focus(options); }
  openNote() { this.details.open = true; this.note.focus(); }

  // Whether the selected mark differs from the recorded one.
  get isChanged() {
    if (this.chosen === null || this.isGone) return false;
    return this.chosen !== this.recorded.status || this.note.value.trim() !== (this.recorded.note ?? "").trim();
  }

  // Whether the user changed the row. The preselected status of a planned absence is no change.
  get isUnsaved() { return this.isChanged && (this.plannedStatus === null || this.chosen !== this.plannedStatus || this.note.value.trim() !== ""); }

  show(state, text) {
    this.state = this.element.dataset.state = state;
    this.stateText.textContent = text;
  }
}

export class Sheet {
  constructor(form, data) {
    this.texts = data.texts;
    this.statuses = data.statuses;
    this.version = form.elements.rosterVersion;
    this.list = document.getElementById("students");
    // Of this user: another one, who signs in in the same tab, does not get the marks.
    const own = `adsum:${form.dataset.user}:`;
    this.draftKey = `${own}${location.pathname}`;
    forgetDrafts((key) => !key.startsWith(own));
    const recorded = new Map(data.sheet.rows.map((each) => [each.studentId, each]));
    this.rows = [...this.list.children].map((each) => new Row(each, recorded.get(Number(each.dataset.student))));
    this.byId = new Map(this.rows.map((row) => [row.id, row]));
  }

  rowOf(element) { return this.byId.get(Number(element.closest?.("[data-student]")?.dataset.student)); }
  firstOpen() { return this.rows.find((row) => row.isShown && row.chosen === null) ?? null; }
  get unsaved() { return this.rows.filter((row) => row.isUnsaved); }
  get changed() { return this.rows.filter((row) => row.isChanged); }

  neighbour(row, step) {
    const shown = this.rows.filter((each) => each.isShown);
    return shown[shown.indexOf(row) + step];
  }

  statusOfKey(key) {
    return this.statuses[Number(key) - 1] ?? this.statuses.find((each) => each.letter.toLowerCase() === key.toLowerCase());
  }

  // Marks all rows without a status as present. Rows with a status, also of a planned absence, keep it.
  markRest() {
    for (const row of this.rows) if (!row.isGone && row.chosen === null) { row.choose("present"); this.describe(row); }
    this.count();
    this.keep();
  }

  touched(row) {
    this.describe(row);
    this.count();
    this.keep();
  }

  describe(row) {
    const { recorded } = row;
    if (row.isUnsaved) row.show("unsaved", this.texts.unsaved);
    else if (row.isChanged) row.show("planned", this.texts.planned);
    else if (recorded.status !== null) row.show("saved", this.stateOf(recorded));
    else if (recorded.failure) row.show("failed", this.texts.failed);
  }

  stateOf(recorded) {
    if (recorded.disputedStatus) return this.texts.disputed;
    return recorded.isOffices ? this.texts.offices : this.texts.saved;
  }

  count() {
    const counts = new Map();
    for (const row of this.rows) if (!row.isGone) counts.set(row.chosen ?? "", (counts.get(row.chosen ?? "") ?? 0) + 1);
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
  }

  // Updates the recorded marks. Returns the rows whose new recorded mark conflicts with an unsaved one.
  update(sheet) {
    const contested = [];
    for (const each of sheet.rows) {
      const row = this.byId.get(each.studentId);
      if (!row) continue;
      const before = row.recorded;
      const wasChanged = row.isChanged && row.chosen !== null;
      row.recorded = each;
      if (before.version === each.version && before.failure === each.failure && row.state !== "saving") continue;
      if (!wasChanged && each.status !== null) this.take(row);
      else if (row.isChanged && each.status !== null && before.version !== each.version && row.state !== "saving") contested.push(row);
      this.describe(row);
    }
    this.count();
    this.keep();
    return contested;
  }

  take(row) {
    row.choose(row.recorded.status);
    row.note.value = row.recorded.note ?? "";
    this.describe(row);
  }

  add(elements, recorded) {
    for (const element of elements) {
      const row = new Row(element, recorded.get(Number(element.dataset.student)));
      const next = this.rows.find((each) => each.name.localeCompare(row.name) > 0);
      this.list.insertBefore(element, next?.element ?? null);
      element.classList.add("joined");
      this.byId.set(row.id, row);
    }
    this.rows = [...this.list.children].map((each) => this.byId.get(Number(each.dataset.student)));
  }

  remove(ids) {
    for (const id of ids) {
      const row = this.byId.get(id);
      row.element.classList.add("gone");
      row.show("gone", this.texts.gone);
    }
  }

  // Keeps unsaved marks in the session storage of this tab, so that they survive a reload.
  keep() {
    const marks = this.unsaved.map((row) => [row.id, row.chosen, row.note.value]);
    if (marks.length) sessionStorage.setItem(this.draftKey, JSON.stringify(marks));
    else sessionStorage.removeItem(this.draftKey);
  }

  restore() {
    for (const [id, status, note] of JSON.parse(sessionStorage.getItem(this.draftKey) ?? "[]")) {
      const row = this.byId.get(id);
      if (!row) continue;
      row.choose(status);
      row.note.value = note;
      this.describe(row);
    }
    this.count();
    this.keep();
  }
}
