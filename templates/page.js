// Copy buttons, and the visitor's own platform first. Everything else works without.
const told = document.getElementById("told");
const say = (button, text) => {
  const before = button.textContent;
  button.textContent = told.textContent = text;
  setTimeout(() => { button.textContent = before; told.textContent = ""; }, 2000);
};

for (const button of document.querySelectorAll("[data-copy]")) {
  const code = button.parentElement.querySelector("code");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      say(button, "Copied");
    } catch { // not over http
      getSelection().selectAllChildren(code);
      say(button, document.execCommand("copy") ? "Copied" : "Selected");
    }
  });
}

const platform = navigator.userAgentData?.platform ?? navigator.userAgent;
const own = [[/android/i, "google"], [/iphone|ipad|ios|mac/i, "apple"], [/windows/i, "outlook"], [/linux/i, "others"]]
  .find(([pattern]) => pattern.test(platform))?.[1];
const way = own && document.querySelector(`[data-way="${own}"]`);
if (way) {
  way.classList.add("own");
  way.parentElement.prepend(way);
}
