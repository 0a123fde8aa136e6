// Seats are moved by dragging and with buttons. Without this script they are numbered by hand.
const list = document.getElementById("seats");
const seats = document.querySelector("[name=sort_by][value=seats]");
let dragged = null;

for (const each of document.querySelectorAll(".no-script")) each.hidden = true;
document.getElementById("seats-help").hidden = false;
for (const item of list.children) {
  item.draggable = true;
  item.querySelector("input").type = "hidden";
  for (const button of item.querySelectorAll("button")) button.hidden = false;
}
number();

list.addEventListener("click", ({ target }) => {
  const item = target.closest("li");
  if (!target.dataset.step) return;
  if (target.dataset.step === "1") item.nextElementSibling?.after(item);
  else item.previousElementSibling?.before(item);
  moved();
  target.focus();
});
list.addEventListener("dragstart", (event) => {
  dragged = event.target.closest("li");
  dragged.classList.add("dragged");
  event.dataTransfer.effectAllowed = "move";
});
list.addEventListener("dragover", (event) => {
  const over = event.target.closest("li");
  if (!dragged || !over || over === dragged) return;
  event.preventDefault();
  const { top, height } = over.getBoundingClientRect();
  if (event.clientY < top + height / 2) over.before(dragged);
  else over.after(dragged);
});
list.addEventListener("drop", (event) => event.preventDefault());
list.addEventListener("dragend", () => {
  dragged?.classList.remove("dragged");
  dragged = null;
  moved();
});

function moved() {
  seats.checked = true;
  number();
}

function number() {
  const items = [...list.children];
  for (const [i, item] of items.entries()) {
    item.querySelector("input").value = i + 1;
    const [up, down] = item.querySelectorAll("button");
    up.disabled = i === 0;
    down.disabled = i === items.length - 1;
  }
}
