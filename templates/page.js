// Copy buttons, the visitor's own calendar first, links for the ticked runs. The page works without.
const told = document.getElementById("told");
let reset = () => {}, timer;
const say = (button, text) => {
  clearTimeout(timer);
  reset(); // also if the same button is pressed again
  const before = button.textContent;
  reset = () => { button.textContent = before; told.textContent = ""; };
  button.textContent = told.textContent = text;
  timer = setTimeout(reset, 2000);
};
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    say(button, "Copied");
  } catch { // not over http
    getSelection().selectAllChildren(code);
    say(button, document.execCommand("copy") ? "Copied" : "Selected");
  }
});

// What comes first, by a pattern of navigator.userAgent; the rest is behind "Other calendars".
const PLATFORMS = [
  [/android/i, ["google-once", "others", "computer"]],
  [/iphone|ipad|macintosh/i, ["apple"]],
  [/windows/i, ["outlook", "microsoft365"]],
  [/cros/i, ["google"]],
  [/./, ["others", "google"]],
];
// Apps that show pages in a browser of their own.
const IN_APP = /instagram|fban|fbav|fb_iab|linkedinapp|tiktok|musical_ly|bytedance|\bline\/|snapchat|pinterest|micromessenger|; wv\)/i;
const arrange = () => {
  const ways = document.getElementById("ways"), others = document.getElementById("others");
  if (!ways || !others) return;
  const agent = navigator.userAgent;
  const first = PLATFORMS.find(([pattern]) => pattern.test(agent))[1];
  // "Apple Calendar" and "Calendar app" have the same link; Google's app on Android opens no link to subscribe.
  const absent = { "google-once": ["google", "apple"], apple: ["google-once", "computer", "others"] }[first[0]] ?? ["google-once", "computer", "apple"];
  const all = Object.fromEntries([...ways.children].map((way) => [way.dataset.way, way]));
  for (const [key, way] of Object.entries(all)) way.hidden = absent.includes(key);
  others.querySelector("ul").replaceChildren(...Object.values(all).filter((way) => !first.includes(way.dataset.way)));
  ways.replaceChildren(...first.map((key) => all[key]).filter(Boolean));
  others.hidden = false;
  document.querySelector(".inapp").hidden = !IN_APP.test(agent);
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
};

const form = document.getElementById("choice");
let asked = 0;
form?.addEventListener("change", async () => {
  const number = ++asked;
  const query = new URLSearchParams(new FormData(form)).toString();
  const url = `${location.pathname}${query && "?"}${query}`;
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.status);
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (number !== asked) return; // the visitor has ticked something else meanwhile
    for (const part of document.querySelectorAll("[data-links]")) {
      const other = made.querySelector(`[data-links=${part.dataset.links}]`);
      if (other) part.replaceWith(other);
    }
    history.replaceState(null, "", url);
    arrange();
    told.textContent = "The links are updated.";
  } catch {
    form.submit();
  }
});
form?.querySelector("button").setAttribute("hidden", "");

// Ticked races: how many, and no button while there are none.
const mine = document.getElementById("mine"), ticked = document.getElementById("ticked");
const count = () => {
  const number = mine.querySelectorAll("input:checked").length;
  if ("chosen" in ticked.dataset) return;
  ticked.hidden = number === 0;
  ticked.textContent = `Subscribe to ${number} ticked`;
};
if (mine) {
  document.addEventListener("change", count);
  addEventListener("pageshow", count); // a browser may restore ticks
}

const tell = (element, text) => { element.textContent = text; element.hidden = false; };
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const tick = () => {
  for (const ago of document.querySelectorAll("time.ago")) {
    const minutes = Math.max(0, Math.floor((Date.now() - Date.parse(ago.dateTime)) / 60000));
    const hours = Math.floor(minutes / 60);
    tell(ago, minutes < 1 ? "just now" : `${hours < 2 ? plural(minutes, "minute") : plural(hours, "hour")} ago`);
  }
  for (const until of document.querySelectorAll("time.countdown")) {
    // The day at the place, and the visitor's own.
    const now = new Date(), today = Date.UTC(now.getFullYear(), now.getMonth(), now.getDate());
    const days = Math.round((Date.parse(until.dateTime) - today) / 86400000);
    if (days >= 0) tell(until, days === 0 ? "today" : days === 1 ? "tomorrow" : `in ${days} days`);
    else until.hidden = true;
  }
};
tick();
setInterval(tick, 30000);
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
arrange();

// Previews of the kit are as high as their content.
for (const frame of document.querySelectorAll("iframe[srcdoc]")) {
  const fit = () => {
    const root = frame.contentDocument?.documentElement;
    if (!root?.querySelector("body *")) return;
    new ResizeObserver(() => { frame.height = Math.ceil(root.getBoundingClientRect().height); }).observe(root);
  };
  frame.addEventListener("load", fit);
  if (frame.contentDocument?.readyState === "complete") fit();
}
