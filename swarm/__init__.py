"""Who carries what: identity, links, delegation, HTTP, and `Node`, the only place where the parts meet."""
