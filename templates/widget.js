// Shows races on your site, as high as their list: an event, a group, or all races of the club.
// <script src=".../widget.js" data-event="ID" data-theme="light" data-accent="0a58a8" async></script>
(() => {
  const script = document.currentScript;
  const { event, group, filter, theme, accent, limit, days } = script.dataset;
  const path = event ? `events/${encodeURIComponent(event)}/` : group ? `groups/${encodeURIComponent(group)}/` : "";
  const url = new URL(`${path}embed${filter ? `?${filter}` : ""}`, script.src);
  for (const [name, value] of Object.entries({ theme, accent, limit, days })) if (value) url.searchParams.set(name, value);
  const frame = document.createElement("iframe");
  frame.src = url;
  frame.title = script.dataset.title || (event ? "Race" : "Races");
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
