// Ctrl+Z in a register. Outside of text fields it takes back the newest mark since the last save. In a text field the
// undo of the browser works, but only for what was typed there since the field has the focus: the browser keeps one
// history for the whole page.

const isText = (element) => element.matches?.("textarea, input:not([type=radio], [type=checkbox])") ?? false;

export class Undo {
  constructor(sheet) {
    this.sheet = sheet;
    this.steps = []; // each a list of {row, before, after}
    this.onChange = () => {};
  }

  get newest() { return this.steps.at(-1) ?? null; }

  // `change` changes the marks of `rows`. Returns whether a status has changed.
  record(rows, change) {
    const before = new Map(rows.map((row) => [row, row.mark]));
    change();
    return this.push(rows.map((row) => ({ row, before: before.get(row), after: row.mark })));
  }

  push(changes) {
    const step = changes.filter(({ before, after }) => before.status !== after.status);
    if (step.length) this.steps.push(step);
    this.onChange();
    return step.length > 0;
  }

  forget() {
    this.steps = [];
    this.onChange();
  }

  // Takes back the newest step. A row whose status another user has changed since is left out.
  back() {
    const rows = [];
    for (let step = this.steps.pop(); step && !rows.length; step = rows.length ? null : this.steps.pop()) {
      for (const { row, before, after } of step) {
        if (row.chosen !== after.status || row.isGone || row.isSending) continue;
        const { note } = row.mark;
        row.take({ ...before, note: note === after.note ? before.note : note });
        rows.push(row);
      }
    }
    this.onChange();
    this.sheet.changed(rows);
    return rows;
  }
}

// Calls `back` for Ctrl+Z outside of text fields, and keeps the browser's undo in the field that has the focus.
export function listenForUndo(back) {
  let begun = ""; // the value of the field when it got the focus
  let hasUndone = false;
  document.addEventListener("focusin", ({ target }) => { begun = target.value; hasUndone = false; });
  document.addEventListener("input", ({ inputType }) => { hasUndone = inputType === "historyUndo" || (hasUndone && inputType === "historyRedo"); });
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(key)) return;
    const isUndo = key === "z" && !event.shiftKey;
    if (isText(event.target)) {
      if (isUndo ? event.target.value === begun : !hasUndone) event.preventDefault();
    } else {
      event.preventDefault();
      if (isUndo && !document.querySelector("dialog[open]")) back();
    }
  });
}
