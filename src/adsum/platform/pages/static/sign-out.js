// Signing out removes the marks that are not saved: the tabs of this browser are asked for theirs, then the user.
const ANSWERS_MS = 150;
const dialog = document.getElementById("sign-out");
const { user } = dialog.dataset;
const channel = new BroadcastChannel("adsum-drafts");

// The number of unsaved marks of this user in this tab.
function drafts() {
  return Object.keys(sessionStorage)
    .filter((key) => key.startsWith(`adsum:${user}:`))
    .reduce((count, key) => count + JSON.parse(sessionStorage.getItem(key)).length, 0);
}

channel.addEventListener("message", ({ data }) => {
  if (data.asks === user) channel.postMessage({ of: user, count: drafts() });
});

async function draftsOfAllTabs() {
  let count = drafts();
  const add = ({ data }) => { if (data.of === user) count += data.count; };
  channel.addEventListener("message", add);
  channel.postMessage({ asks: user });
  await new Promise((resolve) => setTimeout(resolve, ANSWERS_MS));
  channel.removeEventListener("message", add);
  return count;
}

for (const form of document.querySelectorAll("form[action='/sign-out']")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { submitter } = event;
    const count = await draftsOfAllTabs();
    const leave = () => {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith("adsum:")) sessionStorage.removeItem(key);
      dispatchEvent(new Event("adsum-discarded"));
      if (submitter?.name) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: submitter.name, value: submitter.value }));
      form.submit(); // without another submit event
    };
    if (!count) { leave(); return; }
    document.getElementById("sign-out-count").textContent = dialog.dataset.text.replace("{count}", count);
    dialog.onclose = () => { if (dialog.returnValue === "leave") leave(); };
    dialog.returnValue = "";
    dialog.showModal();
  });
}
