// The dialog that renews an expired sign-in. Every way to close it answers: true once the user is signed in again.

export function askToSignIn(texts) {
  const dialog = document.getElementById("sign-in-again");
  const problem = document.getElementById("sign-in-problem");
  const code = document.getElementById("again-code");
  const passkey = document.getElementById("again-passkey");
  const field = (id) => document.getElementById(id).value;
  return new Promise((resolve) => {
    const finish = (isSignedIn) => { dialog.onclose = null; dialog.close(); resolve(isSignedIn); };
    dialog.onclose = () => resolve(false); // by Escape
    document.getElementById("later").onclick = () => finish(false);
    // Back from the sign-in page in the new tab: the marks are still here.
    passkey.onclick = () => addEventListener("focus", () => { if (dialog.open) finish(true); }, { once: true });
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      const body = new URLSearchParams({ email: field("again-email"), password: field("again-password"), code: code.value });
      const answer = await fetch("/sign-in", { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
      problem.hidden = answer?.ok ?? false;
      code.value = "";
      if (answer?.ok) { if (dialog.open) finish(true); return; }
      const refusal = await answer?.json().catch(() => null);
      problem.textContent = texts[refusal?.code] ?? texts.otherwise;
      if (refusal?.code !== "second_factor_needed") return;
      document.getElementById("again-factor").hidden = false;
      passkey.hidden = !refusal.params.kinds.includes("passkey");
      code.focus();
    };
    if (!dialog.open) dialog.showModal();
  });
}
