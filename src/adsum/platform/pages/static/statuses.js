// Previews a mark while its status is edited. `attendance/statuses/pages.py` decides its appearance.
function lookOf(form) {
  const counts = form.elements.counts_as?.value;
  if (!counts) return null;
  const says = [...form.querySelectorAll("[name=flags]:checked")].map((box) => box.value);
  if (counts === "attended" && says.includes("late")) return "late";
  if (counts === "absent" && says.includes("authorised")) return "authorised";
  return counts;
}

function show(form) {
  const tile = form.querySelector(".tile");
  const look = lookOf(form);
  if (look) tile.className = `tile ${look}`;
  tile.querySelector("b").textContent = form.elements.letter.value;
  // A label that is not edited is shown in the language of the page.
  const { value, defaultValue } = form.elements.label;
  const label = tile.querySelector("bdi");
  tile.dataset.label ??= label.textContent;
  label.textContent = value === defaultValue ? tile.dataset.label : value;
  const preview = form.querySelector(".preview");
  if (preview) preview.hidden = !form.elements.letter.value && !form.elements.label.value;
}

for (const form of document.querySelectorAll("form[data-preview]")) {
  form.addEventListener("input", () => show(form));
  show(form);
}
