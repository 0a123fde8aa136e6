// One student of a register: the mark on the page, the mark that the server knows, and the state that follows.

const FIELDS = ["status", "note", "arrivedAt", "leftAt"];
export const sameMark = (one, other) => FIELDS.every((field) => (one?.[field] ?? null) === (other?.[field] ?? null));

export class Row {
  constructor(element, known, page) {
    this.element = element;
    this.id = Number(element.dataset.student);
    this.page = page; // statuses, texts, and the present time at the school
    this.note = element.querySelector(`[name="note-${this.id}"]`);
    this.times = { arrivedAt: element.querySelector(`[name="arrived-${this.id}"]`), leftAt: element.querySelector(`[name="left-${this.id}"]`) };
    this.radios = [...element.querySelectorAll("[type=radio]")];
    this.segments = element.querySelector(".segments");
    this.stateText = element.querySelector("[data-state-text]");
    this.more = element.querySelector(".more");
    this.known = known;
    this.sent = null; // the mark that this page sent last
    this.isSending = false;
    this.isContested = false;
    this.fault = null; // of the mark that was refused: its text, and the mark
    this.described = this.mark; // the mark that the page has described last
    this.planned = this.base ? null : this.chosen; // of a planned absence
    this.noteSeen();
    this.summarise();
  }

  get name() { return this.element.querySelector(".who bdi").textContent; }
  get chosen() { return this.radios.find((each) => each.checked)?.value ?? null; }
  get status() { return this.page.statuses.find((each) => each.code === this.chosen); }
  get isGone() { return this.element.classList.contains("gone"); }
  get isShown() { return !this.element.hidden && !this.isGone; }
  get isFixed() { return this.segments.disabled; }

  get hasTime() { return Object.values(this.times).some((each) => each.value); }

  get mark() {
    return { status: this.chosen, note: this.note.value.trim() || null, arrivedAt: this.times.arrivedAt.value || null, leftAt: this.times.leftAt.value || null };
  }

  // The mark that the server knows: the received one, which may have failed, else the recorded one; null: none.
  get base() { return this.known.requested ?? this.known.recorded ?? null; }
  // Whether there is a note or a time, and no status. Such a mark is kept, but not sent.
  get isLoose() { return this.chosen === null && !this.isGone && (this.mark.note !== null || this.hasTime); }
  get isTouched() {
    if (this.isGone) return false;
    if (this.chosen === null) return this.isLoose;
    if (this.base) return !sameMark(this.mark, this.base);
    return this.planned === null || !sameMark(this.mark, { status: this.planned });
  }

  // Whether the mark of the office stays, and the one that this page sent is recorded as disputed.
  get isKept() { return Boolean(this.sent && this.known.isOffices && this.known.disputedStatus === this.sent.status && !this.isTouched); }

  // Whether saving sends the mark. A contested one waits for the decision of the user.
  get isToSend() {
    if (this.chosen === null || this.isGone || this.isFixed || this.isContested) return false;
    return this.isTouched || !this.base || Boolean(this.known.failure);
  }

  focus(options) { (this.radios.find((each) => each.checked) ?? this.radios[0])?.focus(options); }

  openNote() {
    if (this.more.offsetParent) this.element.querySelector(".extra").showPopover();
    this.note.focus();
  }

  // Times belong to a status: another status begins with the times of the known mark, or with the present time.
  choose(code) {
    for (const radio of this.radios) radio.checked = radio.value === code;
    this.chosenNow();
  }

  chosenNow() {
    const { status, base } = this;
    const known = base && base.status === this.chosen ? base : null;
    for (const [field, input] of Object.entries(this.times)) input.value = known?.[field] ?? "";
    if (!known && status?.prefills) this.times[status.prefills].value = this.page.now();
  }

  // The known mark that the user has seen: a row that they have changed does not show a newer one.
  noteSeen() { this.seen = this.base; }

  // Returns to the mark that the server knows, or to that of a planned absence, or to none.
  revert() {
    this.take(this.base ?? { status: this.planned });
    this.noteSeen();
  }

  refuse(text) { this.fault = { text, mark: this.mark }; }

  // A mark arrives for a row that has only a note or times: they become changes of that mark.
  adopt() {
    const { note, arrivedAt, leftAt } = this.mark;
    const { base } = this;
    this.take({ status: base.status, note: note ?? base.note, arrivedAt: arrivedAt ?? base.arrivedAt, leftAt: leftAt ?? base.leftAt });
  }

  take(mark) {
    for (const radio of this.radios) radio.checked = radio.value === mark.status;
    this.note.value = mark.note ?? "";
    for (const [field, input] of Object.entries(this.times)) input.value = mark[field] ?? "";
  }

  // What the page counts of every row after each key, so that a class of a thousand stays fluid.
  summarise() { this.summary = { chosen: this.chosen, isTouched: this.isTouched, isToSend: this.isToSend }; }

  describe() {
    const { texts } = this.page;
    this.summarise();
    this.described = this.mark;
    if (this.fault && !sameMark(this.fault.mark, this.described)) this.fault = null;
    const [state, text] = this.stateAndText(texts);
    this.element.dataset.state = state;
    if (this.stateText.textContent !== text) this.stateText.textContent = text;
    this.element.classList.toggle("contested", this.isContested);
    this.showDetails();
  }

  stateAndText(texts) {
    const { known } = this;
    if (this.isGone) return ["gone", texts.gone];
    if (this.isContested) return ["unsaved", texts.contested];
    if (this.isSending) return ["sending", texts.sending];
    if (this.fault) return ["failed", this.fault.text];
    if (this.isLoose) return ["unsaved", texts.needsMark];
    if (this.isTouched) return ["unsaved", texts.unsaved];
    if (known.failure) return ["failed", texts.failed];
    if (known.requested) return ["received", texts.rowReceived.replace("{time}", this.page.receivedAt())];
    if (known.recorded) return ["saved", known.disputedStatus ? texts.disputed : known.isOffices ? texts.offices : texts.saved];
    return this.chosen === null ? ["open", ""] : ["planned", texts.planned];
  }

  showDetails() {
    const { status } = this;
    this.element.classList.toggle("timeless", status ? !status.hasTimes : false);
    for (const [field, input] of Object.entries(this.times)) {
      input.parentElement.toggleAttribute("data-shown", input.value !== "" || status?.prefills === field);
      input.parentElement.toggleAttribute("data-empty", input.value === "");
    }
    this.more.classList.toggle("noted", this.note.value.trim() !== "");
    this.more.firstElementChild.textContent = this.page.clock(this.times.arrivedAt.value || this.times.leftAt.value);
    this.showHistory();
  }

  showHistory() {
    if (!this.known.recordId || this.element.querySelector(".history")) return;
    const link = document.createElement("a");
    link.className = "history";
    link.href = `/record/${this.known.recordId}`;
    const name = document.createElement("span");
    name.className = "unseen";
    name.textContent = ` ${this.name}`;
    link.append(this.page.texts.history, name);
    this.element.querySelector(".close").before(link);
  }
}
