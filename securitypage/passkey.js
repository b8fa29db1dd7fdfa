// Passkeys: it hands the browser what it is asked for, and sends its answer as a field of the form.
"use strict";
{
const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const toText = (buffer) => buffer
  ? btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
  : undefined;

// No browser can do without these two: older ones lack the JSON forms, and some password managers get them wrong.
const read = (o) => {
  o.challenge = toBytes(o.challenge);
  if (o.user) o.user.id = toBytes(o.user.id);
  for (const c of [...(o.allowCredentials ?? []), ...(o.excludeCredentials ?? [])]) c.id = toBytes(c.id);
  return o;
};
const write = (c) => {
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) response[part] = toText(c.response[part]);
  if (response.attestationObject) response.transports = c.response.getTransports?.();
  return JSON.stringify({
    id: toText(c.rawId), rawId: toText(c.rawId), type: c.type, response,
    authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: c.getClientExtensionResults(),
  });
};

const P = window.PublicKeyCredential;
let running; // one at a time
const ask = async (publicKey, more) => {
  running?.abort();
  running = new AbortController();
  const options = { publicKey: read(publicKey), signal: running.signal, ...more };
  return write(await (publicKey.user ? navigator.credentials.create(options) : navigator.credentials.get(options)));
};

// The form has the options, or, where it is the host's own, the address that has them.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  const at = form.dataset.passkey;
  const own = at.startsWith("/");
  const answer = form.querySelector("[data-answer]");
  const said = form.querySelector("[data-said]");
  let words = {};
  let asking = false;
  const load = async () => {
    const data = own ? await (await fetch(at, { method: "POST" })).json() : JSON.parse(at);
    ({ words } = data);
    return data.publicKey;
  };
  const send = (text) => {
    answer.value = text;
    form.submit();
  };
  const say = (text = "") => {
    said.textContent = "";
    requestAnimationFrame(() => { said.textContent = text; });
  };
  const autofill = async () => {
    if (asking || document.hidden || !(await P.isConditionalMediationAvailable?.())) return;
    try {
      const options = await load();
      if (!asking) send(await ask(options, { mediation: "conditional" }));
    } catch { /* nobody has asked for it */ }
  };
  if (own && P) {
    for (const el of form.querySelectorAll("[hidden]")) el.hidden = false;
    autofill();
    setInterval(autofill, 240000); // options are valid for 5 minutes
    document.addEventListener("visibilitychange", autofill);
  } else if (!P) {
    if (!own) load().then(() => say(words.none));
    continue;
  }
  addEventListener("pageshow", (event) => { if (event.persisted) asking = false; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    asking = true;
    say();
    try {
      send(await ask(await load()));
    } catch (error) {
      say(words[error.name] ?? words.other ?? error.message);
      asking = false;
      if (own) autofill();
    }
  });
}

// What a password manager should know: which passkeys there still are.
for (const el of document.querySelectorAll("[data-signal]")) {
  const signal = JSON.parse(el.dataset.signal);
  const names = signal.credentialId ? ["signalUnknownCredential"] : ["signalAllAcceptedCredentials"];
  if (signal.name) names.push("signalCurrentUserDetails");
  for (const name of names) P?.[name]?.(signal)?.catch(() => {});
}
}
