"""What the database adapter promises beyond the store's contract: durability, one lock, honest errors."""
