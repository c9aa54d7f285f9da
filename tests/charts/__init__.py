"""The chart, rendered by helm and held to its promises on a real API server."""
