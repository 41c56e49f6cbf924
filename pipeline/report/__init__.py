"""The gallery: a page with the results of a campaign. `data` is its content, `page/` its look."""
