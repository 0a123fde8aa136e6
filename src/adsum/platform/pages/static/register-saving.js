// Saves new and changed marks, and follows the batch until every student is recorded.

const PAUSES_MS = [1000, 2000, 4000, 8000];
const MAX_ERRORS = 30;

export class Saving {
  constructor(form, sheet, texts) {
    this.form = form;
    this.sheet = sheet;
    this.texts = texts;
    this.button = document.getElementById("save");
    this.banner = document.getElementById("banner");
    this.progress = document.getElementById("progress");
    this.done = document.getElementById("done");
    this.isBusy = false;
    this.isReceived = false;
    this.pending = null; // the unanswered request, with its idempotency key
    addEventListener("online", () => { if (this.pending) this.send(); });
  }

  get wouldLose() { return !this.isReceived && this.sheet.unsaved.length > 0; }

  async save() {
    if (this.isBusy) return;
    const rows = this.sheet.changed;
    if (!rows.length) { this.announce(this.texts.nothing, "good"); return; }
    const marks = rows.map((row) => ({
      studentId: row.id, status: row.chosen, note: row.note.value.trim() || null,
      ...(row.recorded.status !== null ? { recordId: row.recorded.recordId, version: row.recorded.version } : {}),
    }));
    const body = JSON.stringify({
      rosterVersion: this.sheet.version.value, marks,
      force: this.form.elements.force?.checked ?? false, reason: this.form.elements.reason?.value.trim() || null,
    });
    for (const row of rows) row.show("saving", this.texts.saving);
    this.done.hidden = true;
    this.pending = { body, key: newKey(), rows, tries: 0 };
    await this.send();
  }

  // Every retry sends the same idempotency key, so the server executes the request once.
  async send() {
    const { body, key } = this.pending;
    this.busy(true);
    let answer;
    try {
      answer = await fetch(location.pathname, {
        method: "POST", body,
        headers: { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": key },
      });
      if (answer.status === 503 || answer.status === 502 || answer.status === 504) throw new TypeError("away");
    } catch {
      this.announce(this.texts.offline, "warn");
      const pause = PAUSES_MS[Math.min(this.pending.tries++, PAUSES_MS.length - 1)];
      clearTimeout(this.retrying);
      this.retrying = setTimeout(() => this.pending && this.send(), pause);
      return;
    }
    clearTimeout(this.retrying);
    if (answer.status === 401) { this.askToSignIn(); return; }
    const result = await answer.json();
    const { rows } = this.pending;
    this.pending = null;
    this.busy(false);
    if (answer.ok) this.accepted(result, rows);
    else await this.refused(result, rows);
  }

  accepted(result, rows) {
    this.isReceived = !result.isSkipped;
    for (const row of rows) row.show("unsaved", this.texts.unsaved);
    if (result.isQueued) for (const row of rows) if (row.recorded.status === null) row.show("saving", this.texts.saving);
    const contested = this.sheet.update(result.sheet);
    const refused = rows.filter((row) => result.refused[row.id]);
    if (result.isSkipped) this.announce(this.texts.skipped, "warn");
    else if (result.isQueued) this.announce(this.texts.received, "good");
    if (result.batchId && (result.isQueued || result.isSkipped)) this.follow(result.batchId);
    this.showContested([...new Set([...contested, ...refused])]);
    if (!result.isQueued && !result.isSkipped && !refused.length) this.finish(result.sheet);
  }

  async refused(result, rows) {
    for (const row of rows) this.sheet.describe(row);
    if (result.code === "roster_changed") { await this.reload(result.params); return; }
    const list = el("ul");
    for (const each of result.errors.slice(0, MAX_ERRORS)) list.append(el("li", this.texts.errors[each.code] ?? each.detail));
    if (result.errors.length > MAX_ERRORS) list.append(el("li", this.texts.cut.replace("{shown}", MAX_ERRORS).replace("{count}", result.errors.length)));
    this.announce(this.texts.refused, "bad", list);
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
      if (this.source.readyState === EventSource.CLOSED) setTimeout(() => this.follow(batchId), 2000);
    });
  }

  async ended() {
    this.source.close();
    const sheet = await this.refresh();
    if (!sheet) { setTimeout(() => this.ended(), 2000); return; }
    this.progress.hidden = true;
    this.finish(sheet);
  }

  // Loads the current sheet; null while the server does not answer.
  async refresh() {
    let sheet;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "application/json" } });
      // The sign-in has ended: the names leave the screen. Unsaved marks stay until the user signs in again or out.
      if (answer.status === 401 && !this.pending && !this.sheet.unsaved.length) location.reload();
      if (!answer.ok) return null;
      sheet = await answer.json();
    } catch { return null; }
    for (const row of this.sheet.rows) if (row.state === "saving" && !this.pending) row.show("unsaved", this.texts.unsaved);
    this.showContested(this.sheet.update(sheet));
    if (sheet.newestRun?.state === "processing" && this.source?.readyState !== EventSource.OPEN) this.follow(sheet.newestRun.batchId);
    return sheet;
  }

  finish(sheet) {
    const failed = this.sheet.rows.filter((row) => row.recorded.failure);
    this.isReceived = false;
    this.done.replaceChildren();
    this.done.append(el("h2", failed.length ? this.texts.some_failed : this.texts.all_saved));
    for (const code of sheet.warnings) {
      const warning = el("div");
      warning.className = "notice warn";
      warning.append(el("p", this.texts.warnings[code]));
      this.done.append(warning);
    }
    this.list(this.texts.absent, this.sheet.rows.filter((row) => ["absent", "authorised"].includes(this.look(row))), this.texts.nobody_absent);
    this.list(this.texts.still_open, this.sheet.rows.filter((row) => !row.isGone && row.recorded.status === null && !row.recorded.failure));
    this.list(this.texts.failed, failed);
    const tools = el("p");
    tools.className = "row";
    if (failed.length && sheet.newestRun) tools.append(this.retryButton(sheet.newestRun.batchId));
    const back = el("a", this.texts.back);
    back.href = "/today";
    back.className = "button";
    tools.append(back);
    this.done.append(tools);
    this.done.hidden = false;
    if (!this.sheet.unsaved.length) { this.announce(null); this.done.focus({ preventScroll: true }); this.done.scrollIntoView({ block: "nearest" }); }
  }

  retryButton(batchId) {
    const retry = el("button", this.texts.retry);
    retry.type = "button";
    retry.className = "primary";
    retry.addEventListener("click", async () => {
      retry.disabled = true;
      const answer = await fetch(`/attendances/batches/${batchId}/retry`, { method: "POST" });
      if (answer.ok) { this.done.hidden = true; this.follow(batchId); } else retry.disabled = false;
    });
    return retry;
  }

  look(row) { return this.sheet.statuses.find((each) => each.code === row.recorded.status)?.look; }

  list(title, rows, otherwise) {
    if (!rows.length) { if (otherwise) this.done.append(el("p", otherwise)); return; }
    const names = el("ul");
    for (const row of rows) { const item = el("li"); item.append(el("bdi", row.name)); names.append(item); }
    this.done.append(el("h3", `${title} ${rows.length}`), names);
  }

  // Another user saved a different mark meanwhile. The row keeps both until the user chooses one.
  showContested(rows) {
    for (const row of rows) {
      const theirs = this.sheet.statuses.find((each) => each.code === row.recorded.status);
      row.show("unsaved", `${this.texts.meanwhile} ${theirs?.label ?? row.recorded.status} `);
      const take = el("button", this.texts.theirs), keep = el("button", this.texts.mine);
      for (const button of [take, keep]) { button.type = "button"; button.className = "link"; row.stateText.append(button); }
      take.addEventListener("click", () => { this.sheet.take(row); this.sheet.touched(row); });
      keep.addEventListener("click", () => row.show("unsaved", this.texts.unsaved));
    }
  }

  // Adds rows without a mark for students who joined, and disables the rows of students who left.
  async reload({ joined, left }) {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const data = JSON.parse(page.getElementById("register-data").textContent).sheet;
    this.sheet.version.value = data.rosterVersion;
    this.sheet.add(joined.map((id) => page.querySelector(`[data-student="${id}"]`)).filter(Boolean), new Map(data.rows.map((each) => [each.studentId, each])));
    this.sheet.remove(left.filter((id) => this.sheet.byId.has(id)));
    this.sheet.count();
    const list = el("ul");
    for (const [text, ids] of [[this.texts.joined, joined], [this.texts.left, left]]) {
      const names = ids.map((id) => this.sheet.byId.get(id)?.name).filter(Boolean);
      if (names.length) list.append(el("li", `${text} ${names.join("; ")}`));
    }
    this.announce(this.texts.changed_roster, "warn", list);
  }

  askToSignIn() {
    const dialog = document.getElementById("sign-in-again");
    const problem = document.getElementById("sign-in-problem");
    const code = document.getElementById("again-code");
    const passkey = document.getElementById("again-passkey");
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      const body = new URLSearchParams({ email: document.getElementById("again-email").value, password: document.getElementById("again-password").value, code: code.value });
      const answer = await fetch("/sign-in", { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
      problem.hidden = answer?.ok ?? false;
      code.value = "";
      if (answer?.ok) { dialog.close(); this.send(); return; }
      const refusal = await answer?.json().catch(() => null);
      problem.textContent = this.texts.sign_in[refusal?.code] ?? this.texts.sign_in.otherwise;
      if (refusal?.code !== "second_factor_needed") return;
      document.getElementById("again-factor").hidden = false;
      passkey.hidden = !refusal.params.kinds.includes("passkey");
      code.focus();
    };
    // Back from the sign-in page in the new tab: the marks are still here.
    passkey.onclick = () => addEventListener("focus", () => { if (dialog.open) { dialog.close(); this.send(); } }, { once: true });
    document.getElementById("later").onclick = () => {
      dialog.close();
      for (const row of this.pending.rows) row.show("unsaved", this.texts.unsaved);
      this.pending = null;
      this.busy(false);
    };
    if (!dialog.open) dialog.showModal();
  }

  busy(isBusy) { this.isBusy = isBusy; this.button.disabled = isBusy; }

  announce(text, kind, more) {
    this.banner.replaceChildren();
    if (!text) return;
    const notice = el("div");
    notice.className = `notice ${kind}`;
    notice.append(el("p", text));
    if (more) notice.append(more);
    this.banner.append(notice);
  }
}

function el(name, text) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  return element;
}

// Not randomUUID, which exists only over HTTPS and on loopback.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}
