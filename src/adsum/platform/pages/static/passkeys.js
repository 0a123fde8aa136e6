// Forms that make a passkey or let one answer. Without scripts, or in browsers without passkeys, they stay hidden, and
// the note beside them says why. The answer goes into the field that `data-field` names, and the form is sent.
const supported = typeof PublicKeyCredential === "function" && navigator.credentials !== undefined;

function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function textOf(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function described(credentials) {
  return (credentials ?? []).map((each) => ({ ...each, id: bytesOf(each.id) }));
}

async function ask(kind, options) {
  const publicKey = { ...options, challenge: bytesOf(options.challenge) };
  if (kind === "create") {
    publicKey.user = { ...options.user, id: bytesOf(options.user.id) };
    publicKey.excludeCredentials = described(options.excludeCredentials);
    return navigator.credentials.create({ publicKey });
  }
  publicKey.allowCredentials = described(options.allowCredentials);
  return navigator.credentials.get({ publicKey });
}

function answerOf(credential) {
  const from = credential.response;
  const response = { clientDataJSON: textOf(from.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (from[name]) response[name] = textOf(from[name]);
  }
  if (from.getTransports) response.transports = from.getTransports();
  const { id, type } = credential;
  return JSON.stringify({ id, rawId: textOf(credential.rawId), type, response, clientExtensionResults: {} });
}

async function send(form) {
  const failed = form.querySelector("[data-failed]");
  const button = form.querySelector("button");
  failed.hidden = true;
  button.disabled = true;
  try {
    const headers = { Accept: "application/json" };
    const answer = await fetch(form.dataset.options, { method: "POST", headers });
    if (answer.ok) {
      const credential = await ask(form.dataset.passkey, await answer.json());
      form.elements.namedItem(form.dataset.field).value = answerOf(credential);
    } else if (answer.status !== 401 && answer.status !== 403) {
      throw new Error(`status ${answer.status}`);
    }
    form.submit(); // where the visitor has to sign in or to confirm first, the answer leads there
  } catch {
    failed.hidden = false;
    button.disabled = false;
  }
}

if (supported) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
  for (const note of document.querySelectorAll("[data-without-passkeys]")) note.hidden = true;
}
