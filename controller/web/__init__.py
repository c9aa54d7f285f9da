"""The page: rendered on the server, usable with scripts off, closed to whoever has not logged in."""
