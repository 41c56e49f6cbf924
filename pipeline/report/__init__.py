"""The gallery: a page that shows what a campaign brought. `data` says what is on it, `page/` how it looks."""
