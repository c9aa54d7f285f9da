"""What comes next: forecasters of load, the bound for its peak, and how long a pod takes to start."""
