"""The demo: the shipped program on a fleet of the lab, told to whoever watches."""
