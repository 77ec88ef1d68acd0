// Tells the page around the frame its height: widget.js, and WordPress, which shows what it embeds
// once that has told its height, and follows links for it (wp-includes/js/wp-embed.js): its sandbox
// lets the frame open nothing itself.
const secret = new URLSearchParams(location.hash.replace(/^#\??/, "")).get("secret");
const tell = (message, value) => parent.postMessage({ message, value, secret }, "*");

if (parent !== window) {
  const height = () => tell("height", Math.ceil(document.documentElement.getBoundingClientRect().height));
  height();
  new ResizeObserver(height).observe(document.documentElement); // fonts, styles, another width
  addEventListener("message", (event) => { if (event.source === parent && event.data?.message === "ready") height(); });
}
if (parent !== window && secret) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    const page = document.querySelector("link[rel=canonical]")?.href ?? link.href; // an error has none
    // WordPress goes nowhere but to the frame's own host.
    tell("link", link.host === location.host && link.protocol === location.protocol ? link.href : `${page}#subscribe`);
  });
}
