"""The gallery: a page with the results of a campaign. `data` builds its content; `page/` has its HTML and scripts."""
