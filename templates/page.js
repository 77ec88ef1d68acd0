// Copy buttons, and the visitor's own platform first. Everything else works without.
const said = (button, text) => {
  const before = button.dataset.text ?? button.textContent;
  button.dataset.text = before;
  button.textContent = text;
  setTimeout(() => { button.textContent = before; }, 2000);
};

for (const button of document.querySelectorAll("[data-copy]")) {
  const code = button.parentElement.querySelector("code");
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      said(button, "Copied");
    } catch { // not over http
      getSelection().selectAllChildren(code);
      said(button, document.execCommand("copy") ? "Copied" : "Press Ctrl+C");
    }
  });
}

const platform = navigator.userAgentData?.platform ?? navigator.userAgent;
const own = [[/android/i, "google"], [/iphone|ipad|mac/i, "apple"], [/windows/i, "outlook"], [/linux/i, "others"]]
  .find(([pattern]) => pattern.test(platform))?.[1];
const way = own && document.querySelector(`[data-way="${own}"]`);
if (way) {
  way.classList.add("own");
  way.parentElement.prepend(way);
}
