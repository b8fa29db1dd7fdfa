// What the page does without this script, it does with it. This adds buttons to copy, download and print, drops
// what is secret from a page that is left, and shows times in the reader's time zone.
"use strict";

const text = (id) => document.getElementById(id).textContent.trim();

for (const el of document.querySelectorAll("[data-js]")) el.hidden = false;

// Over plain HTTP there is no clipboard to write to: then the text is selected and copied as by hand.
const copy = async (id, value) => {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    const el = document.getElementById(id);
    const was = el.hidden;
    el.hidden = false;
    getSelection().selectAllChildren(el);
    const put = (event) => {
      event.clipboardData.setData("text/plain", value);
      event.preventDefault();
    };
    document.addEventListener("copy", put);
    const done = document.execCommand("copy");
    document.removeEventListener("copy", put);
    if (done) getSelection().removeAllRanges();
    el.hidden = was && done;
    return done;
  }
};

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const id = button.dataset.copy;
    // A key is shown in groups, and is one word for an app.
    const done = await copy(id, text(id) + (id === "codes" ? "\n" : ""));
    const word = button.closest(".copy, .btns, form, section")?.querySelector("[data-copied]");
    if (!word) return; // a host's own template may have none
    word.textContent = "";
    requestAnimationFrame(() => {
      word.textContent = done ? word.dataset.copied : word.dataset.not;
      word.classList.toggle("not", !done);
      word.scrollIntoView({ block: "nearest" });
    });
  });
}

for (const button of document.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([text(button.dataset.download) + "\n"], { type: "text/plain" }));
    const link = Object.assign(document.createElement("a"), { href: url, download: button.dataset.name });
    link.click();
    URL.revokeObjectURL(url);
  });
}

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());

// Spaces that come along with a pasted code.
for (const input of document.querySelectorAll("[data-code]")) {
  input.addEventListener("change", () => { input.value = input.value.trim().replace(/\s+/g, " "); });
}

// What is left of a wait, by the second. A screen reader has heard the sentence, and is told when it is over.
for (const el of document.querySelectorAll("[data-countdown]")) {
  const end = performance.now() + el.dataset.countdown * 1000;
  const clock = document.createElement("span");
  clock.setAttribute("aria-live", "off");
  const [before, after] = el.dataset.text.split("{clock}");
  const timer = setInterval(tick, 1000);
  function tick() {
    const left = Math.ceil((end - performance.now()) / 1000);
    if (left <= 0) {
      clearInterval(timer);
      el.textContent = el.dataset.over;
      return;
    }
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(left / 3600);
    clock.textContent = (hours ? hours + ":" + two(Math.floor(left / 60) % 60) : Math.floor(left / 60)) + ":" + two(left % 60);
  }
  if (after !== undefined) el.replaceChildren(before, clock, after); // a host's own words may have no place for it
  tick();
}

// A second click sends nothing a second time.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000); // the answer may never have come
  });
}

// A browser may keep the page as it was for its back button. What may still be shown then is loaded again.
let stripped = false;
addEventListener("pagehide", () => {
  for (const el of document.querySelectorAll("[data-secret]")) { el.remove(); stripped = true; }
  for (const el of document.querySelectorAll("[data-code], [type=password]")) el.value = "";
});
addEventListener("pageshow", (event) => {
  if (!event.persisted || !stripped) return;
  document.documentElement.hidden = true;
  location.reload();
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form")) delete form.dataset.sent; });

// The reader's time zone. How long ago something was is the same in all of them. A browser may refuse a host's own language:
// then times stay as they are.
for (const el of document.querySelectorAll("#main time")) {
  const { as } = el.dataset;
  const utc = el.textContent;
  const form = { dateStyle: "medium", timeStyle: as ? undefined : "short", numberingSystem: "latn" };
  if (as !== "ago") {
    try { el.textContent = new Date(el.dateTime).toLocaleString(el.closest("#main").lang, form); } catch { continue; }
  }
  el.title = as ? el.dateTime : utc;
}
