// Corrects a record on the page of a student: shows the form of the page of the record in a dialog. The form leads back
// here. Without an answer the link opens the page of the record.
const dialog = document.getElementById("correcting");

async function correct(link) {
  // Refused if another user has signed in: the form would be theirs.
  const headers = { Accept: "text/html", "X-Page-Visitor": document.body.dataset.visitor };
  const answer = await fetch(link.href, { headers });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const form = page.getElementById("correction");
  if (!answer.ok || !form) throw new Error("there is no form");
  form.querySelector("h2").remove();
  form.removeAttribute("aria-labelledby");
  form.removeAttribute("class");
  dialog.querySelector(".whose").textContent = link.querySelector(".unseen").textContent.replace(/^: /, "");
  dialog.querySelector(".content").replaceChildren(form);
  dialog.querySelector(".page").href = link.href;
  dialog.showModal();
  form.querySelector("select").focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-correct]");
  if (!dialog || !link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  correct(link).catch(() => location.assign(link.href));
});
