// The list of unexplained absences: chooses all of them, counts those that are chosen, and shows the form for them. The
// list is replaced after an explanation, so events are handled on the document.
const boxes = () => [...document.querySelectorAll("input[name=absence][form=explain-several]")];

function show() {
  const form = document.getElementById("explain-several");
  if (!form) return;
  const all = boxes();
  const number = all.filter((box) => box.checked).length;
  const every = document.querySelector("[data-choose-all]");
  every.closest("label").hidden = false;
  every.checked = number > 0 && number === all.length;
  every.indeterminate = number > 0 && number < all.length;
  form.hidden = number === 0;
  form.querySelector("[data-chosen]").textContent = number ? `(${number.toLocaleString(document.documentElement.lang)})` : "";
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-choose-all]")) for (const box of boxes()) box.checked = event.target.checked;
  show();
});
document.addEventListener("htmx:after:settle", show);
window.addEventListener("pageshow", show);
show();
