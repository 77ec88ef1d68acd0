"""HTTP: routes, conditional requests, the representation cache, pages, widgets."""
