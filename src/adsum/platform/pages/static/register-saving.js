// Sends new and changed marks, and follows the batch until every student is recorded.
import { el } from "./register-notices.js";
import { askToSignIn } from "./register-sign-in.js";

const PAUSES_MS = [1000, 2000, 4000, 8000];
const AWAY = [502, 503, 504];

// After an outage not all pages come back at once.
const spread = (pause) => pause * (0.5 + Math.random());

export class Saving {
  constructor(form, sheet, notices) {
    this.form = form;
    this.sheet = sheet;
    this.texts = sheet.texts;
    this.notices = notices;
    this.progress = document.getElementById("progress");
    this.pending = null; // the unanswered request, with its idempotency key
    this.openRun = null; // "own" or "other" while a run of this register is being processed
    this.isWanted = false; // marks are saved once the request or the run has ended
    this.hasSaved = false;
    addEventListener("online", () => { if (this.pending?.tries) this.send(); });
  }

  get wouldLose() { return this.sheet.touched.length > 0; }

  // The server refuses what was entered by another user than the one who is signed in.
  get author() { return { "X-Page-Visitor": String(this.sheet.userId) }; }

  async save() {
    if (this.pending || this.openRun) { this.isWanted = true; this.tell(); return; }
    const rows = this.sheet.toSend;
    const { loose } = this.sheet;
    if (!rows.length) {
      this.notices.clear();
      if (loose.length) this.showLoose(loose);
      else this.notices.say(this.texts.nothing);
      return;
    }
    const marks = rows.map((row) => ({
      studentId: row.id, ...row.mark, ...(row.known.recordId ? { recordId: row.known.recordId, version: row.known.version } : {}),
    }));
    const body = JSON.stringify({
      rosterVersion: this.sheet.version.value, marks,
      force: this.form.elements.force?.checked ?? false, reason: this.form.elements.reason?.value.trim() || null,
    });
    for (const row of rows) { row.isSending = true; row.sent = row.mark; row.fault = null; }
    this.notices.clear();
    this.notices.hideDone();
    if (loose.length) this.showLoose(loose);
    this.pending = { body, key: newKey(), rows, tries: 0, isWaiting: false };
    this.sheet.changed(rows);
    await this.send();
  }

  // Every retry sends the same idempotency key, so the server executes the request once.
  async send() {
    const { pending } = this;
    clearTimeout(this.retrying);
    pending.isWaiting = false;
    let answer;
    try {
      answer = await fetch(location.pathname, {
        method: "POST", body: pending.body,
        headers: { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": pending.key, ...this.author },
      });
      if (AWAY.includes(answer.status)) throw new TypeError("away");
    } catch {
      pending.isWaiting = true;
      this.tell();
      this.retrying = setTimeout(() => this.pending && this.send(), spread(PAUSES_MS[Math.min(pending.tries++, PAUSES_MS.length - 1)]));
      return;
    }
    if (answer.status === 401) {
      if (await askToSignIn(this.texts.signIn)) await this.send();
      else { this.settle(); this.notices.say(this.texts.later, "warn"); }
      return;
    }
    const result = await answer.json().catch(() => null);
    this.settle();
    if (!result) this.notices.say(this.texts.later, "warn"); // of a proxy
    else if (answer.ok) this.accepted(result, pending.rows);
    else await this.refused(result, pending.rows);
  }

  settle() {
    const { rows } = this.pending;
    this.pending = null;
    for (const row of rows) row.isSending = false;
    this.sheet.changed(rows);
  }

  accepted(result, rows) {
    this.hasSaved = true;
    if (result.isSkipped) this.isWanted = true;
    this.update(result.sheet, result.isSkipped ? "other" : "own");
    const wrong = Object.entries(result.refused).filter(([, each]) => each.code !== "stale_version");
    if (wrong.length) this.showRefused(wrong.map(([id, each]) => this.refusedRow(this.sheet.byId.get(Number(id)), each)));
    if (!this.openRun) this.finish(result.sheet);
  }

  // The pointer of an error counts the marks of students without a record.
  async refused(result, rows) {
    if (result.code === "other_visitor") { this.showOtherVisitor(); return; }
    if (result.code === "roster_changed") { await this.reload(result.params); return; }
    const first = rows.filter((row) => !row.known.recordId);
    this.showRefused((result.errors ?? []).map((each) => {
      const row = first[/^\/marks\/(\d+)/.exec(each.pointer)?.[1]];
      return row ? this.refusedRow(row, each) : this.texts.errors[each.code] ?? each.detail;
    }));
  }

  // The row of a refused mark says what is wrong until the mark is changed, and the message at the top leads to it.
  refusedRow(row, { code, detail }) {
    const { arrivedAt, leftAt } = row.mark;
    const text = code === "times_reversed" && arrivedAt && leftAt
      ? this.texts.timesReversed.replace("{left}", this.sheet.page.clock(leftAt)).replace("{arrived}", this.sheet.page.clock(arrivedAt))
      : this.texts.errors[code] ?? detail;
    row.refuse(text);
    this.sheet.changed([row]);
    return this.notices.named(row, text, () => row.fault !== null);
  }

  // Notes and times of students without a mark stay on the page, and are not sent.
  showLoose(rows) {
    this.notices.show("warn", this.texts.looseNotes, rows.map((row) => this.notices.named(row, "", () => row.isLoose)));
    this.notices.toTop();
  }

  // Another user has signed in, here or in another tab. The marks stay until their author signs in again or gives them up.
  showOtherVisitor() {
    const { texts, sheet, notices } = this;
    const signIn = el("button", texts.signInAs.replace("{name}", sheet.visitor), "compact primary");
    const discard = el("button", texts.discard, "compact");
    for (const button of [signIn, discard]) button.type = "button";
    signIn.addEventListener("click", async () => { if (await askToSignIn(texts.signIn)) this.save(); });
    discard.addEventListener("click", () => { sheet.revert(sheet.touched); location.reload(); });
    const notice = notices.show("bad", texts.otherVisitor, [], [signIn, discard]);
    notice.firstElementChild.after(el("p", texts.whoseMarks.replace("{name}", sheet.visitor)));
    notices.toTop();
  }

  showRefused(items) {
    this.notices.show("bad", this.texts.refused, items);
    this.notices.toTop();
  }

  // Shows what the server has, and follows the run that is being processed, if there is one.
  update(sheet, whose) {
    const isOpen = sheet.newestRun?.state === "processing";
    this.openRun = isOpen ? this.openRun ?? whose : null;
    this.sheet.update(sheet);
    this.showContested();
    if (isOpen && this.source?.readyState !== EventSource.OPEN) this.follow(sheet.newestRun.batchId);
  }

  showContested() {
    this.notices.showContested((row) => { row.noteSeen(); row.isContested = false; this.sheet.changed([row]); this.notices.showContested(); });
  }

  // Follows the events of the batch. If the stream ends before the batch, it connects again.
  follow(batchId) {
    this.source?.close();
    this.progress.hidden = false;
    this.source = new EventSource(`/attendances/batches/${batchId}/events`);
    this.source.addEventListener("status", (event) => {
      const status = JSON.parse(event.data);
      this.progress.max = status.totalJobs;
      this.progress.value = status.totalJobs - status.remainingJobs;
      if (status.state !== "processing") this.ended();
    });
    this.source.addEventListener("error", () => {
      if (this.source.readyState === EventSource.CLOSED) setTimeout(() => this.follow(batchId), spread(2000));
    });
  }

  async ended() {
    this.source.close();
    if (!(await this.refresh())) setTimeout(() => this.ended(), spread(2000));
  }

  // Loads the current sheet; null while the server does not answer. It may show that a run has ended whose events did
  // not arrive.
  async refresh() {
    if (this.pending) return null;
    let sheet;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "application/json" } });
      // The sign-in has ended: the names leave the screen. Unsaved marks stay until the user signs in again or out.
      if (answer.status === 401 && !this.pending && !this.wouldLose) location.reload();
      if (!answer.ok) return null;
      sheet = await answer.json();
    } catch { return null; }
    if (this.pending) return null;
    if (sheet.userId !== this.sheet.userId) { // another user has signed in
      if (!this.wouldLose) location.reload();
      return null;
    }
    const wasOpen = this.openRun;
    this.update(sheet, "other");
    if (wasOpen && !this.openRun) {
      this.source?.close();
      this.finish(sheet);
    }
    return sheet;
  }

  finish(sheet) {
    this.progress.hidden = true;
    const hasFailed = this.notices.showFailed(sheet.newestRun && this.retryButton(sheet.newestRun.batchId));
    if (hasFailed) { this.notices.banner.focus({ preventScroll: true }); this.notices.toTop(); }
    else if (this.hasSaved && !this.wouldLose && !this.notices.banner.childElementCount) this.notices.showDone(sheet.warnings);
    if (this.isWanted) {
      this.isWanted = false;
      if (this.sheet.toSend.length && !hasFailed) this.save();
    }
  }

  retryButton(batchId) {
    const retry = el("button", this.texts.retry, "compact");
    retry.type = "button";
    retry.addEventListener("click", async () => {
      retry.disabled = true;
      const answer = await fetch(`/attendances/batches/${batchId}/retry`, { method: "POST", headers: this.author }).catch(() => null);
      retry.disabled = false;
      if (!answer?.ok) return;
      this.hasSaved = true;
      this.openRun = "own";
      this.notices.clear();
      await this.refresh();
    });
    return retry;
  }

  // The line beside the buttons: what happens to the marks, and what is left to do.
  tell() {
    const { texts, sheet, notices } = this;
    const unsaved = sheet.toSend.length;
    const badge = document.getElementById("unsaved");
    if (badge) badge.textContent = unsaved || "";
    const counted = (text, count) => text.replace("{count}", count);
    if (this.pending) notices.say(this.pending.isWaiting ? texts.offline : texts.sending, this.pending.isWaiting ? "warn" : "");
    else if (this.openRun === "other" && this.isWanted) notices.say(texts.skipped, "warn");
    else if (this.openRun && this.wouldLose) notices.say(this.isWanted ? texts.afterwards : counted(texts.someUnsaved, sheet.touched.length), "warn");
    else if (this.openRun) notices.say(texts.received.replace("{time}", sheet.receivedAt), "good");
    else if (sheet.failed.length) notices.say(counted(texts.notSaved, sheet.failed.length), "bad");
    else if (this.wouldLose) notices.say(counted(texts.someUnsaved, sheet.touched.length), "warn");
    else if (sheet.unmarked.length) notices.say("");
    else if (unsaved) notices.say(counted(texts.someUnsaved, unsaved), "warn");
    else if (sheet.kept.length) notices.say(counted(texts.kept, sheet.kept.length), "warn");
    else notices.say(texts.all, "good");
  }

  // Adds rows without a mark for students who joined, and disables the rows of students who left.
  async reload({ joined, left }) {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const data = JSON.parse(page.getElementById("register-data").textContent).sheet;
    this.sheet.version.value = data.rosterVersion;
    this.sheet.add([...page.querySelectorAll("[data-student]")], new Map(data.rows.map((each) => [each.studentId, each])));
    this.sheet.remove(left);
    const items = [];
    for (const [text, ids] of [[this.texts.joined, joined], [this.texts.left, left]]) {
      const names = ids.map((id) => this.sheet.byId.get(id)?.name).filter(Boolean);
      if (names.length) items.push(`${text} ${names.join("; ")}`);
    }
    this.notices.show("warn", this.texts.changedRoster, items);
    this.notices.toTop();
  }
}

// Not randomUUID, which exists only over HTTPS and on loopback.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}
