// The history of a record beside the register. Without this script its link opens the page of the record.

let opened = 0; // how often the panel was opened: an answer that arrives later is not of the present student

export function showHistory(row, link, texts) {
  const dialog = document.getElementById("history");
  const content = document.getElementById("history-content");
  dialog.querySelector(".who").textContent = row.name;
  document.getElementById("history-page").href = link.href;
  content.replaceChildren();
  row.element.querySelector(".extra").hidePopover?.();
  dialog.onclose = () => row.focus({ preventScroll: true });
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); }; // beside the panel
  dialog.showModal();
  const number = ++opened;
  const show = (shown) => { if (number === opened) content.replaceChildren(shown); };
  load(link.href).then(show, () => show(texts.noHistory));
}

async function load(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return document.adoptNode(page.querySelector("ol.history:not(.plain)"));
}
