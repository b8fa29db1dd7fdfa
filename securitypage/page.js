// What the page does without this script, it does with it. This adds buttons to copy, download and print, drops
// what is secret from a page that is left, and shows times in the reader's time zone.
"use strict";

const live = document.querySelector("[data-live]");
const say = (text) => { if (live) live.textContent = text; };
const text = (id) => document.getElementById(id).textContent.trim();

for (const el of document.querySelectorAll("[data-js]")) el.hidden = false;

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text(button.dataset.copy) + (button.dataset.copy === "codes" ? "\n" : ""));
      say(button.dataset.done);
    } catch {
      // Without permission to write to the clipboard the text is selected, to be copied by hand.
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    }
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

// A second click sends nothing a second time.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000); // the answer may never have come
  });
}

// A browser may keep the page as it was for its back button.
addEventListener("pagehide", () => {
  for (const el of document.querySelectorAll("[data-secret]")) el.remove();
  for (const el of document.querySelectorAll("[data-code], [type=password]")) el.value = "";
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form")) delete form.dataset.sent; });

for (const el of document.querySelectorAll("time")) {
  const at = new Date(el.dateTime);
  el.title = el.textContent;
  el.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}
