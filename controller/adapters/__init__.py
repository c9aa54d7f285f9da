"""One third-party client a module, each behind a port of `controller.ports`; none knows another."""
