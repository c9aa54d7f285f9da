"""The whole of trimtab, as a process of its own with the chart's ServiceAccount, on a real control plane."""
