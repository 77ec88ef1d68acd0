// Shows an event on your site, as high as its content:
// <script src=".../widget.js" data-event="ID" data-theme="light" data-accent="0a58a8" async></script>
(() => {
  const script = document.currentScript;
  const { event, theme, accent } = script.dataset;
  const url = new URL(`events/${encodeURIComponent(event)}/embed`, script.src);
  if (theme) url.searchParams.set("theme", theme);
  if (accent) url.searchParams.set("accent", accent);
  const frame = document.createElement("iframe");
  frame.src = url;
  frame.title = script.dataset.title || "Race";
  // Set through the CSSOM: a style attribute would need 'unsafe-inline' in the site's policy.
  // Without the scheme of its content, browsers would paint the corners around the widget.
  const colorScheme = theme === "auto" ? "light dark" : theme || "light";
  Object.assign(frame.style, { colorScheme, display: "block", width: "100%", maxWidth: "600px", height: "420px", border: "0" });
  addEventListener("message", ({ source, origin, data }) => {
    if (source !== frame.contentWindow || origin !== url.origin) return;
    if (data?.message === "height" && data.value > 0 && data.value < 20000) frame.style.height = `${data.value}px`;
  });
  script.after(frame);
})();
